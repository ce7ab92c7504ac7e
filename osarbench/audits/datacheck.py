"""A data set on disk compared with its lists: what is there, what is not, and whether a run would be wrong."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from osarbench.audits import dataset_files, unreadable
from osarbench.audits.unreadable import Unreadable
from osarbench.interfaces import layout
from osarbench.interfaces.dataset import Dataset, Video, is_there

SHOWN = 5  #: entries of a list that `render` shows
_ROLE = re.compile(r"(?P<role>train|test|val)[a-z_]*(?P<number>\d*)")


@dataclass(frozen=True)
class Split:
    """One split: what its list names, and what of that is there."""

    name: str
    listed: int
    official: int | None  #: videos in the official list, where there is one
    found: int
    missing: tuple[str, ...]  #: ids
    twice: tuple[str, ...]  #: ids listed more than once


@dataclass(frozen=True)
class ClassCount:
    """The different videos of one class in all splits that were looked at."""

    name: str
    listed: int
    found: int


@dataclass(frozen=True)
class Shared:
    """What a training split and a test split of the same number have in common."""

    train: str
    test: str
    videos: tuple[str, ...]
    groups: tuple[str, ...]
    official: bool  #: both lists are official ones; then a shared group is a fact of the data set, not a fault


@dataclass(frozen=True)
class Report:
    """All that `check` found."""

    dataset: str
    root: str
    videos_folder: str
    splits: tuple[Split, ...]
    classes: tuple[ClassCount, ...]
    shared: tuple[Shared, ...]
    surplus: tuple[str, ...] | None  #: files in no list, below the videos folder; None: not all splits were looked at
    unknown: tuple[str, ...] | None  #: files there that are no videos by their names; None: likewise
    linked: tuple[tuple[str, str], ...]  #: ids whose files are one file, by links, with the first such id
    ambiguous: tuple[tuple[str, str, str], ...]  #: ids of missing videos that several files may be, and two of these
    instead: str  #: where no listed video is there: what is wanted, what there is, and how that is mended
    unreadable: tuple[Unreadable, ...] | None  #: None: the files were not opened
    complete: bool  #: a missing video is a problem

    @property
    def absent(self) -> tuple[str, ...]:
        """The classes without any video."""
        return tuple(label.name for label in self.classes if not label.found)

    @property
    def problems(self) -> list[str]:
        """Why a run would be wrong, one sentence each; empty if it would be right."""
        return list(_problems(self))

    @property
    def ok(self) -> bool:
        """Whether a run would be right; a partial copy may be."""
        return not self.problems


def check(
    dataset: Dataset,
    *,
    splits: Sequence[str] | None = None,
    read: bool = True,
    complete: bool = False,
    workers: int | None = None,
) -> Report:
    """Compare the files of a data set with its lists.

    Args:
        dataset: prepared.
        splits: only these; None: all. Surplus files are looked for in all splits only.
        read: decode every file that is there to its end.
        complete: a missing video is a problem.
        workers: processes that decode; 0: none but this one; None: as many as there are processors, at most 8.

    Raises:
        OsarbenchError: there is no such split, or a list is missing or malformed.
    """
    listed = {split: dataset.videos(split) for split in splits or dataset.splits}
    paths = {video.id: dataset.path(video) for videos in listed.values() for video in videos}
    there = {name for name, path in paths.items() if is_there(path)}
    below = None if splits else list(layout.files_below(dataset.videos_folder))
    surplus = None if below is None else dataset_files.surplus(dataset, below, paths.values())
    pieces = {(paths[v.id], v.start, v.end): None for videos in listed.values() for v in videos if v.id in there}
    return Report(
        dataset=dataset.name,
        root=str(dataset.root),
        videos_folder=str(dataset.videos_folder),
        splits=tuple(_split(name, videos, dataset.official_counts, there) for name, videos in listed.items()),
        classes=_classes(dataset, listed, there),
        shared=tuple(_shared(listed, dataset.official_counts)),
        surplus=surplus,
        unknown=None if below is None else dataset_files.unknown(dataset, below),
        linked=dataset_files.linked({name: paths[name] for name in paths if name in there}),
        ambiguous=dataset_files.ambiguous(paths.keys() - there, surplus or ()),
        instead="" if there else layout.side_by_side(dataset.root, dataset.layout),
        unreadable=unreadable.find(list(pieces), workers) if read else None,
        complete=complete,
    )


def render(report: Report) -> str:
    """Return the report for people: a table of the splits, and the start of every list."""
    from tabulate import tabulate

    table = tabulate(
        [(split.name, split.listed, split.official, split.found, len(split.missing)) for split in report.splits],
        headers=["split", "listed", "official", "found", "missing"],
        missingval="-",
    )
    notes = list(_notes(report))
    problems = report.problems
    conclusion = "A run would be wrong:" if problems else "No problem found: ready for a run."
    parts = [
        f"{report.dataset} in {report.root}",
        table,
        *notes,
        "\n".join([conclusion, *(f"  {p}" for p in problems)]),
    ]
    return "\n\n".join(parts)


def to_json(report: Report) -> str:
    """Return the report as JSON."""
    return json.dumps(asdict(report) | {"problems": report.problems, "ok": report.ok}, indent=1) + "\n"


def _problems(report: Report) -> Iterator[str]:
    nothing = not any(split.found for split in report.splits)
    first = next((split.missing[0] for split in report.splits if split.missing), None)
    if nothing and first:
        yield f"None of the listed videos is below {report.videos_folder}, where the first would be {first}."
    if report.linked:
        pairs = [f"{other} is {name}" for name, other in report.linked]
        yield f"One file by two names: {_some(pairs)}. Links do not make another video; take one of them out."
    for split in report.splits:
        if not (split.found or (nothing and split.listed)):
            why = f"none of its {split.listed} videos is there" if split.listed else "its list is empty"
            yield f"{split.name}: {why}. Name the splits that you need with --split, if this is none of them."
        if split.official not in (None, split.listed):
            yield f"{split.name}: {split.listed} videos are listed, {split.official} in the official list."
        if split.twice:
            yield f"{split.name}: listed twice: {_some(split.twice)}."
        if report.complete and split.missing:
            yield f"{split.name}: {len(split.missing)} of {split.listed} videos are missing: {_some(split.missing)}."
    for both in report.shared:
        if both.videos:
            yield f"In {both.train} and in {both.test}: {_some(both.videos)}."
        elif both.groups and not both.official:
            yield f"{both.train} and {both.test} share {len(both.groups)} groups: {_some(both.groups)}."
    if report.unreadable:
        yield f"{len(report.unreadable)} files cannot be read: {_some([file.path for file in report.unreadable])}."


def _notes(report: Report) -> Iterator[str]:
    listed = sum(label.listed for label in report.classes)
    found = sum(label.found for label in report.classes)
    if 0 < found < listed:
        partial = [label for label in report.classes if 0 < label.found < label.listed]
        counts = [f"{label.name} {label.found} of {label.listed}" for label in partial]
        classes = f" In part there are {len(partial)} classes: {_some(counts)}." if partial else ""
        yield f"A partial copy: {found} of {listed} videos are there; a run leaves the others out.{classes}"
    if report.absent:
        yield f"Without any video are {len(report.absent)} of {len(report.classes)} classes: {_some(report.absent)}."
    for both in report.shared:
        if both.groups and both.official:
            yield f"The official lists {both.train} and {both.test} share the groups {_some(both.groups)}."
    if report.surplus:
        yield f"In no list are {len(report.surplus)} files: {_some(report.surplus)}."
    if report.unknown:
        yield dataset_files.describe_unknown(Path(report.videos_folder), report.unknown, SHOWN)
    if report.ambiguous:
        which = [f"{name} ({one} or {other})" for name, one, other in report.ambiguous]
        yield (
            f"Of {len(which)} missing videos there are several files: {_some(which)}. Take the wrong ones out, or move "
            f"the right ones to {report.videos_folder}/<class>/."
        )
    if report.instead:
        yield report.instead
    if report.unreadable is None:
        yield "The files were not opened."
    elif report.unreadable:
        reasons = [f"  {file.path}: {file.reason}" for file in report.unreadable[:SHOWN]]
        yield "\n".join(["Unreadable:", *reasons, *_more(len(report.unreadable))])


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:SHOWN], *(text.strip() for text in _more(len(names)))])


def _more(count: int) -> list[str]:
    return [f"  ... and {count - SHOWN} more (--json FILE has all)"] if count > SHOWN else []


def _split(name: str, videos: Sequence[Video], official: Mapping[str, int], there: set[str]) -> Split:
    # Several pieces of one file are several videos.
    seen: set[tuple[str, float | None, float | None]] = set()
    twice: dict[str, None] = {}
    for video in videos:
        piece = (video.id, video.start, video.end)
        if piece in seen:
            twice[video.id] = None
        seen.add(piece)
    missing = tuple(dict.fromkeys(video.id for video in videos if video.id not in there))
    found = sum(video.id in there for video in videos)
    return Split(name, len(videos), official.get(name), found, missing, tuple(twice))


def _classes(dataset: Dataset, listed: Mapping[str, Sequence[Video]], there: set[str]) -> tuple[ClassCount, ...]:
    ids: dict[str, set[str]] = {name: set() for name in dataset.classes}
    for videos in listed.values():
        for video in videos:
            ids.setdefault(video.label, set()).add(video.id)
    return tuple(ClassCount(name, len(its), len(its & there)) for name, its in ids.items())


def _shared(listed: Mapping[str, Sequence[Video]], official: Mapping[str, int]) -> Iterator[Shared]:
    """Yield what trainN and testN (or valN, validation ...) of the same N share, if anything."""
    roles = {split: match for split in listed if (match := _ROLE.fullmatch(split))}
    for train, first in roles.items():
        for test, second in roles.items():
            if first["role"] != "train" or second["role"] == "train" or first["number"] != second["number"]:
                continue
            videos = {video.id for video in listed[train]} & {video.id for video in listed[test]}
            groups = {video.group for video in listed[train]} & {video.group for video in listed[test]}
            if videos or groups:
                both_official = train in official and test in official
                yield Shared(train, test, tuple(sorted(videos)), tuple(sorted(groups)), both_official)
