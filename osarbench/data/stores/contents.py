"""The sha256 of video files, computed once and kept for as long as size, times and number of a file stay."""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from osarbench import console
from osarbench.data.stores import readers

#: Seconds for which a file that was just changed is hashed each time: it could change again within one tick of a clock.
TOO_NEW = 2.0


class Content(NamedTuple):
    """What a file holds."""

    sha256: str  #: empty where it cannot be read
    reason: str | None = None  #: why not


def look(paths: Iterable[str], memo: Path, workers: int) -> dict[str, Content]:
    """Return the content of every file.

    Args:
        paths: of the files; repeated or not.
        memo: the SQLite file that keeps what was computed; without it everything is computed each time.
        workers: files read at once.
    """
    unique = list(dict.fromkeys(paths))
    found: dict[str, Content] = {}
    prints: dict[str, str] = {}
    for path in unique:
        try:
            prints[path] = readers.fingerprint(path)
        except OSError as error:
            found[path] = Content("", _reason(error))
    known = _recall(memo, prints)
    todo = [path for path in prints if path not in known]
    found |= {path: Content(sha256) for path, sha256 in known.items()}
    if todo:
        made = dict(zip(todo, _hash_all(todo, workers), strict=True))
        found |= made
        _remember(memo, [(path, prints[path], its.sha256) for path, its in made.items() if its.reason is None])
    return found


def forget(memo: Path) -> set[str] | None:
    """Forget files that are gone or were changed, and return the sha256 of those that are still there.

    A file whose folder is gone, too, is still there: its disk is not mounted today. None: nothing is remembered.
    """
    if not memo.is_file():
        return None
    try:
        with closing(_open(memo)) as connection, connection:
            rows = list(connection.execute("SELECT path, print, sha256 FROM files"))
            dead = [path for path, print_, _ in rows if not _is_unchanged(os.fsdecode(path), print_)]
            connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in dead])
    except sqlite3.Error:
        return None
    return {sha256 for path, _, sha256 in rows if path not in set(dead)} if rows else None


def _is_unchanged(path: str, print_: str) -> bool:
    try:
        return readers.fingerprint(path) == print_
    except FileNotFoundError:
        return not os.path.isdir(os.path.dirname(path))
    except OSError:
        return True


def _hash_all(paths: Sequence[str], workers: int) -> Iterator[Content]:
    with ThreadPoolExecutor(max(1, min(workers, 8))) as pool:  # hashing releases Python's lock
        yield from console.bar(pool.map(_hash, paths), "hash", len(paths), "files")


def _hash(path: str) -> Content:
    try:
        return Content(readers.content(path))
    except OSError as error:
        return Content("", _reason(error))


def _reason(error: OSError) -> str:
    return "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error))


def _recall(memo: Path, prints: Mapping[str, str]) -> dict[str, str]:
    """Return the sha256 of the files that are as they were when it was computed."""
    try:
        with closing(_open(memo)) as connection:
            ask = "SELECT print, sha256 FROM files WHERE path = ? AND settled"
            rows = ((path, connection.execute(ask, (os.fsencode(path),)).fetchone()) for path in prints)
            return {path: row[1] for path, row in rows if row is not None and row[0] == prints[path]}
    except sqlite3.DatabaseError as error:
        # It is a memory only. What is no database, or a damaged one, is begun again; a busy one is left alone.
        if not isinstance(error, sqlite3.OperationalError):
            memo.unlink(missing_ok=True)
        return {}


def _remember(memo: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    stated = [(os.fsencode(path), *row, _is_settled(path)) for path, *row in rows]
    try:
        with closing(_open(memo)) as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", stated)
    except sqlite3.Error:  # a folder that may not be written to, or a disk without locks
        pass


def _is_settled(path: str) -> bool:
    try:
        changed = max(part.stat().st_ctime for part in readers.of(path).parts(path))
    except OSError:
        return False
    return time.time() - changed > TOO_NEW


def _open(memo: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(memo, timeout=60)
    connection.execute("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, print TEXT, sha256 TEXT, settled INT)")
    return connection
