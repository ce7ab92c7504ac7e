"""What frames are read from before they are kept: a video file, or another form that people have their frames in.

The form is told by the path, so that a list of videos may mix them. A reader scales, converts to RGB and counts; it
knows nothing of packs.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from osarbench.data import video
from osarbench.data.decoder import Decoder
from osarbench.interfaces import dataset
from osarbench.interfaces.frame_store import Frames

#: Reasons not to read a file that may be gone next time: permissions, network disks, too many open files.
PASSING = frozenset(
    getattr(errno, name)
    for name in (
        "EACCES", "EPERM", "EIO", "ESTALE", "ENOENT", "ETIMEDOUT", "ENOMEM", "EMFILE", "ENFILE", "EAGAIN", "EBUSY",
        "ENOTCONN", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH", "ENETUNREACH", "ENODEV", "ENXIO", "EINTR",
    )
    if hasattr(errno, name)
)  # fmt: skip


class Reader:
    """Frames of video files, decoded. Other forms override what differs.

    Every method takes the path and the seconds at which the piece starts and ends; None: all of it.
    """

    name: ClassVar[str] = "video"
    channels: ClassVar[int] = 3  #: of a frame

    def parts(self, path: str) -> list[Path]:
        """Return the files that the frames are in.

        Raises:
            OSError: they cannot be listed.
        """
        return [Path(path)]

    def count(self, path: str, start: float | None, end: float | None) -> int:
        """Return the number of frames.

        Raises:
            video.UnreadableVideo: with path and reason; so do the other methods.
        """
        return video.count_frames(Path(path), start=start, end=end)

    def read(
        self, path: str, indices: Sequence[int], short_side: int, start: float | None, end: float | None
    ) -> Frames:
        """Return frames, uint8 [T, H, W, 3], with the short side scaled."""
        return video.read_frames(Path(path), indices, short_side=short_side, start=start, end=end)

    def each(self, path: str, short_side: int, start: float | None, end: float | None) -> Iterator[Frames]:
        """Yield all frames, uint8 [H, W, 3]."""
        return video.each_frame(Path(path), short_side=short_side, start=start, end=end)

    def estimate(self, path: str, start: float | None, end: float | None) -> tuple[float, float]:
        """Return about how many frames there are, and about what their width is to their height, without decoding."""
        with Decoder(Path(path)) as decoder:
            size = decoder.stream
            return max(1.0, decoder.stated_length(start, end)), max(size.width, 1) / max(size.height, 1)


def of(path: str) -> Reader:
    """Return the reader of what is at a path."""
    from osarbench.data.stores import flow, pictures  # their readers are made of this module's

    return flow.reader_of(path) or pictures.reader_of(path) or _VIDEO


def is_there(path: Path) -> bool:
    """Return whether there is a video, or what else frames are read from.

    Raises:
        OsarbenchError: nobody can tell, for a folder above it may not be entered.
    """
    path = Path(str(path).partition("#flow=")[0])  # computed flow is where its frames are
    if "%" not in path.name:
        return dataset.is_there(path)
    try:
        return bool(of(str(path)).parts(str(path)))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise dataset.cannot_be_read(path.parent, error) from error


def fingerprint(path: str) -> str:
    """Return what changes whenever a video's file does: size, times and number of every file it is in.

    Raises:
        OSError: there is none, or nobody may look.
    """
    stats = [(part.name, os.stat(part)) for part in of(path).parts(path)]
    text = repr([(name, its.st_size, its.st_mtime_ns, its.st_ctime_ns, its.st_ino) for name, its in stats])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def content(path: str) -> str:
    """Return the sha256 of what is in a video's file, whatever its name; of several files, of all in their order.

    Raises:
        OSError: it cannot be read.
    """
    digests = []
    for part in of(path).parts(path):
        with part.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    how = re.search(r"#(flow|b)=.*$", path)  # of flow: how it is made, or stored
    digests += [how[0]] if how else []
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def may_pass(error: BaseException) -> bool:
    """Say whether a video that cannot be read might be another time: for want of permission, or of a network."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "errno", None) in PASSING:
            return True
        cause = cause.__cause__
    return False


_VIDEO = Reader()
