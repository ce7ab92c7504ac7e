"""Packs: files of many videos, each a row of records (one a frame) and a table of their sizes and checksums.

A pack's frames are in ``NAME.pack``, and what is in it in ``NAME.json``, written last. Everything is checked at the
grain at which it is read, once a process: a record by the CRC-32 of its table, the table by the SHA-256 in the JSON
file, the JSON file by its own.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.artifacts.storage import atomic_write
from osarbench.data.stores.base import FORMAT, Entry

_ROW = np.dtype([("offset", "<u8"), ("size", "<u4"), ("sum", "<u4")])  # of a record in a table; the sum is a CRC-32


class DamagedPack(Exception):  # noqa: N818  # it says what it is
    """A pack holds other bytes than were written; the message says where."""


class Listed(NamedTuple):
    """The content of a pack's JSON file."""

    entries: Mapping[str, Entry]  #: by key
    origins: Mapping[str, str]  #: the sha256 of the file that a video was made from, by key
    bytes: int  #: of the pack


class Writer:
    """Writes the records of one video to a pack, and their table after them.

    Args:
        file: the pack, at the place where its first record, or that of a video written at the same time, will be.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows: list[tuple[int, int, int]] = []

    def add(self, record: bytes | memoryview) -> None:
        """Write one record."""
        self._rows.append((self._file.tell(), memoryview(record).nbytes, zlib.crc32(record)))
        self._file.write(record)

    def end(self, entry: Entry) -> Entry:
        """Write the table, and return the entry with where everything is."""
        rows = np.array(self._rows, dtype=_ROW)
        table, position = rows.tobytes(), self._file.tell()
        self._file.write(table)
        offset = int(rows["offset"][0]) if len(rows) else position
        return entry._replace(
            length=len(rows), offset=offset, bytes=int(rows["size"].sum(dtype=np.int64)), table=position,
            checksum=_sha256(table),
        )  # fmt: skip


def write_list(file: Path, listed: Listed) -> None:
    """Write a pack's JSON file."""
    videos = {key: [listed.origins[key], *entry] for key, entry in listed.entries.items()}
    content = {"format": FORMAT, "bytes": listed.bytes, "videos": videos}
    with atomic_write(file) as temporary:
        temporary.write_text(json.dumps({"sha256": _sha256(_canonical(content)), "content": content}), encoding="utf-8")


def rewrite(pack: Path, entry: Entry, records: Iterable[bytes | memoryview]) -> None:
    """Write the records of one video again where they were.

    Raises:
        DamagedPack: these are not the records that were written there; a part of them may be written now.
        OSError: the pack cannot be written to.
    """
    with pack.open("r+b", buffering=0) as file:
        if entry.in_one_piece:
            file.seek(entry.offset)
            writer = Writer(file)
            for record in _no_more_than(entry.bytes, records):
                writer.add(record)
            fits = writer.end(entry) == entry
        else:
            fits = _rewrite_apart(file, Records(pack, entry), records)
    if not fits:
        raise DamagedPack("it has other frames")


def _rewrite_apart(file: BinaryIO, there: "Records", records: Iterable[bytes | memoryview]) -> bool:
    """Write records where an intact table says they are, and say whether they are those of the table."""
    written = 0
    for record in records:
        if written >= len(there.rows) or not there.is_record(written, record):
            return False
        file.seek(int(there.rows["offset"][written]))
        file.write(record)
        written += 1
    return written == len(there.rows)


def read_list(file: Path, *, pack_too: bool = True) -> Listed:
    """Return what is in a pack.

    Args:
        file: the JSON file.
        pack_too: look whether the pack has its size, too.

    Raises:
        DamagedPack: the JSON file is damaged, or the pack is shorter or longer than it was written.
        OSError: it cannot be read.
    """
    try:
        whole = json.loads(file.read_bytes())
        content = whole["content"]
        if whole["sha256"] != _sha256(_canonical(content)):
            raise DamagedPack(f"{file} is damaged")
        videos, size = content["videos"], int(content["bytes"])
        entries = {key: Entry(*rest) for key, (_, *rest) in videos.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedPack(f"{file} is damaged") from error
    pack = file.with_suffix(".pack")
    there = pack.stat().st_size if pack_too and size else size
    if there != size:
        raise DamagedPack(f"{pack} has {there:,} bytes instead of {size:,}")
    return Listed(entries, {key: origin for key, (origin, *_) in videos.items()}, size)


class Records:
    """The records of one video in a pack.

    Args:
        pack: the file.
        entry: of the video.

    Raises:
        DamagedPack: their table is not the one that was written.
    """

    def __init__(self, pack: Path, entry: Entry) -> None:
        self.pack = pack
        table = os.pread(_open(pack).fileno(), entry.length * _ROW.itemsize, entry.table)
        if _sha256(table) != entry.checksum:
            raise DamagedPack(f"{pack} is damaged")
        self.rows = np.frombuffer(table, dtype=_ROW)
        self._checked = np.zeros(len(self.rows), dtype=bool)

    def is_record(self, index: int, record: bytes | memoryview) -> bool:
        """Say whether a record is the one that was written."""
        row = self.rows[index]
        return bool(memoryview(record).nbytes == row["size"] and zlib.crc32(record) == row["sum"])

    def read_into(self, index: int, record: npt.NDArray[np.uint8]) -> None:
        """Read one record into contiguous memory of its size, and check it the first time.

        Raises:
            DamagedPack: it is not what was written.
            OSError: the pack cannot be read (any more).
        """
        got = os.preadv(_open(self.pack).fileno(), [record.data], int(self.rows["offset"][index]))
        if got != record.nbytes or not (self._checked[index] or zlib.crc32(record.data) == self.rows["sum"][index]):
            raise DamagedPack(f"{self.pack} is damaged")
        self._checked[index] = True

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Return one record, uint8 [bytes]; raises as `read_into`."""
        record = np.empty(int(self.rows["size"][index]), dtype=np.uint8)
        self.read_into(index, record)
        return record

    def check(self) -> None:
        """Read all records.

        Raises:
            DamagedPack: one of them is not what was written.
        """
        for index in range(len(self.rows)):
            self.read(index)


@lru_cache(maxsize=65536)
def records(pack: Path, entry: Entry) -> Records:
    """Return the records of a video, with what this process has checked of them already."""
    return Records(pack, entry)


def forget() -> None:
    """Forget what was checked and opened: a pack was written again."""
    records.cache_clear()
    _open.cache_clear()


@lru_cache(maxsize=128)  # a process may have some 1,000 files open, and has others
def _open(pack: Path) -> BinaryIO:
    return pack.open("rb", buffering=0)  # closed when it is forgotten


def _no_more_than(size: int, records: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Stop before the records of the next video are written over."""
    for record in records:
        size -= memoryview(record).nbytes
        if size < 0:
            raise DamagedPack("it has other frames")
        yield record


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]
