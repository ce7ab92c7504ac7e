"""Loader processes: started quickly, ended with the run whatever ends it, and refused where they could only hang."""

import multiprocessing
import os
import select
import shutil
import threading
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

from osarbench.data import processes
from osarbench.errors import OsarbenchError

SHARED = Path("/dev/shm")  # where torch passes batches between processes on Linux
PREFETCH = 2  # batches that each process has ready (torch's default)
STALLED = 900.0  # seconds without a batch after which a loader is given up


def context(workers: int) -> BaseContext | None:
    """Return how loader processes are started: forked from a server that holds torch and no threads.

    Forking a process that holds threads (OpenMP, CUDA) can hang the child; starting each from nothing takes seconds of
    imports.
    """
    if not workers:
        return None
    processes.use_short_sockets()
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["torch", "osarbench.data.clips"])
    return server


def start_server(workers: int) -> None:
    """Start the server that loader processes are forked from: it imports torch while the run lists its videos."""
    if context(workers) is not None:
        forkserver.ensure_running()


class EndsWith:
    """Makes a loader process end when the run does, even if that was killed. Give it as ``worker_init_fn``."""

    def __init__(self) -> None:
        self.run = os.getpid()

    def __call__(self, worker: int) -> None:
        """Watch the run from a thread of the worker."""
        end_with(self.run)


def check_shared_memory(workers: int, batch_bytes: int) -> None:
    """Refuse loader processes whose batches do not fit the shared memory: torch would wait for ever.

    Args:
        workers: loader processes.
        batch_bytes: of one batch.

    Raises:
        OsarbenchError: they do not; the message names what helps.
    """
    if not workers or not SHARED.is_dir():
        return
    needed, free = (workers * PREFETCH + 1) * batch_bytes, shutil.disk_usage(SHARED).free
    if needed > free:
        raise OsarbenchError(
            f"{workers} loader processes need {needed / 1e9:.2f} GB of shared memory ({SHARED}), and only "
            f"{free / 1e9:.2f} GB are free. Use --workers 0 or fewer of them, a smaller batch, or give the container "
            "more (docker run --shm-size)."
        )


def end_with(run: int) -> None:
    """Let this process end as soon as another one has, whatever ended that."""
    threading.Thread(target=_wait_for, args=(run,), daemon=True).start()


def _wait_for(run: int) -> None:
    try:
        handle = os.pidfd_open(run)
    except (OSError, AttributeError):
        os._exit(1)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.poll()
    os._exit(1)
