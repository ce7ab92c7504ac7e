"""Stage 2: videos decoded once, scaled, kept as raw uint8 frames in shards that name themselves by their content.

A shard's name is a hash of what went into it (videos with size and time, decoder, scale, frame range), so a changed
file, setting or decoder makes another shard, two protocols share what is equal, and nothing stale can be read. This
module imports no torch: it runs in decoding processes.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from osarbench import console
from osarbench.artifacts.storage import atomic_write
from osarbench.data import video
from osarbench.digests import content_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import FrameStore

FORMAT = 3  # raise it when the same video would give other frames
SHARD = 64  # videos; small files are slow to read from a cold disk, large ones are much to lose when killed
RAW_LIMIT = 20e9  # bytes; above it, or above half of the free space, frames are decoded again each time


def cores() -> int:
    """Return how many processes may decode at once on this machine."""
    return os.cpu_count() or 1


class Source(NamedTuple):
    """One video file to be decoded."""

    id: str  #: data set, split and video
    path: str
    start: float | None  #: seconds
    end: float | None


class Entry(NamedTuple):
    """One decoded video in the store."""

    length: int  #: frames that may be sampled; 0 where the video is unreadable
    first: int  #: index in the file of the first of them
    height: int
    width: int
    offset: int  #: bytes into the shard
    reason: str | None  #: why the video is unreadable
    size: int = 0  #: bytes of the file


@dataclass(frozen=True)
class Store(FrameStore):
    """Decoded frames of a list of videos; small enough to be sent to loader processes."""

    sources: tuple[Source, ...]
    entries: tuple[Entry, ...]
    shards: tuple[Path | None, ...]  #: per video; None: decoded again each time
    short_side: int

    def frames(self, index: int, wanted: np.ndarray) -> np.ndarray:
        """Return frames of a video, uint8 [T, H, W, 3] for int indices [T] in [0, length)."""
        entry, shard = self.entries[index], self.shards[index]
        if shard is None:
            source = self.sources[index]
            try:
                return video.read_frames(
                    Path(source.path), (wanted + entry.first).tolist(), short_side=self.short_side,
                    start=source.start, end=source.end,
                )  # fmt: skip
            except video.UnreadableVideo as error:  # it was readable when it was counted
                raise OsarbenchError(
                    f"{error}. The file changed while it was used. Run the same command again, and leave it alone."
                ) from error
        shape = (entry.length, entry.height, entry.width, 3)
        bytes_wanted = slice(entry.offset, entry.offset + int(np.prod(shape)))
        stored = _open(shard)[bytes_wanted].reshape(shape)
        return np.array(stored[wanted], dtype=np.uint8)

    def length(self, video: int) -> int:
        """Return how many frames of a video may be asked for."""
        return self.entries[video].length

    def digest(self, video: int) -> str:
        """Return a digest of what a video's frames are made from."""
        entry = self.entries[video]
        return content_digest([*entry[:4], entry.size])

    @property
    def unreadable(self) -> list[tuple[int, str]]:
        """(index, reason) of the videos that cannot be used."""
        return [(index, entry.reason) for index, entry in enumerate(self.entries) if entry.reason is not None]


def prepare(
    sources: Sequence[Source], *, short_side: int, middle: int | None, folder: Path, workers: int, kind: str = "auto"
) -> Store:
    """Decode what is not in the store yet, one shard at a time, in `workers` processes.

    Args:
        sources: the videos; their files exist.
        short_side: pixels to which the short side is scaled.
        middle: use only this many frames around the middle; None: all.
        folder: of the shards.
        workers: decoding processes; 1 decodes in this one.
        kind: "raw" keeps frames, "none" only counts them and finds unreadable files, "auto" chooses by size.
    """
    if kind not in ("auto", "none", "raw"):
        raise OsarbenchError(f"There is no store '{kind}'. There are: auto, none, raw.")
    chunks = [tuple(sources[begin : begin + SHARD]) for begin in range(0, len(sources), SHARD)]
    tasks, todo = _planned(chunks, short_side, middle, folder, raw=kind != "none")
    if kind == "auto" and not _fit([source for task in todo for source in task.sources], short_side, middle, folder):
        tasks, todo = _planned(chunks, short_side, middle, folder, raw=False)
    if todo:
        _make_all(todo, workers)
    entries, shards = [], []
    for task in tasks:
        loaded = _load(task)
        if loaded is None:
            raise OsarbenchError(f"The shard {task.file} vanished while it was used. Run the same command again.")
        entries += loaded
        shards += [task.file if task.raw else None] * len(loaded)
    return Store(tuple(sources), tuple(entries), tuple(shards), short_side)


def is_complete(
    sources: Sequence[Source], *, short_side: int, middle: int | None, folder: Path, kind: str = "auto"
) -> bool:
    """Say whether `prepare` with these arguments would find everything decoded.

    Args:
        sources: the videos; their files exist.
        short_side: pixels to which the short side is scaled.
        middle: use only this many frames around the middle; None: all.
        folder: of the shards.
        kind: as for `prepare`.
    """
    chunks = [tuple(sources[begin : begin + SHARD]) for begin in range(0, len(sources), SHARD)]
    kinds = {"auto": (True, False), "raw": (True,), "none": (False,)}.get(kind, ())
    return any(not _planned(chunks, short_side, middle, folder, raw=raw)[1] for raw in kinds)


class _Task(NamedTuple):
    sources: tuple[Source, ...]
    short_side: int
    middle: int | None
    raw: bool
    file: Path


