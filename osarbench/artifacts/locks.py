"""Who is making a file: a lease next to it, which a holder renews and a dead holder loses.

A lease is a small file that is created exclusively, so it needs no `flock` and works on network file systems as on
local ones. Its holder renews it every few seconds. It is over when its holder let it go, when its holder's process is
gone (seen at once on the same machine), or when it was not renewed for `LAPSE` seconds (another machine died).
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from osarbench.artifacts.storage import in_words

RENEW = 5.0  #: seconds between two renewals
LAPSE = 60.0  #: seconds without one after which a lease is over
POLL = 0.2  #: seconds between two looks at somebody else's lease


@contextmanager
def claim(target: Path) -> Iterator[bool]:
    """Try to hold a file or folder against others, without waiting; yield whether it is held.

    Raises:
        OsarbenchError: the folder of the lease cannot be written.
    """
    lease = lease_of(target)
    try:
        lease.parent.mkdir(parents=True, exist_ok=True)
        held = _take(lease)
    except OSError as error:
        raise in_words(lease, error) from error
    if held is None:
        yield False
        return
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(lease, stop), daemon=True)
    renewer.start()
    try:
        yield True
    finally:
        stop.set()
        renewer.join()
        if _token(lease) == held:  # else this machine slept, and somebody else holds it by now
            lease.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(folder: Path, what: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a folder against other runs: a second run waits here, then finds the files of the first.

    Args:
        folder: is made if need be.
        what: is being made in it, for the message of who waits.
        say: prints that message, once.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise in_words(folder, error) from error
    told = False
    while True:
        with claim(folder / "lock") as held:
            if held:
                yield
                return
        if say is not None and not told:
            say(f"Another run is making {what}; waiting for it.")
            told = True
        time.sleep(POLL)


def lease_of(target: Path) -> Path:
    """Return the file that holds the lease on a file."""
    return target.with_name(f".{target.name}.lease")


def _take(lease: Path) -> str | None:
    """Create a lease and return its token, None if somebody holds it."""
    token = uuid.uuid4().hex
    while True:
        try:
            handle = os.open(lease, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            judged = _token(lease)
            if not _is_over(lease):
                return None
            _bury(lease, judged)
            continue
        with os.fdopen(handle, "w") as opened:
            json.dump({"token": token, **_holder()}, opened)
        return token


def _bury(lease: Path, judged: str | None) -> None:
    """Remove a lease that was found to be over; the one that a quicker process put in its stead is put back."""
    grave = lease.with_name(f"{lease.name}.{uuid.uuid4().hex}")
    try:
        lease.rename(grave)
    except FileNotFoundError:
        return
    if _token(grave) != judged:
        with contextlib.suppress(FileExistsError):
            os.link(grave, lease)
    grave.unlink(missing_ok=True)


def _token(lease: Path) -> str | None:
    content = _read(lease)
    return content.get("token") if content else None


def _read(lease: Path) -> dict[str, Any]:
    try:
        content = json.loads(lease.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _holder() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "space": _process_space(), "pid": pid, "started": _started(pid)}


def _is_over(lease: Path) -> bool:
    try:
        age = _now(lease.parent) - lease.stat().st_mtime
    except FileNotFoundError:
        return True
    except OSError:
        return False
    if age > LAPSE:
        return True
    holder = _read(lease)
    if "pid" not in holder:
        return age > 2 * RENEW  # its holder died between creating and writing it
    here = holder.get("host") == socket.gethostname() and holder.get("space") == _process_space()
    return here and (not _lives(holder["pid"]) or _started(holder["pid"]) != holder.get("started"))


def _now(folder: Path) -> float:
    """Return the time by the clock of the file system, which may be another machine's."""
    probe = folder / f".clock.{uuid.uuid4().hex}"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _renew(lease: Path, stop: threading.Event) -> None:
    while not stop.wait(RENEW):
        try:
            os.utime(lease)
        except OSError:  # a network file system that is away for a moment
            continue


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _started(pid: int) -> str | None:
    """Return when a process was started, in the kernel's ticks: a number may be given to another process later."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _process_space() -> str | None:
    """Return what tells process numbers of this boot and container from those of others."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None
