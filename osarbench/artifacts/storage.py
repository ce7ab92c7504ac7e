"""Atomic writes, and readable messages for errors of the file system."""

import errno
import hashlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from osarbench.errors import OsarbenchError

LITTLE_SPACE = 1_000_000  # bytes; with less left, a failed write is blamed on the disk


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Yield a temporary path next to a file; on success it is synced to disk and renamed over the file."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=f".tmp{file.suffix}", dir=file.parent)
    except OSError as error:
        raise in_words(file, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        temporary.replace(file)
    except OSError as error:
        raise in_words(file, error) from error
    except RuntimeError as error:
        # torch.save says neither that nor why a write failed.
        if shutil.disk_usage(file.parent).free < max(LITTLE_SPACE, temporary.stat().st_size):
            raise _no_space(file) from error
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY and temporary.stat().st_size >= limit - LITTLE_SPACE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(file)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a text file atomically.

    Raises:
        OsarbenchError: it cannot be written there, or the disk is full.
    """
    with atomic_write(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(file: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _no_space(file: Path) -> OsarbenchError:
    return OsarbenchError(
        f"No space left while writing {file}. Free some space and run the same command again: what is finished is kept "
        "and reused."
    )


def in_words(file: Path, error: OSError) -> Exception:
    """Return what the user can mend as an `OsarbenchError`, and any other error of the file system as it is."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space(file)
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return OsarbenchError(f"{file} cannot be written: {error.strerror}.")
    return error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
