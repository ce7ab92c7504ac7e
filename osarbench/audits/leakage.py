"""Do test videos show what a network was trained on? By source group, by frame, by file, and by pre-training label."""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from osarbench.artifacts import storage
from osarbench.audits import frame_hash, names
from osarbench.audits.frame_hash import Hashes
from osarbench.audits.hash_cache import Piece, hash_all
from osarbench.data import index
from osarbench.data.index import ROLES
from osarbench.data.locations import Locations
from osarbench.data.shots import SHOT
from osarbench.errors import OsarbenchError
from osarbench.plugins.loading import Plugins
from osarbench.protocols.protocol import Protocol

#: Similarity of names from which a pre-training label is shown.
ALIKE = 0.5
TRAINED = ("train", "calibration")  #: known videos that are there before the test


class Row(NamedTuple):
    """One video of the index."""

    role: str
    video: str
    label: str
    group: str  #: the path, where a video is a group of its own
    title: str  #: the group without its class, where it begins with it
    piece: Piece


class Shared(NamedTuple):
    """One source whose videos have two roles."""

    roles: tuple[str, str]
    group: str
    classes: tuple[str, ...]
    videos: tuple[int, int]  #: of each role
    examples: tuple[str, str]


class Copies(NamedTuple):
    """Two groups with frames that look the same."""

    roles: tuple[str, str]
    groups: tuple[str, str]
    classes: tuple[str, str]
    videos: tuple[int, int]  #: of each group that are in such a pair
    distance: int  #: the smallest, in bits of 256
    examples: tuple[str, str]  #: the videos of the smallest


class Same(NamedTuple):
    """Files with the same bytes, under two roles or classes; one entry of each field for each file."""

    roles: tuple[str, ...]
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    files: tuple[str, ...]


class Exposed(NamedTuple):
    """An unknown class, and the pre-training label whose name is most like its own."""

    name: str
    label: str
    similarity: float


@dataclass(frozen=True)
class Report:
    """All that `audit` found."""

    protocol: str
    videos: Mapping[str, int]  #: by role
    missing: int  #: listed videos that are not there, and so not looked at
    shared: tuple[Shared, ...]
    titles: tuple[Shared, ...]  #: sources that two classes share, where groups name the class
    same: tuple[Same, ...]
    copies: tuple[Copies, ...] | None  #: None: frames were not looked at
    flat: int  #: videos whose frames are all black, white or nearly so
    unreadable: Mapping[str, str]  #: path -> reason
    exposed: tuple[Exposed, ...] | None  #: None: no labels were given

    @property
    def leaks(self) -> tuple[Shared | Same, ...]:
        """What is in training and in the test: a group of known videos, or a file under another name."""
        return (
            *(found for found in self.shared if is_leak(found.roles)),
            *(found for found in self.same if is_leak(found.roles, test=("known", "unknown"))),
        )


def audit(
    protocol: Protocol,
    plugins: Plugins,
    locations: Locations,
    *,
    frames: bool = True,
    pretrained_labels: Path | None = None,
) -> Report:
    """Look at every video that a protocol uses and this machine has; a partial copy will do.

    Args:
        frames: look for near copies by `frame_hash`, which decodes every video once.
        pretrained_labels: a file of the class names of a pre-training data set, one a line.

    Raises:
        OsarbenchError: as `osarbench.data.index.build`, or the file of labels is missing or empty.
    """
    labels = None if pretrained_labels is None else read_labels(pretrained_labels)
    partial = protocol._replace(sections=replace(protocol.sections, complete=False))
    listed = index.build(partial, plugins, locations)
    rows = [_row(row) for row in listed.rows.to_dict("records")]
    counts = Counter(row.role for row in rows)
    unknown = sorted({row.label for row in rows if row.role == "unknown"})
    pieces = list(dict.fromkeys(row.piece for row in rows))
    hashed = hash_all(pieces, locations.cache / "frame_hashes") if frames else {}
    readable = {piece: its for piece, its in hashed.items() if not isinstance(its, str)}
    return Report(
        protocol=protocol.name,
        videos={role: counts[role] for role in ROLES if role != SHOT or counts[role]},
        missing=len(listed.missing),
        shared=tuple(_shared(rows, "group")),
        titles=tuple(found for found in _shared(rows, "title") if len(found.classes) > 1),
        same=tuple(_same(rows)),
        copies=tuple(_copies(rows, readable)) if frames else None,
        flat=sum(not len(its) for its in readable.values()),
        unreadable={str(piece.path): its for piece, its in hashed.items() if isinstance(its, str)},
        exposed=None if labels is None else tuple(_exposed(unknown, labels)),
    )


