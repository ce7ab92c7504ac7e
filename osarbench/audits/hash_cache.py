"""Hashes of the frames of many videos, kept in the cache: one file for each folder of videos, written atomically."""

import hashlib
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from osarbench import console
from osarbench.artifacts import storage
from osarbench.audits import frame_hash
from osarbench.audits.frame_hash import Hashes
from osarbench.data.video import Cut, decoder_version

CHUNK = 500  #: videos after which the cache is written, so that an interrupted audit goes on


class Piece(NamedTuple):
    """A video file, or the part of one between two seconds."""

    path: Path
    start: float | None = None
    end: float | None = None

    @property
    def key(self) -> str:
        """What decides whether a kept hash is still that of the file: name, size, time of change and part."""
        stat = self.path.stat()
        return f"{self.path.name}|{stat.st_size}|{stat.st_mtime_ns}|{self.start}|{self.end}"


def hash_all(pieces: Sequence[Piece], folder: Path) -> dict[Piece, Hashes | str]:
    """Return the hashes [n, 4] of every video, or the reason why it cannot be read.

    Args:
        folder: where hashes are kept; those of unchanged files are taken from there.
    """
    by_parent: dict[Path, list[Piece]] = {}
    for piece in dict.fromkeys(pieces):
        by_parent.setdefault(piece.path.parent, []).append(piece)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoding releases Python's lock
        results = (result for parent, its in by_parent.items() for result in _hash_folder(its, folder, parent, pool))
        return dict(console.counted(results, "hash", sum(map(len, by_parent.values())), "videos"))


def _hash_folder(
    pieces: Sequence[Piece], folder: Path, parent: Path, pool: ThreadPoolExecutor
) -> Iterator[tuple[Piece, Hashes | str]]:
    """Yield what is kept, then what is computed; an unreadable file is tried again each time."""
    store = _store(parent, folder)
    kept = _read(store)
    keys = {piece: piece.key for piece in pieces}
    yield from ((piece, kept[key]) for piece, key in keys.items() if key in kept)
    todo = [piece for piece, key in keys.items() if key not in kept]
    for position in range(0, len(todo), CHUNK):
        by_file: dict[Path, list[Piece]] = {}
        for piece in todo[position : position + CHUNK]:
            by_file.setdefault(piece.path, []).append(piece)
        for its, hashes in zip(by_file.values(), pool.map(_hash, by_file.values()), strict=True):
            kept |= {keys[piece]: one for piece, one in zip(its, hashes, strict=True) if not isinstance(one, str)}
            yield from zip(its, hashes, strict=True)
        _write(kept, store)


def _hash(pieces: Sequence[Piece]) -> list[Hashes | str]:
    """Hash the pieces of one file, in one go."""
    return frame_hash.hash_pieces(pieces[0].path, [Cut(piece.start, piece.end) for piece in pieces])


def _store(parent: Path, folder: Path) -> Path:
    digest = hashlib.sha256(f"{parent.resolve()}|{decoder_version()}".encode(errors="surrogateescape")).hexdigest()[:16]
    return folder / f"v{frame_hash.VERSION}" / f"{digest}.npz"


def _read(store: Path) -> dict[str, Hashes]:
    try:
        with np.load(store) as file:
            pieces = np.split(file["hashes"], np.cumsum(file["counts"])[:-1])
            return dict(zip(file["keys"].tolist(), pieces, strict=True))
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
    ):  # it is a cache: what is damaged is computed again
        return {}


def _write(kept: Mapping[str, Hashes], store: Path) -> None:
    if not kept:
        return
    with storage.atomic_write(store) as temporary:
        np.savez(
            temporary,
            keys=np.array(list(kept)),
            counts=np.array([len(its) for its in kept.values()]),
            hashes=np.concatenate(list(kept.values())),
        )
