"""Worker processes that decode or check videos: they end with the process that started them, however it ends."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process, process
from pathlib import Path
from typing import TypeVar

from osarbench.errors import OsarbenchError

#: Bytes of a socket's path that Linux and macOS allow (108 and 104), less what multiprocessing appends to its folder.
SOCKET_PATH = 60

T = TypeVar("T")
R = TypeVar("R")


def in_processes(
    work: Callable[[T], R], items: Iterable[T], workers: int, *, what: str, remedy: str, chunk: int = 1
) -> Iterator[R]:
    """Yield ``work(item)`` of every item in order, computed in spawned processes.

    Args:
        work: a function of a module, so that it can be sent to a process.
        items: what it is called with.
        workers: processes.
        what: what the processes do, for the message if one of them is killed.
        remedy: what to do then.
        chunk: items sent to a process at once.

    Raises:
        OsarbenchError: a process was ended from outside.
    """
    # Spawned, not forked: the parent may hold threads of torch.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent)
    try:
        yield from pool.map(work, items, chunksize=chunk)
    except BrokenProcessPool as error:
        raise OsarbenchError(
            f"A process that {what} was ended from outside, perhaps for lack of memory. {remedy}"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def end_with_parent() -> None:
    """Let this process end when its parent does, even if that was killed and could tell nobody."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_wait_and_end, args=(parent.sentinel,), daemon=True).start()


def _wait_and_end(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def use_short_sockets() -> None:
    """Let multiprocessing put its sockets into a folder with a short path, if that for temporary files has a long one.

    A socket's path has at most 104 bytes, and clusters like to set TMPDIR to something longer. To be called before a
    loader with processes starts.
    """
    config = getattr(process.current_process(), "_config")  # noqa: B009  # it has no public name
    if len(tempfile.gettempdir()) <= SOCKET_PATH or "tempdir" in config:
        return
    short = next((folder for folder in ("/tmp", "/var/tmp", "/dev/shm") if os.access(folder, os.W_OK)), None)
    if short is None:
        raise OsarbenchError(
            f"The folder for temporary files, {tempfile.gettempdir()}, has a path too long for the sockets of loader "
            "processes. Set TMPDIR to a shorter one, or use --workers 0."
        )
    folder = tempfile.TemporaryDirectory(prefix="osarbench-", dir=short)
    config["tempdir"] = str(Path(folder.name))
    _KEPT.append(folder)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends
