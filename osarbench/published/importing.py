"""Other people's score files as scores tables, with a record of where each came from and what was assumed."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench import __version__
from osarbench.artifacts import storage
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.published import csv_files, mmaction, npz
from osarbench.published.findings import Finding
from osarbench.published.kinds import kind_of
from osarbench.published.scores import AnyArray, Part, Scores
from osarbench.published.test_sets import Official
from osarbench.scores import table

MAX_LIST = 10 * 2**20  #: bytes of a list of classes
_NUMBERED = re.compile(r"(?P<n>\d{1,9})\s+(?P<name>.+)|(?P<name2>.+),\s*(?P<n2>\d{1,9})")


class Loaded(NamedTuple):
    """Scores that were read from one file, or from one of known and one of unknown videos."""

    files: tuple[Path, ...]
    kind: str  #: "npz", "csv" or "mmaction"
    scores: Scores
    own: pd.DataFrame | None = None  #: the rows, if the file is a scores table already


def load(files: Sequence[Path]) -> list[Loaded]:
    """Read score files of any kind: each alone if it tells known from unknown, else two, the known videos first.

    Raises:
        OsarbenchError: a file is not what it should be (the message says what it is), or files cannot be paired.
    """
    kinds = [kind_of(file) for file in files]
    alone = [
        kind == "npz" or (kind == "csv" and (csv_files.is_own(file) or len(files) != 2))
        for kind, file in zip(kinds, files, strict=True)
    ]
    if all(alone):
        return [_load_one(file, kind) for file, kind in zip(files, kinds, strict=True)]
    if len(files) != 2 or len(set(kinds)) != 1 or any(alone):
        raise OsarbenchError(
            f"{files[alone.index(False)]} holds one test set. Name two such files: that of the known videos, then that "
            "of the unknown ones."
        )
    scores = mmaction.read(files[0], files[1]) if kinds[0] == "mmaction" else csv_files.read(files)
    return [Loaded(tuple(files), kinds[0], scores)]


def to_table(
    scores: Scores,
    *,
    known_classes: Sequence[str] | None = None,
    unknown_classes: Sequence[str] | None = None,
    known_source: str = "known",
    unknown_source: str = "unknown",
) -> pd.DataFrame:
    """Return scores as a scores table; an unknown class with a known class's name is called "name (unknown)".

    Videos without names are called "row 00012", counted from 0 in the file's order. Of rows that name one video, the
    first is kept.

    Raises:
        OsarbenchError: a class number has no name in a list, or the two sources have one name.
    """
    if known_source == unknown_source:
        raise OsarbenchError(f"Known and unknown videos cannot both be of the source '{known_source}'. Name two.")
    known, unknown = scores.known, scores.unknown
    predicted = [_named(its.predicted, "known", known_classes) for its in (known, unknown)]
    labels = _named(known.labels, "known", known_classes)
    taken = {*(known_classes or ()), *labels, *predicted[0], *predicted[1]}
    apart = [
        f"{name} (unknown)" if name in taken else name for name in _named(unknown.labels, "unknown", unknown_classes)
    ]
    parts = [
        _rows(known, "known", known_source, labels, predicted[0]),
        _rows(unknown, "unknown", unknown_source, apart, predicted[1]),
    ]
    if scores.train is not None:
        train = scores.train
        named = (_named(its, "known", known_classes) for its in (train.labels, train.predicted))
        parts.insert(0, _rows(train, "train", f"{known_source} (train)", *named))
    return pd.concat(parts, ignore_index=True).drop_duplicates(["source", "video"], ignore_index=True)


def write(rows: pd.DataFrame, path: Path, origin: dict[str, Any]) -> Path:
    """Write a scores table and, next to it, its origin as JSON; return the path of the latter.

    Raises:
        OsarbenchError: the table is not sound, or cannot be written.
    """
    table.validate(rows)
    with storage.atomic_write(path) as temporary:
        table.write(rows, temporary)
    origin_file = path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.csv')}.origin.json")
    with storage.atomic_write(origin_file) as temporary:
        stated = {"table": path.name, "table_sha256": storage.sha256(path), **origin}
        temporary.write_text(json.dumps(stated, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return origin_file


def origin_of(
    loaded: Loaded, rows: pd.DataFrame, findings: Sequence[Finding], assumed: Sequence[str]
) -> dict[str, Any]:
    """Return where a scores table came from, JSON-ready: files and their hashes, format, choices, findings."""
    counts = rows[["role", "source"]].value_counts(sort=False).reset_index(name="rows")
    return {
        "files": [{"name": file.name, "sha256": storage.sha256(file)} for file in loaded.files],
        "format": loaded.kind,
        "variant": loaded.scores.variant,
        "choices": [*loaded.scores.choices, *assumed],
        "threshold": loaded.scores.threshold,
        "rows": counts.to_dict("records"),
        "findings": [finding._asdict() for finding in findings],
        "osarbench": __version__,
    }


def check_classes(names: Sequence[str], official: Official) -> None:
    """Raise an `OsarbenchError` if a list of classes is not of a test set: it may be that of another version."""
    if len(names) != len(official.counts):
        raise OsarbenchError(
            f"The list names {len(names)} classes, and {official.title} has {len(official.counts)}: it is the list of "
            "another data set or version, and would give classes wrong names. Leave it out, or name the right one."
        )


def read_classes(path: Path) -> list[str]:
    """Return the class names of a list, by number: a name a line, "1 ApplyEyeMakeup" or "clapping,12".

    Raises:
        OsarbenchError: there is no such list, it is empty, names one class twice, or its numbers have gaps.
    """
    try:
        if path.stat().st_size > MAX_LIST:
            raise OsarbenchError(f"The list of classes {path} has more than {MAX_LIST:,} bytes, which none has.")
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise OsarbenchError(f"The list of classes {path} cannot be read: {error}.") from error
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if lines and all(numbered):
        pairs = sorted((int(its["n"] or its["n2"]), its["name"] or its["name2"]) for its in numbered if its)
        first = pairs[0][0]
        if first not in (0, 1) or [number for number, _ in pairs] != list(range(first, first + len(pairs))):
            raise OsarbenchError(f"The numbers in the list of classes {path} do not run from 0 or 1 without gaps.")
        lines = [name for _, name in pairs]
    if not lines or len(set(lines)) < len(lines):
        twice = next((name for name in lines if lines.count(name) > 1), None)
        raise OsarbenchError(f"The list of classes {path} " + (f"names '{twice}' twice." if twice else "is empty."))
    return lines


def _named(classes: AnyArray, side: str, given: Sequence[str] | None) -> list[str]:
    """Return the names of class numbers, or the names that the file gave, which a given list must have."""
    if classes.dtype.kind != "i":
        for name in sorted(set(classes.tolist()) - set(classes.tolist() if given is None else given)):
            raise OsarbenchError(
                f"The file has the {side} class '{name}', which the list of {side} classes lacks."
                f"{did_you_mean(name, given or ())}"
            )
        return [str(name) for name in classes]
    if given is None:
        return [f"{'unknown ' if side == 'unknown' else ''}class {number:03d}" for number in classes.tolist()]
    if classes.min() < 0 or classes.max() >= len(given):
        wrong = int(classes.max() if classes.max() >= len(given) else classes.min())
        raise OsarbenchError(
            f"The file has the {side} class {wrong}, and the list of {side} classes names {len(given)} (0 to "
            f"{len(given) - 1}). Is it the list of another data set?"
        )
    return [given[number] for number in classes.tolist()]


def _rows(part: Part, role: str, source: str, labels: Sequence[str], predicted: Sequence[str]) -> pd.DataFrame:
    numbered = np.array([f"row {position:05d}" for position in range(len(part.labels))])
    columns = {"label": labels, "predicted": predicted, "confidence": part.confidence, "uncertainty": part.uncertainty}
    if part.label_ranks is not None and role != "unknown":
        columns[table.LABEL_RANK] = part.label_ranks
    videos = numbered if part.videos is None else part.videos
    return pd.DataFrame({"video": videos, "role": role, "source": source, **columns}).astype({"video": object})


def _load_one(file: Path, kind: str) -> Loaded:
    if kind == "npz":
        return Loaded((file,), kind, npz.read(file))
    if not csv_files.is_own(file):
        return Loaded((file,), kind, csv_files.read([file]))
    rows = table.read(file)
    return Loaded((file,), kind, csv_files.of_table(rows), rows)
