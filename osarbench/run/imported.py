"""Features of somebody else's network in the place of a backbone: stored in a protocol's order, scored like any other.

They lie in ``runs/<protocol>/<name>/imported/``. No video and no weights are needed: what follows the features of a
frozen backbone follows these.
"""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench.artifacts import storage
from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Step, execute
from osarbench.data import index
from osarbench.data.index import COLUMNS, Index
from osarbench.data.locations import Locations
from osarbench.data.shots import SHOT
from osarbench.digests import content_digest
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading
from osarbench.plugins.catalogue import catalogue
from osarbench.plugins.loading import NAME, Plugins
from osarbench.protocols import protocol as protocols
from osarbench.protocols.protocol import Protocol
from osarbench.published import feature_files, feature_rows
from osarbench.published.feature_files import FeatureFile

TESTED = ("calibration", "known", "unknown")
FILES = {"features.npy": TESTED, "features-train.npy": ("train",), "features-shots.npy": (SHOT,)}


class Imported(NamedTuple):
    """Features that were imported, and what is noted of them."""

    folder: Path
    name: str
    protocol: str  #: its sha256
    files: tuple[tuple[str, str], ...]  #: name and sha256 of each imported file
    videos: int
    views: int
    dim: int
    classes: tuple[str, ...]
    classifier: bool  #: whether there is a linear classifier with them

    @property
    def sha256(self) -> str:
        """A digest of all imported files."""
        return content_digest(self.files)

    def step(self, name: str, make: Any = None) -> Step:
        """Return the step that stands for a file of the folder; only an import makes it."""
        return Step(
            name=f"import {name}",
            output=self.folder / name,
            inputs={"files": self.sha256},
            settings={"protocol": self.protocol, "roles": FILES.get(name)},
            code=Code.of(),
            make=make or self._again,
        )

    def videos_listed(self) -> Index:
        """Return the videos, as the protocol lists them."""
        rows = pd.read_csv(self.folder / "index.csv", keep_default_na=False, dtype=str)
        return Index(rows.assign(path="", start=None, end=None), self.classes, ())

    def _again(self, *_: Any) -> None:
        raise OsarbenchError(f"{self.folder} is damaged. Import the features again: osarbench import-features.")


def store(
    files: Sequence[Path], protocol_name: str, name: str, *, runs: Path, locations: Locations, redo: bool = False
) -> Imported:
    """Check feature files against a protocol, and keep them in its order.

    Args:
        files: of one network; together they hold every video of the protocol.
        protocol_name: name, or path of a file.
        name: stands where the name of a backbone stands.
        runs: where results go.
        locations: of the data sets, whose lists are read; their videos need not be there.
        redo: replace other features of the name.

    Raises:
        OsarbenchError: they are not what the protocol needs, see `feature_files.read` and `feature_rows.positions`.
    """
    _check_name(name)
    protocol = protocols.read(protocol_name)
    found = feature_files.read(files)
    listed = index.build(protocol, loading.load(kinds=("datasets",)), locations, is_there=lambda path: True)
    places = feature_rows.positions(found, listed.rows, complete=protocol.sections.complete)
    rows, places = listed.rows[places >= 0].reset_index(drop=True), places[places >= 0]
    _check_roles(rows, listed.classes)
    classifier = _classifier(found, listed.classes)
    folder = runs / protocol.name / name / "imported"
    imported = Imported(
        folder, name, protocol.sha256, tuple((file.name, storage.sha256(file)) for file in files), len(rows),
        found.features.shape[1], found.features.shape[2], tuple(listed.classes), classifier is not None,
    )  # fmt: skip
    steps = [
        imported.step(file, partial(_write_features, found.features, places[rows["role"].isin(roles)]))
        for file, roles in FILES.items()
        if rows["role"].isin(roles).any()
    ]
    if classifier is not None:
        steps.append(imported.step("classifier.npz", partial(_write_classifier, *classifier)))
    execute(steps, redo=redo)
    storage.write_text(folder / "index.csv", rows[list(COLUMNS)].to_csv(index=False))
    facts = imported._replace(folder=Path())._asdict()
    storage.write_text(folder / "import.json", json.dumps({**facts, "folder": None}, indent=1) + "\n")
    return imported


def find(runs: Path, protocol: Protocol, name: str, available: Plugins) -> Imported | None:
    """Return the features that were imported under a name for a protocol; None if the name is a backbone's.

    Raises:
        OsarbenchError: they were imported for another version of the protocol.
    """
    folder = runs / protocol.name / name / "imported"
    if name in available.backbones or not (folder / "import.json").is_file():
        return None
    facts = json.loads((folder / "import.json").read_text(encoding="utf-8"))
    files, classes = tuple((file, digest) for file, digest in facts["files"]), tuple(facts["classes"])
    found = Imported(**{**facts, "folder": folder, "files": files, "classes": classes})
    if found.protocol != protocol.sha256:
        raise OsarbenchError(
            f"The features '{name}' were imported for another version of the protocol '{protocol.name}'. Import them "
            "again: osarbench import-features ... --redo."
        )
    return found


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise OsarbenchError(f"'{name}' is no name for features: letters, digits, _ and - alone.")
    if any(listing.kind == "backbones" and listing.name == name for listing in catalogue()):
        raise OsarbenchError(f"'{name}' is a backbone of osarbench. Give the features another name: --name {name}_own.")


def _check_roles(rows: pd.DataFrame, classes: Sequence[str]) -> None:
    """Refuse what a partial protocol leaves, if a class has no training or test video, or nothing is unknown."""
    have = Counter(zip(rows["role"], rows["label"], strict=True))
    for role, word in (("train", "training"), ("known", "test")):
        empty = [label for label in classes if not have[role, label]]
        if empty:
            raise OsarbenchError(
                f"There are features of no {word} video of {len(empty)} classes: {', '.join(empty[:5])}."
            )
    if not (rows["role"] == "unknown").any():
        raise OsarbenchError("There are features of no unknown video.")


def _classifier(found: FeatureFile, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
    order = feature_rows.class_order(found, classes)
    made = feature_rows.classifier(found)
    return None if made is None else (made[0][order], made[1][order])


def _write_features(features: np.ndarray, places: np.ndarray, step: Step, into: Path) -> None:
    with into.open("wb") as opened:
        np.save(opened, features[places])


def _write_classifier(weight: np.ndarray, bias: np.ndarray, step: Step, into: Path) -> None:
    with into.open("wb") as opened:
        np.savez(opened, weight=weight, bias=bias)