def is_leak(roles: Sequence[str], *, test: Collection[str] = ("known",)) -> bool:
    """Return whether what has these roles is in training and in the test.

    Args:
        test: the roles that count. A source that train and unknown videos share is reported only: an unknown action in
            a scene known from training is what open-set tests are about. A shared file is another matter.
    """
    return any(role in test for role in roles) and any(role in TRAINED for role in roles)


def read_labels(file: Path) -> list[str]:
    """Return the class names in a file, one a line; a number before or behind a name does not matter.

    Raises:
        OsarbenchError: the file is missing, no text, or has no name.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError as error:
        raise OsarbenchError(f"There is no file of pre-training labels {file}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OsarbenchError(f"The file of pre-training labels {file} cannot be read: {error}.") from error
    labels = [line for line in lines if names.stems(line)]
    if not labels:
        raise OsarbenchError(f"{file} has no label. Give a file with one class name a line.")
    return labels


def _row(row: Mapping[Hashable, Any]) -> Row:
    video, label, group = row["video"], row["label"], row["group"]
    start, end = (None if pd.isna(row[key]) else float(row[key]) for key in ("start", "end"))
    if group in (video, video.rpartition("#t=")[0]):
        group = row["path"]
    return Row(row["role"], video, label, group, group.removeprefix(f"{label}/"), Piece(Path(row["path"]), start, end))


def _by_role(rows: Iterable[Row]) -> dict[str, list[Row]]:
    by_role: dict[str, list[Row]] = {role: [] for role in ROLES}
    for row in rows:
        by_role[row.role].append(row)
    return by_role


def _shared(rows: Sequence[Row], by: Literal["group", "title"]) -> Iterator[Shared]:
    """Yield the sources that two roles share, by their group or title."""
    by_source: dict[str, dict[str, list[Row]]] = defaultdict(dict)
    for row in rows:
        by_source[getattr(row, by)].setdefault(row.role, []).append(row)
    for source, by_role in sorted(by_source.items()):
        for first, second in combinations([role for role in ROLES if role in by_role], 2):
            ours, theirs = by_role[first], by_role[second]
            classes = tuple(sorted({row.label for row in (*ours, *theirs)}))
            examples = (ours[0].video, theirs[0].video)
            yield Shared((first, second), source, classes, (len(ours), len(theirs)), examples)


def _same(rows: Sequence[Row]) -> Iterator[Same]:
    """Yield different files of the same content; only files of the same size are read."""
    by_path = {row.piece.path: row for row in rows}
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in by_path:
        by_size[path.stat().st_size].append(path)
    by_content: dict[str, list[Path]] = defaultdict(list)
    for paths in by_size.values():
        for path in paths if len(paths) > 1 else ():
            by_content[storage.sha256(path)].append(path)
    for paths in by_content.values():
        its = [by_path[path] for path in paths]
        roles, classes = tuple(row.role for row in its), tuple(row.label for row in its)
        if len(set(roles)) > 1 or len(set(classes)) > 1:
            yield Same(roles, classes, tuple(row.video for row in its), tuple(map(str, paths)))


def _copies(rows: Sequence[Row], hashed: Mapping[Piece, Hashes]) -> Iterator[Copies]:
    """Yield pairs of groups of two roles that share near frames, the nearest first."""
    by_role = _by_role(row for row in rows if row.piece in hashed)
    found = []
    for roles in combinations(ROLES, 2):
        ours, theirs = (by_role[role] for role in roles)
        by_groups: dict[tuple[str, str], list[tuple[Row, Row, int]]] = defaultdict(list)
        for pair in frame_hash.search([hashed[row.piece] for row in ours], [hashed[row.piece] for row in theirs]):
            first, second = ours[pair.first], theirs[pair.second]
            by_groups[first.group, second.group].append((first, second, pair.distance))
        for groups, its in by_groups.items():
            first, second, distance = its[0]  # the search gives the nearest first
            counts = (len({ours.piece for ours, _, _ in its}), len({theirs.piece for _, theirs, _ in its}))
            classes, examples = (first.label, second.label), (first.video, second.video)
            found.append(Copies(roles, groups, classes, counts, distance, examples))
    yield from sorted(found, key=lambda copies: (copies.distance, copies.groups))


def _exposed(unknown: Sequence[str], labels: Sequence[str]) -> Iterator[Exposed]:
    """Yield the unknown classes whose name is like a pre-training label's, the most alike first."""
    matches = [(name, names.nearest(name, labels)) for name in unknown]
    alike = [Exposed(name, match.name, match.similarity) for name, match in matches if match.similarity >= ALIKE]
    yield from sorted(alike, key=lambda exposed: (-exposed.similarity, exposed.name))
