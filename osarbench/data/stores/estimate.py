"""What frames would take, told before they are made: number, bytes and time, from a sample of the videos."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from osarbench import console
from osarbench.data.stores import codecs, readers
from osarbench.data.stores.base import Source, middle_of
from osarbench.data.video import UnreadableVideo

RAW_LIMIT = 20e9  # bytes of raw frames, above which `auto` prefers JPEG
SAMPLE = 256  # videos that are looked at
TIMED = 0.3  # seconds of decoding after which its speed is known well enough


class Estimate(NamedTuple):
    """What making the frames of some videos would take, about."""

    videos: int
    frames: float
    raw: float  #: bytes
    jpeg: float  #: bytes
    seconds: float  #: on all workers

    def fits(self, kind: str, folder: Path) -> bool:
        """Say whether a kind of store fits: half of the free space stays, and raw frames stay below their limit."""
        free = shutil.disk_usage(folder).free / 2
        return self.raw < min(RAW_LIMIT, free) if kind == "raw" else self.jpeg < free


def of(sources: Sequence[Source], short_side: int, middle: int | None, workers: int) -> Estimate:
    """Estimate from what files say of themselves, without decoding more than some frames.

    Args:
        sources: the videos to be decoded.
        short_side: pixels.
        middle: frames kept of each video; None: all.
        workers: processes that would decode.
    """
    total = len(sources)
    sample = [sources[position] for position in np.unique(np.linspace(0, total - 1, min(total, SAMPLE)).astype(int))]
    counts, kept = [], []
    for source in sample:
        try:
            frames, aspect = readers.of(source.path).estimate(source.path, source.start, source.end)
        except (UnreadableVideo, OSError):
            continue
        counts.append(frames)
        pixels = short_side * short_side * max(aspect, 1 / aspect)
        kept.append(middle_of(int(frames), middle)[1] * pixels * 3)
    if not counts:
        return Estimate(total, 0.0, 0.0, 0.0, 0.0)
    frames, raw = float(np.mean(counts)) * total, float(np.mean(kept)) * total
    seconds = frames / _speed(sample, short_side) / max(workers, 1)
    return Estimate(total, frames, raw, raw * codecs.JPEG_SHARE, seconds)


def announce(estimate: Estimate, kind: str, folder: Path, *, chosen: bool) -> None:
    """Say what will be done, how long it takes, and what it will need.

    Args:
        estimate: of the videos that are not in the store yet.
        kind: of the store.
        folder: of the stores.
        chosen: "auto" chose the kind; then the alternatives are named.
    """
    raw, jpeg = _bytes(estimate.raw), _bytes(estimate.jpeg)
    what = {"raw": f"raw frames, {raw}", "jpeg": f"JPEG frames, {jpeg}", "none": "no frames are kept"}[kind]
    others = {
        "raw": f"--store jpeg would take {jpeg}",
        "jpeg": f"raw frames would take {raw}; --store raw keeps them",
        "none": f"raw frames would take {raw}, JPEG frames {jpeg}, and there is no room; they are decoded each time. "
        "--store raw and --store jpeg keep them, --cache DIR on another disk",
    }[kind]
    console.say(
        f"decode: {estimate.videos:,} videos, about {estimate.frames:,.0f} frames and "
        f"{console.duration(estimate.seconds)}: {what} in {folder}" + (f" ({others})" if chosen else "")
    )


def _speed(sample: Sequence[Source], short_side: int) -> float:
    """Return how many frames one process decodes in a second."""
    frames, begin = 0, time.perf_counter()
    for source in sample:
        try:
            for _ in readers.of(source.path).each(source.path, short_side, source.start, source.end):
                frames += 1
                if time.perf_counter() - begin > TIMED:
                    return max(frames, 1) / (time.perf_counter() - begin)
        except (UnreadableVideo, OSError):
            continue
    return max(frames, 1) / max(time.perf_counter() - begin, 1e-6)


def _bytes(size: float) -> str:
    """Return bytes for people.

    >>> _bytes(1.23e7), _bytes(4.56e10)
    ('12 MB', '45.6 GB')
    """
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
