"""Which files of a data set cannot be decoded to their end."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from osarbench.errors import OsarbenchError


@dataclass(frozen=True)
class Unreadable:
    """A file that is there and cannot be used."""

    path: str
    reason: str


Piece = tuple[Path, float | None, float | None]  #: file, seconds of start and end


def find(pieces: Sequence[Piece], workers: int | None) -> tuple[Unreadable, ...]:
    """Decode every file to its end, once whatever the number of its pieces, and return what cannot be read."""
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    from osarbench import console

    by_file: dict[Path, list[Piece]] = {}
    for piece in pieces:
        by_file.setdefault(piece[0], []).append(piece)
    files = list(by_file.values())
    count = min(len(files), min(8, os.cpu_count() or 1) if workers is None else workers)
    if count < 1:
        return _faults(console.bar(map(_read, files), "read", len(files), "files"))
    try:
        with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
            return _faults(console.bar(pool.map(_read, files, chunksize=4), "read", len(files), "files"))
    except BrokenProcessPool as error:
        raise OsarbenchError(
            "A process that reads videos was ended from outside, perhaps for lack of memory. Run the check again on a "
            "quieter machine, on fewer videos with --split, or without opening them with --no-read."
        ) from error


def _faults(results: Iterator[list[Unreadable]]) -> tuple[Unreadable, ...]:
    return tuple(fault for faults in results for fault in faults)


def _read(pieces: Sequence[Piece]) -> list[Unreadable]:
    """Return what cannot be read of the pieces of one file; one fault where it is the whole file."""
    from osarbench.data import video

    path = pieces[0][0]
    counts = video.count_pieces(path, [video.Cut(start, end) for _, start, end in pieces])
    faults = {piece: count for piece, count in zip(pieces, counts, strict=True) if isinstance(count, str)}
    (reason, *others) = set(faults.values()) or {""}
    if len(faults) == len(pieces) and not others and reason != "no frame":
        return [Unreadable(str(path), reason)]
    return [Unreadable(f"{path}{_seconds(piece)}", reason) for piece, reason in faults.items()]


def _seconds(piece: Piece) -> str:
    _, start, end = piece
    shown = ["" if second is None else f"{second:g}" for second in (start, end)]
    return f" from second {shown[0] or '0'} to {shown[1] or 'its end'}" if any(shown) else ""
