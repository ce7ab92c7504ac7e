"""Finished runs as parts of a fusion: whose outputs they are, of which videos, with what identity."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from osarbench.artifacts import manifest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head, make_head
from osarbench.model import network
from osarbench.plugins.loading import Plugins
from osarbench.protocols import protocol as protocols
from osarbench.protocols.protocol import Protocol
from osarbench.run import listing, scoring
from osarbench.run.fusion import FusedHead, FusedOutputs

TESTED, TRAINED_ON = ("outputs.npy", "features.npy"), ("outputs-train.npy", "features-train.npy")
CHUNK = 1024  #: videos that are held at once


class Part(NamedTuple):
    """The outputs of one run."""

    folder: Path
    facts: Mapping[str, Any]  #: `listing.Facts`
    rows: pd.DataFrame  #: its videos, in the order of their outputs
    tested: Path  #: outputs of test and calibration videos
    trained_on: Path | None  #: of training videos
    network: Path
    protocol_file: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    def methods(self) -> list[str]:
        """Return the methods that were scored on it, without those of other settings than their defaults."""
        return sorted(file.parent.name for file in self.folder.glob("*/scores.csv*") if "," not in file.parent.name
                      and not file.name.endswith(".json"))  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """Return what it is, for the manifests of what is made of it."""
        return {
            "backbone": self.facts["backbone"],
            "head": self.facts["head"],
            "seed": self.facts["seed"],
            "network": manifest.digest_of(self.network),
            "outputs": manifest.digest_of(self.tested),
            "training_outputs": None if self.trained_on is None else manifest.digest_of(self.trained_on),
        }

    def load_head(self, available: Plugins) -> Head:
        """Return its trained head, in evaluation mode on the CPU."""
        made = manifest.read(self.network) or {}
        state = network.read_tensors(self.network)["head"]
        stated = made["identity"]["settings"]["head"]
        classes = len(self.facts["classes"])
        width = np.load(self.tested, mmap_mode="r").shape[-1]
        dim = width - classes if self.tested.name == TESTED[0] else width
        known: dict[str, type[Head]] = {FusedHead.name: FusedHead, FusedOutputs.name: FusedOutputs}
        known |= {method.head.name: method.head for method in available.methods.values()}
        if stated["name"] not in known:
            raise OsarbenchError(
                f"{self.network} has a head '{stated['name']}' of a plugin that is not loaded: --plugin."
            )
        backbone: Any = SimpleNamespace(dim=dim, map_dim=dim)
        head = make_head(known[stated["name"]], backbone, self.facts["classes"], stated["settings"])
        head.strip()
        head.load_state_dict(state)
        return head.eval()

    def outputs(self, file: Path, positions: np.ndarray, head: Head) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features [N, D] and logits [N, K] of some videos, each averaged over views.

        Args:
            file: `tested` or `trained_on`.
            positions: of the videos in it.
            head: of `load_head`.
        """
        stored = np.load(file, mmap_mode="r")
        names, features, logits = tuple(self.facts["classes"]), [], []
        for begin in range(0, len(positions), CHUNK):
            found = scoring.outputs(head, stored[positions[begin : begin + CHUNK]], names)
            features.append(found.features)
            logits.append(found.logits)
        return torch.cat(features), torch.cat(logits)


def read(path: Path) -> Part:
    """Return the run at a path: the folder of its network (``RUNS/PROTOCOL/BACKBONE/HEAD-SEED``), or one in it.

    Raises:
        OsarbenchError: no run is there, or an older or unfinished one; or several are.
    """
    folder = _folder(path)
    listed = folder / listing.FILE
    made, tested = manifest.read(listed), _first(folder, TESTED)
    if made is None or tested is None or not manifest.is_intact(listed, made):
        raise OsarbenchError(
            f"{folder} holds no finished outputs of a network. Run again the command that made it; what is fresh is "
            "kept."
        )
    identity = made["identity"]
    for file, role in ((tested, "tested"), (_first(folder, TRAINED_ON), "train")):
        its = manifest.read(file) if file is not None else None
        there = None if its is None else its["identity"]["inputs"].get("videos")  # a probe states its network's alone
        if there is not None and there != identity["inputs"][role]:
            raise OsarbenchError(
                f"{file} is of other videos than {listed} lists: the data have changed since. Run again the command "
                "that made it, with --redo."
            )
    stored = next(above / "network.pt" for above in (folder, folder.parent) if (above / "network.pt").is_file())
    rows = listing.read(listed)
    return Part(folder, identity["settings"], rows, tested, _first(folder, TRAINED_ON), stored, made["file"])


def protocol_of(parts: Sequence[Part]) -> Protocol:
    """Return the protocol of all parts. Recipes may differ; what is known, unknown and held out may not.

    Raises:
        OsarbenchError: they are of different protocols or class orders, or the protocol is another one by now.
    """
    first, *others = parts
    found = [_protocol(part) for part in parts]
    for part, its in zip(others, found[1:], strict=True):
        if _question(its) != _question(found[0]):
            raise OsarbenchError(
                f"{first.name} is of the protocol '{found[0].name}' and {part.name} of '{its.name}', which differ in "
                f"[{_differing(found[0], its)}]: their outputs are not about the same. Fuse runs of one protocol."
            )
        here, there = list(first.facts["classes"]), list(part.facts["classes"])
        if here != there:
            at = next(
                (i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(len(here), len(there))
            )
            names = [classes[at] if at < len(classes) else "nothing" for classes in (here, there)]
            raise OsarbenchError(
                f"{first.name} and {part.name} have their classes in different orders: class {at} is {names[0]} in one "
                f"and {names[1]} in the other. Fuse runs of one protocol."
            )
    return found[0]


def _protocol(part: Part) -> Protocol:
    stated = part.facts["protocol"]
    where = part.protocol_file if Path(part.protocol_file).is_file() else stated["name"]
    read = protocols.read(where)
    if read.sha256 != stated["sha256"]:
        raise OsarbenchError(f"{part.name} was made with another version of the protocol {where}. Run it again.")
    return read


def _question(protocol: Protocol) -> dict[str, Any]:
    """Return what a protocol asks, without how networks are trained, or where from frames are read."""
    sections = protocol.sections
    return {key: getattr(sections, key) for key in ("known", "unknown", "threshold", "task", "middle_frames")}


def _differing(first: Protocol, second: Protocol) -> str:
    one, other = _question(first), _question(second)
    return next(key for key in one if one[key] != other[key])


def _folder(path: Path) -> Path:
    if not path.exists():
        raise OsarbenchError(f"There is no run at {path}.")
    start = path if path.is_dir() else path.parent
    for folder in (start, start.parent):
        if (folder / listing.FILE).is_file() or _first(folder, TESTED) is not None:
            return folder
    inside = sorted(file.parent for file in start.rglob(listing.FILE))
    if len(inside) == 1:
        return inside[0]
    if inside:
        shown = ", ".join(str(folder) for folder in inside[:4])
        raise OsarbenchError(f"{path} holds {len(inside)} runs; name one of them: {shown}.")
    raise OsarbenchError(
        f"{path} is no folder of a run. Name the one that holds features.npy: RUNS/PROTOCOL/BACKBONE/HEAD-SEED."
    )


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)
