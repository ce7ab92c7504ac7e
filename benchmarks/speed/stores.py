"""How many clips a second one process reads from each form of frames: to uint8, cropped.

Usage: python benchmarks/speed/stores.py VIDEOS... [--seconds 1.5] [--rounds 3]
       python benchmarks/speed/stores.py ../shared/data/clips

Every form holds the frames of the same videos at the same short side (128 for crops up to 112 pixels, else 256; JPEG of
quality 90) and is read through osarbench: re-decoding, folders of JPEG files, SQLite and HDF5 (one file a video), and
the packs that osarbench makes, JPEG and raw. Clips of 4 and 8 frames are spread over the video, clips of 16 are every
second frame from a random one on. Forms take turns within a round, so that none has a quieter machine than another.

warm: clips per second of this process's CPU time, median of the rounds; other work on the machine hardly changes it.
cold: clips per second of the clock, one clip of each video, after the files were dropped from the page cache.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from tabulate import tabulate

from osarbench.data import store
from osarbench.data.stores import packs, writing
from osarbench.data.stores.base import ListedStore, Source
from osarbench.data.stores.writing import Job
from osarbench.interfaces.dataset import VIDEO_SUFFIXES

COLUMNS = ((4, 80), (8, 112), (16, 112), (16, 158), (16, 224), (8, 224))
FORMS = ("re-decoding", "JPEG files", "SQLite", "HDF5", "packs, JPEG", "packs, raw")
QUALITY = 90
TARGETS = {"JPEG files": "{}/img_%05d.jpg", "SQLite": "{}/frames.db", "HDF5": "{}/frames.h5"}


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, help="files, or folders of them")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    videos = [str(file) for place in options.videos for file in _files(place)]
    with tempfile.TemporaryDirectory(prefix="osarbench-stores-") as folder:
        made = {side: _make(videos, side, Path(folder, str(side))) for side in (128, 256)}
        warm, cold = _measure(made, options.seconds, options.rounds)
        frames = sum(entry.length for entry in made[128]["packs, raw"][0]().entries)
        sizes = [(form, *(_size(made[side][form][1]) / frames for side in (128, 256))) for form in FORMS]
    heads = [f"{frames} x {size}" for frames, size in COLUMNS]
    for title, table in (("warm, clips per CPU second", warm), ("cold, clips/s", cold)):
        print(tabulate([(form, *row) for form, row in table.items()], headers=[title, *heads], floatfmt=",.0f"), "\n")
    print(tabulate(sizes, headers=["kB a frame", "short side 128", "256"], floatfmt=".1f"))
    print(f"\n{len(videos)} videos, one process, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def _files(place: Path) -> Iterable[Path]:
    return (
        sorted(its for its in place.rglob("*") if its.suffix.lower() in VIDEO_SUFFIXES) if place.is_dir() else [place]
    )


def _make(videos: list[str], side: int, folder: Path) -> dict[str, tuple[Callable[[], ListedStore], list[Path]]]:
    """Return form -> (function that opens it, its files)."""
    found: dict[str, tuple[Callable[[], ListedStore], list[Path]]] = {}
    for form in FORMS:
        kind, place = {"packs, JPEG": "jpeg", "packs, raw": "raw"}.get(form, "none"), folder / form.replace(" ", "")
        sources = [Source(path, path) for path in videos]
        if form in TARGETS:
            targets = [str(place / TARGETS[form].format(number)) for number in range(len(videos))]
            for source, target in zip(sources, targets, strict=True):
                writing.convert(Job(source, target, side, QUALITY))
            sources = [Source(target, target) for target in targets]

        def opened(sources: list[Source] = sources, kind: str = kind, place: Path = place) -> ListedStore:
            packs.forget()
            return store.prepare(sources, short_side=side, middle=None, folder=place / "store", workers=1, kind=kind,
                                 quality=QUALITY)  # fmt: skip

        opened()
        files = (
            [Path(path) for path in videos]
            if form == "re-decoding"
            else [its for its in place.rglob("*") if its.is_file()]
        )
        found[form] = (opened, files)
    os.sync()
    return found


def _measure(
    made: dict[int, dict[str, tuple[Callable[[], ListedStore], list[Path]]]], seconds: float, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    warm: dict[str, list[float]] = {form: [] for form in FORMS}
    cold: dict[str, list[float]] = {form: [] for form in FORMS}
    for frames, size in COLUMNS:
        forms = made[128 if size <= 112 else 256]
        speeds: dict[str, list[float]] = {form: [] for form in FORMS}
        for number in range(rounds):
            for form in FORMS:
                opened = forms[form][0]()
                _read(opened, frames, size, number)
                speeds[form].append(_warm(opened, frames, size, seconds))
        for form in FORMS:
            warm[form].append(float(np.median(speeds[form])))
            opened, files = forms[form]
            its = opened()
            _drop(files)
            begin = time.perf_counter()
            clips = _read(its, frames, size, 99)
            cold[form].append(clips / (time.perf_counter() - begin))
    return warm, cold


def _warm(its: ListedStore, frames: int, size: int, seconds: float) -> float:
    begin, clips, number = time.process_time(), 0, 0
    while (spent := time.process_time() - begin) < seconds:
        clips += _read(its, frames, size, number)
        number += 1
    return clips / spent


def _read(its: ListedStore, frames: int, size: int, seed: int) -> int:
    """Read a clip of every readable video, and return how many."""
    generator, clips = np.random.default_rng(seed), 0
    for video in range(len(its.entries)):
        length = its.length(video)
        if length:
            span = min(length, 2 * frames) if frames == 16 else length
            first = int(generator.integers(0, length - span + 1))
            indices = first + np.linspace(0, span - 1, frames).astype(np.int64)
            found = its.frames(video, indices)
            top, left = (int(generator.integers(0, edge - size + 1)) for edge in found.shape[1:3])
            np.ascontiguousarray(found[:, top : top + size, left : left + size])
            clips += 1
    return clips


def _drop(files: list[Path]) -> None:
    """Drop files from the page cache."""
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def _size(files: list[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1000


if __name__ == "__main__":
    main()
