"""Packs are made: planned from what is missing, decoded in processes, each under a lock of its own, atomically.

Several processes, or machines on one folder, may make the same packs: each takes those that nobody else is making.
A kill costs the packs that were being made; their leftovers are removed by whoever comes next.
"""

import errno
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

from osarbench import console
from osarbench.artifacts.locks import POLL, claim
from osarbench.artifacts.storage import atomic_write
from osarbench.data import processes, video
from osarbench.data.stores import codecs, packs, pieces, readers
from osarbench.data.stores.base import Entry, Recipe, Source, middle_of
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import Frames

VIDEOS = 64  # of a pack; small files are slow to read from a cold disk, large ones are much to lose when killed
BYTES = 256e6  # of the video files of a pack


class Wanted(NamedTuple):
    """One video that a store lacks."""

    key: str
    content: str  #: sha256 of its file
    source: Source


class Task(NamedTuple):
    """One pack to be made."""

    folder: Path  #: of the store
    recipe: Recipe
    videos: tuple[Wanted, ...]
    wait: bool = False  #: for a process that is making it; else it is left to that one for now

    @property
    def name(self) -> str:
        """The pack's name: of what is in it, so that everybody who lacks the same videos makes the same packs."""
        return name_of([wanted.key for wanted in self.videos])


def name_of(keys: Sequence[str]) -> str:
    """Return the name of the pack of some videos."""
    return hashlib.sha256(" ".join(keys).encode()).hexdigest()[:24]


class Made(NamedTuple):
    """What became of a task."""

    name: str
    entries: Mapping[str, Entry] | None  #: by key; None: another process is making the pack


def plan(folder: Path, recipe: Recipe, wanted: Sequence[Wanted]) -> list[Task]:
    """Divide videos into packs, in their order; pieces of one file go together, so that it is decoded once."""
    files: dict[str, list[Wanted]] = {}
    for one in wanted:
        files.setdefault(one.source.path, []).append(one)
    tasks: list[Task] = []
    chunk: list[Wanted] = []
    size = 0.0
    for path, cut in files.items():
        its = _size(path)
        if chunk and (len(chunk) >= VIDEOS or size + its > BYTES):
            tasks.append(Task(folder, recipe, tuple(chunk)))
            chunk, size = [], 0.0
        chunk += cut
        size += its
    return [*tasks, Task(folder, recipe, tuple(chunk))] if chunk else tasks


def make_all(tasks: Sequence[Task], workers: int) -> Iterator[Made]:
    """Make packs in `workers` processes and yield what became of each, in any order.

    Raises:
        OsarbenchError: the disk is full, the folder may not be written to, or a process was killed.
    """
    videos = sum(len(task.videos) for task in tasks)
    start = time.perf_counter()
    with console.bar(range(videos), "decode", videos, "videos") as progress:
        busy = []
        for task, made in zip(tasks, _run(tasks, workers), strict=True):
            if made.entries is None:
                busy.append(task._replace(wait=True))
                continue
            progress.update(len(task.videos))
            yield made
        if busy:
            console.say(f"decode: another process is making {len(busy)} packs; waiting for it.")
        for task, made in zip(busy, _run(busy, workers), strict=True):
            progress.update(len(task.videos))
            yield made
    console.say(f"decode: {videos} videos in {console.duration(time.perf_counter() - start)}")


def make(task: Task) -> Made:
    """Make one pack, unless it is there by now."""
    file = task.folder / f"{task.name}.json"
    with _locked(task.folder, task.name, wait=task.wait) as held:
        if not held:
            return Made(task.name, None)
        try:
            return Made(task.name, packs.read_list(file).entries)
        except (packs.DamagedPack, OSError):
            return Made(task.name, _make(task, file))


def sweep(folder: Path) -> None:
    """Remove what killed processes left in a store's folder; what is being written is left alone."""
    for name in {file.name.split(".")[1] for file in folder.glob(".*.tmp.*")}:
        with _locked(folder, name, wait=False) as held:
            for file in folder.glob(f".{name}.*.tmp.*") if held else ():
                file.unlink(missing_ok=True)


def frames_of(source: Source, recipe: Recipe, first: int, length: int | None) -> Iterator[Frames]:
    """Yield the frames of a video that a recipe keeps, uint8 [H, W, 3]: `length` from `first` on, or all.

    Raises:
        video.UnreadableVideo: with path and reason, perhaps after some frames.
    """
    reader = readers.of(source.path)
    if length is None or recipe.middle is None:
        # One at a time: the frames of an hour would not fit into memory.
        return reader.each(source.path, recipe.short_side, source.start, source.end)
    span = range(first, first + length)
    return iter(reader.read(source.path, span, recipe.short_side, source.start, source.end))


