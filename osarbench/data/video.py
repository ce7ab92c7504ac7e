"""A video file to frames: exactly the ones asked for, the same for an index whatever else is asked for.

Files are decoded from their start. Seeking is not exact in files with B-frames and no usable timestamps, such as those
of HMDB-51, where it yields neighbours of the wanted frames with every library that was tried.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition
from av.video.reformatter import Interpolation, VideoReformatter

Frames = npt.NDArray[np.uint8]
#: Titles in some files of HMDB-51 are not UTF-8. From version 19 on, av reads them without being told to.
_LENIENT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}


class UnreadableVideo(Exception):  # noqa: N818  # it is what it says
    """A video that cannot be used: missing, not a video, without frames, damaged, or shorter than asked for."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        return UnreadableVideo, (self.path, self.reason)  # it crosses process borders


def read_frames(
    path: Path,
    indices: Sequence[int] | None = None,
    *,
    short_side: int | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Frames:
    """Return frames as RGB, uint8 [T, H, W, 3].

    Decoding stops after the largest index; only wanted frames are converted, and scaled in the same step (bilinear,
    antialiased when it shrinks).

    Args:
        path: the file.
        indices: frames in any order, repeated or not; None: all.
        short_side: pixels to scale the short side to, the aspect kept; None: as it is.
        start, end: seconds; frames before `start`, and at or after `end`, do not exist for `indices`.

    Raises:
        UnreadableVideo: with path and reason. A damaged file is unreadable as soon as its damage is met, even if the
            decoder could conceal it.
    """
    wanted = None if indices is None else set(indices)
    last = None if wanted is None else max(wanted, default=-1)
    found: dict[int, Frames] = {}
    convert = _Converter(short_side)
    for place, frame in enumerate(_decode(path, start, end)):
        if wanted is None or place in wanted:
            found[place] = convert(frame)
        if last is not None and place >= last:
            break
    if not found:
        raise UnreadableVideo(path, "no frame" if last is None or last < 0 else f"no frame {last}: it has none")
    beyond = [] if wanted is None else sorted(wanted - found.keys())
    if beyond:
        raise UnreadableVideo(path, f"no frame {beyond[0]}: it has {place + 1}")
    return np.stack([found[place] for place in (found if indices is None else indices)])


def each_frame(
    path: Path, *, short_side: int | None = None, start: float | None = None, end: float | None = None
) -> Iterator[Frames]:
    """Yield what `read_frames` returns, uint8 [H, W, 3], one frame in memory at a time.

    Raises:
        UnreadableVideo: as `read_frames`, perhaps after some frames.
    """
    convert = _Converter(short_side)
    for frame in _decode(path, start, end):
        yield np.ascontiguousarray(convert(frame))
    if convert.size is None:
        raise UnreadableVideo(path, "no frame")


def count_frames(path: Path, *, start: float | None = None, end: float | None = None) -> int:
    """Return how many frames `read_frames` finds: by decoding, since what files say of themselves is often wrong.

    Raises:
        UnreadableVideo: with path and reason.
    """
    total = sum(1 for _ in _decode(path, start, end))
    if not total:
        raise UnreadableVideo(path, "no frame")
    return total


def _decode(path: Path, start: float | None, end: float | None) -> Iterator[av.VideoFrame]:
    """Yield the frames of a file in order."""
    if not path.is_file():
        raise UnreadableVideo(path, "no such file")
    if not path.stat().st_size:
        raise UnreadableVideo(path, "an empty file")
    place = 0
    try:
        with av.open(str(path), **_LENIENT) as container:
            # The picture of a record's cover is a stream, too.
            streams = [its for its in container.streams.video if not its.disposition & Disposition.attached_pic]
            if not streams:
                raise UnreadableVideo(path, "no video stream")
            stream = streams[0]
            stream.thread_count = 1  # several files at once beat several threads on one
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    raise UnreadableVideo(path, f"cut short or damaged after frame {place}")
                for frame in packet.decode():
                    if frame.is_corrupt:
                        raise UnreadableVideo(path, f"damaged at frame {place}")
                    time = _time(frame, place, stream, container)
                    place += 1
                    if end is not None and time >= end:
                        return
                    if start is None or time >= start:
                        yield frame
    except (av.FFmpegError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableVideo(path, f"{reason} after frame {place}" if place else reason) from error


def _time(frame: av.VideoFrame, place: int, stream: av.VideoStream, container: av.container.InputContainer) -> float:
    """Return a frame's time in seconds from the file's first frame.

    AVI has a constant rate and no timestamps worth the name; other containers' timestamps count, where there are any.
    """
    rate = stream.average_rate
    if frame.time is None or (container.format.name == "avi" and rate):
        return place / float(rate or 25)
    first = stream.start_time if stream.start_time is not None and stream.time_base is not None else 0
    return frame.time - float(first * (stream.time_base or 0))


class _Converter:
    """Frames to RGB arrays of one size: scaled and converted in one step, with one scaling context for a whole file."""

    def __init__(self, short_side: int | None) -> None:
        self.short_side = short_side
        self.reformatter = VideoReformatter()
        self.size: tuple[int, int] | None = None

    def __call__(self, frame: av.VideoFrame) -> Frames:
        if self.size is None:
            self.size = _scaled(frame.width, frame.height, self.short_side)
        width, height = self.size
        converted = self.reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=Interpolation.BILINEAR
        )
        upright: Frames = np.rot90(converted.to_ndarray(), round(frame.rotation / 90))
        return upright


def _scaled(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Return width and height with the short side scaled.

    >>> _scaled(320, 240, 128), _scaled(240, 320, None)
    ((171, 128), (240, 320))
    """
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))