def _planned(
    chunks: Sequence[tuple[Source, ...]], short_side: int, middle: int | None, folder: Path, *, raw: bool
) -> tuple[list[_Task], list[_Task]]:
    """Return the tasks of all chunks, and those of them that are to be done."""
    kind = "raw" if raw else "none"
    files = [_shard_file(folder, chunk, short_side, middle, kind) for chunk in chunks]
    tasks = [_Task(chunk, short_side, middle, raw, file) for chunk, file in zip(chunks, files, strict=True)]
    return tasks, [task for task in tasks if _load(task) is None]


def _shard_file(folder: Path, chunk: Sequence[Source], short_side: int, middle: int | None, kind: str) -> Path:
    stats = [(source.id, source.start, source.end, *_size_and_time(source.path)) for source in chunk]
    text = json.dumps([FORMAT, video.decoder_version(), kind, short_side, middle, stats])
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.bin"


def _size_and_time(path: str) -> tuple[int, int]:
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns


def _load(task: _Task) -> list[Entry] | None:
    """Return a shard's entries, or None if it is not whole: the JSON is written last."""
    try:
        content = json.loads(task.file.with_suffix(".json").read_text(encoding="utf-8"))
        whole = not task.raw or task.file.stat().st_size == content["bytes"]
    except (OSError, ValueError, KeyError):
        return None
    return [Entry(*entry) for entry in content["entries"]] if whole else None


def _make_all(tasks: list[_Task], workers: int) -> None:
    videos = sum(len(task.sources) for task in tasks)
    with console.bar(range(videos), "decode", videos, "videos") as progress:
        for task in _in_processes(tasks, workers):
            progress.update(len(task.sources))
    console.say(f"decode: {videos} videos")


def _in_processes(tasks: list[_Task], workers: int) -> Iterator[_Task]:
    if workers <= 1 or len(tasks) == 1:
        yield from map(_make, tasks)
        return
    # Spawned, not forked: the parent may hold threads of torch.
    try:
        with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=get_context("spawn")) as pool:
            yield from pool.map(_make, tasks)
    except BrokenProcessPool as error:
        raise OsarbenchError(
            "A process that decodes videos was ended from outside, perhaps for lack of memory. Run the same command "
            "again: what is decoded already is kept."
        ) from error


def _make(task: _Task) -> _Task:
    entries: list[Entry] = []
    with atomic_write(task.file) as temporary, temporary.open("wb") as shard:
        for source in task.sources:
            size = os.path.getsize(source.path) if os.path.isfile(source.path) else 0
            entries.append(_decode(source, task, shard)._replace(size=size))
        total = shard.tell()
    if not task.raw:
        task.file.unlink()
    with atomic_write(task.file.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps({"bytes": total, "entries": entries}), encoding="utf-8")
    return task


def _decode(source: Source, task: _Task, shard: BinaryIO) -> Entry:
    offset = shard.tell()
    try:
        return _whole(source, task, shard) if task.raw and task.middle is None else _part(source, task, shard)
    except video.UnreadableVideo as error:
        shard.seek(offset)
        shard.truncate()
        return Entry(0, 0, 0, 0, 0, error.reason)


def _whole(source: Source, task: _Task, shard: BinaryIO) -> Entry:
    """Write all frames of a video, one at a time: an hour of it would not fit into memory."""
    offset, length = shard.tell(), 0
    frames = video.each_frame(Path(source.path), short_side=task.short_side, start=source.start, end=source.end)
    for frame in frames:
        shard.write(frame.data)
        length += 1
    return Entry(length, 0, frame.shape[0], frame.shape[1], offset, None)


def _part(source: Source, task: _Task, shard: BinaryIO) -> Entry:
    """Count the frames of a video, look at one, and write those around the middle if they are kept."""
    path, cut = Path(source.path), {"start": source.start, "end": source.end}
    first, length = _middle(video.count_frames(path, **cut), task.middle)
    wanted = range(first, first + length) if task.raw else [first]
    frames = video.read_frames(path, wanted, short_side=task.short_side, **cut)
    offset = shard.tell()
    if task.raw:
        shard.write(frames.data)
    return Entry(length, first, frames.shape[1], frames.shape[2], offset, None)


def _middle(total: int, middle: int | None) -> tuple[int, int]:
    """Return first index and number of the frames around the middle.

    >>> _middle(100, 40), _middle(30, 40), _middle(30, None)
    ((30, 40), (0, 30), (0, 30))
    """
    if middle is None or total <= middle:
        return 0, total
    return (total - middle) // 2, middle


def _fit(sources: Sequence[Source], short_side: int, middle: int | None, folder: Path) -> bool:
    """Estimate from a few videos whether the frames that are not kept yet would fit."""
    if len(sources) <= SHARD:
        return True
    sizes = []
    for source in sources[:: max(1, len(sources) // 16)]:
        try:
            total = video.count_frames(Path(source.path), start=source.start, end=source.end)
        except video.UnreadableVideo:
            continue
        # Most videos are 4:3 or 16:9; this is only an estimate.
        sizes.append(_middle(total, middle)[1] * short_side * short_side * 1.6 * 3)
    estimate = float(np.mean(sizes)) * len(sources) if sizes else 0.0
    folder.mkdir(parents=True, exist_ok=True)
    if estimate < min(RAW_LIMIT, shutil.disk_usage(folder).free / 2):
        return True
    console.say(
        f"decode: frames would take about {estimate / 1e9:.0f} GB in {folder}; they are decoded again each time "
        "instead. --store raw keeps them."
    )
    return False


@lru_cache(maxsize=4096)
def _open(shard: Path) -> np.ndarray:
    return np.memmap(shard, dtype=np.uint8, mode="r")
