"""A folder held against other runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from osarbench.artifacts.storage import in_words


@contextmanager
def exclusive_lock(folder: Path, what: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a folder against other runs: a second run waits here, then finds the files of the first.

    The lock is the operating system's, so a killed run leaves none behind.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise in_words(folder, error) from error
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if say is not None:
            say(f"Another run is making {what}; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