def _run(tasks: Sequence[Task], workers: int) -> Iterator[Made]:
    if workers <= 1 or len(tasks) <= 1:
        return map(make, tasks)
    return processes.in_processes(
        make, tasks, min(workers, len(tasks)), what="decodes videos",
        remedy="Run the same command again: what is decoded already is kept.",
    )  # fmt: skip


def _make(task: Task, file: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    total = 0
    if task.recipe.kind != "none":
        with atomic_write(file.with_suffix(".pack")) as temporary, temporary.open("wb") as pack:
            _add_all(task, pack, entries)
            total = pack.tell()
    else:
        _add_all(task, None, entries)
    kept = {key: entry for key, entry in entries.items() if not isinstance(entry, _Passing)}
    origins = {wanted.key: wanted.content for wanted in task.videos if wanted.key in kept}
    packs.write_list(file, packs.Listed(kept, origins, total))
    return {key: Entry(*entry) for key, entry in entries.items()}


class _Passing(Entry):
    """A video that cannot be read now, for a reason that may be gone next time; that is not kept."""


def _unreadable(error: video.UnreadableVideo) -> Entry:
    kind = _Passing if readers.may_pass(error) else Entry
    return kind(0, 0, 0, 0, error.reason)


def _add_all(task: Task, pack: BinaryIO | None, entries: dict[str, Entry]) -> None:
    try:
        for path, group in groupby(task.videos, key=lambda wanted: wanted.source.path):
            wanted = list(group)
            if len(wanted) > 1 and readers.of(path).name == "video":
                entries |= _add_pieces(wanted, task.recipe, pack)
            else:
                for one in wanted:
                    entries[one.key] = _add(one.source, task.recipe, pack)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OsarbenchError(
            f"No space left while frames are written to {task.folder}. What is finished is kept. Free some space "
            "(`osarbench data prune` removes frames that nothing uses), take another disk with --cache DIR, or less of "
            "this one: --store jpeg, or --store none, which decodes each time."
        ) from error


def _add(source: Source, recipe: Recipe, pack: BinaryIO | None) -> Entry:
    """Add a video to a pack; if it cannot be read, return why."""
    offset = pack.tell() if pack is not None else 0
    try:
        return _decode(source, recipe, pack)
    except video.UnreadableVideo as error:
        if pack is not None:
            pack.seek(offset)
            pack.truncate()
        return _unreadable(error)


def _add_pieces(wanted: Sequence[Wanted], recipe: Recipe, pack: BinaryIO | None) -> dict[str, Entry]:
    """Add the pieces of one file to a pack; of those that cannot be read, return why."""
    keys = [one.key for one in wanted]
    offset = pack.tell() if pack is not None else 0
    try:
        return dict(zip(keys, pieces.add([one.source for one in wanted], recipe, pack), strict=True))
    except video.UnreadableVideo as error:
        if pack is not None:
            pack.seek(offset)
            pack.truncate()
        return dict.fromkeys(keys, _unreadable(error))


def _decode(source: Source, recipe: Recipe, pack: BinaryIO | None) -> Entry:
    reader = readers.of(source.path)
    first, length = 0, None
    if pack is None or recipe.middle is not None:
        first, length = middle_of(reader.count(source.path, source.start, source.end), recipe.middle)
    if pack is None:
        height, width = reader.read(source.path, [first], recipe.short_side, source.start, source.end).shape[1:3]
        return Entry(length or 0, first, height, width)
    encode = codecs.CODECS[recipe.kind](recipe.quality).encode
    writer, height, width = packs.Writer(pack), 0, 0
    for frame in frames_of(source, recipe, first, length):
        height, width = frame.shape[:2]
        writer.add(encode(frame))
    return writer.end(Entry(0, first, height, width))


@contextmanager
def _locked(folder: Path, name: str, *, wait: bool) -> Iterator[bool]:
    """Hold a pack against other processes, and say whether it is held; with `wait` it always is in the end."""
    while True:
        with claim(folder / name) as held:
            if held or not wait:
                yield held
                return
        time.sleep(POLL)


def _size(path: str) -> float:
    try:
        return float(sum(part.stat().st_size for part in readers.of(path).parts(path)))
    except OSError:
        return 0.0
