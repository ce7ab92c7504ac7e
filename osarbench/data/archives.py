"""Archives are unpacked below a folder, and nowhere else: a member that would leave it is refused by name."""

import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from osarbench.artifacts.storage import atomic_write, in_words
from osarbench.errors import OsarbenchError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
CHUNK = 1 << 20  # bytes copied at once
_LINKS = "links, devices and pipes are not unpacked"


class _Member(NamedTuple):
    """One file in an archive."""

    name: str
    size: int
    refused: str | None  #: why it is not unpacked


_Open = Callable[[], IO[bytes]]  # opens a member


def is_archive(file: Path) -> bool:
    """Say whether a file is one that `unpack` unpacks, by its name."""
    return file.name.lower().endswith(SUFFIXES)


def unpack(archive: Path, into: Path) -> int:
    """Unpack a zip or tar file below a folder and return how many files were written.

    Files that are there with their size are left alone, so an interrupted unpacking goes on. Of a zip file, all names
    are checked before anything is written; of a tar file, each before it is.

    Args:
        archive: the file.
        into: the folder.

    Raises:
        OsarbenchError: a member would leave the folder, or is a link; the archive is damaged, encrypted, or larger than
            the free space.
    """
    written = 0
    with _reported(archive), _opened(archive) as (members, whole):
        if whole is not None:
            _check_space(archive, into, whole)
        for member, source in members:
            target = _target(archive, into, member)
            if target.is_file() and target.stat().st_size == member.size:
                continue
            with atomic_write(target) as temporary, temporary.open("wb") as file:
                shutil.copyfileobj(source(), file, CHUNK)
            written += 1
    return written


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[Iterator[tuple[_Member, _Open]], int | None]]:
    """Open an archive; yield its files as (member, function that opens it), and the bytes of all if they are known."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as found:
            infos = [info for info in found.infolist() if not info.is_dir()]
            members = [_Member(info.filename, info.file_size, _odd_zip(info)) for info in infos]
            for member in members:
                _check(archive, member)
            pairs = ((its, _opener(found, info)) for its, info in zip(members, infos, strict=True))
            yield pairs, sum(member.size for member in members)
    else:
        with tarfile.open(archive, "r:*") as opened:
            yield _of_tar(opened), None


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Open:
    return lambda: archive.open(info)


def _of_tar(archive: tarfile.TarFile) -> Iterator[tuple[_Member, _Open]]:
    for info in archive:
        if not info.isdir():
            yield (
                _Member(info.name, info.size, None if info.isreg() else _LINKS),
                partial(_file, archive, info),
            )


def _file(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None
    return file


def _odd_zip(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if info.flag_bits & 1:
        return "it is encrypted"
    return _LINKS if mode and not (stat.S_ISREG(mode) or stat.S_IFMT(mode) == 0) else None


def _check(archive: Path, member: _Member) -> PurePosixPath:
    """Return the path of a member below the folder.

    Raises:
        OsarbenchError: it has none.
    """
    path = PurePosixPath(member.name.replace("\\", "/"))
    reason = member.refused
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in member.name:
        reason = "its name leaves the folder"
    if reason is not None:
        raise OsarbenchError(
            f"{archive} has a member '{member.name}': {reason}. No data set has such a member; it was not written. "
            "Look at where the archive comes from."
        )
    return path


def _target(archive: Path, into: Path, member: _Member) -> Path:
    target = into / _check(archive, member)
    above = target.parent
    while above != into:  # a link that lies there already must not lead out either
        if above.is_symlink() and not above.resolve().is_relative_to(into.resolve()):
            raise OsarbenchError(
                f"{archive}: '{member.name}' would be written through the link {above}. Remove the link."
            )
        above = above.parent
    return target


def _check_space(archive: Path, into: Path, size: int) -> None:
    into.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(into).free
    if size > free:
        raise OsarbenchError(
            f"{archive} unpacks to {size / 1e9:,.1f} GB, and {into} has {free / 1e9:,.1f} GB left. Free some space, or "
            "name a folder on another disk."
        )


@contextmanager
def _reported(archive: Path) -> Iterator[None]:
    """Say in words what is wrong with an archive."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, NotImplementedError) as error:
        raise OsarbenchError(f"{archive} is damaged: {error}. Delete it, and run the same command again.") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError) or not error.errno:  # gzip raises OSError for what is no gzip
            raise OsarbenchError(
                f"{archive} is damaged: {error}. Delete it, and run the same command again."
            ) from error
        raise in_words(Path(os.fspath(error.filename or archive)), error) from error
