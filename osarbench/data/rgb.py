"""Decoded frames to upright RGB pictures, one size for a whole file."""

from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type
from av.video.reformatter import Interpolation, VideoReformatter

Frames = npt.NDArray[np.uint8]


class RgbConverter:
    """Frames to upright RGB arrays of one size: scaled and converted in one step, with one context for a whole file."""

    def __init__(self, short_side: int | None) -> None:
        """Take the pixels to which the short side is scaled, the aspect kept; None: as it is."""
        self.short_side = short_side
        self.reformatter = VideoReformatter()
        self.whole = _WholeFrames()
        self.size: tuple[int, int] | None = None  # upright

    def __call__(self, frame: av.VideoFrame) -> Frames:
        """Return uint8 [H, W, 3], contiguous.

        Raises:
            av.FFmpegError: the frame's colours cannot be converted.
        """
        turn = _turn(frame)
        if self.size is None:
            self.size = _scaled(*turn.swapped(frame.width, frame.height), self.short_side)
        width, height = turn.swapped(*self.size)
        converted = self.reformatter.reformat(
            self.whole(frame) if frame.interlaced_frame else frame,
            width=width, height=height, format="rgb24", interpolation=Interpolation.BILINEAR,
            threads=1,  # with several files at once, more cost time
        )  # fmt: skip
        return np.ascontiguousarray(turn(cast(Frames, converted.to_ndarray())))


class _WholeFrames:
    """Interlaced frames as if they were progressive: the scaler would scale their two fields apart."""

    def __init__(self) -> None:
        self.graph: av.filter.Graph | None = None
        self.shape: tuple[int, int, str] | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        shape = frame.width, frame.height, frame.format.name
        if self.graph is None or shape != self.shape:
            self.graph, self.shape = av.filter.Graph(), shape
            self.graph.threads = 1
            source = self.graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            self.graph.link_nodes(source, self.graph.add("setfield", "prog"), self.graph.add("buffersink"))
            self.graph.configure()
        self.graph.push(frame)
        return cast(av.VideoFrame, self.graph.pull())


def _turn(frame: av.VideoFrame) -> "_Turn":
    """Return how a frame is to be turned: its display matrix is nine int32, two of each three of use here."""
    side_data: Any = frame.side_data
    matrix = side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return _Turn(a, b, c, d)


class _Turn:
    """How a frame is to be turned and mirrored for display: one of eight ways, as its display matrix says.

    The matrix maps (x, y) to (a x + c y, b x + d y); a matrix between two quarter turns counts as the nearer one.
    """

    def __init__(self, a: int, b: int, c: int, d: int) -> None:
        self.transposed = abs(b) > abs(a)
        self.mirrored, self.flipped = (c < 0, b < 0) if self.transposed else (a < 0, d < 0)

    def swapped(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height after the turn."""
        return (height, width) if self.transposed else (width, height)

    def __call__(self, picture: Frames) -> Frames:
        turned = picture.transpose(1, 0, 2) if self.transposed else picture
        return turned[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]


_UPRIGHT = _Turn(1, 0, 0, 1)


def _scaled(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Return width and height with the short side scaled.

    >>> _scaled(320, 240, 128), _scaled(240, 320, None)
    ((171, 128), (240, 320))
    """
    if short_side is None:
        return width, height
    scale = short_side / min(width, height)
    return max(short_side, round(width * scale)), max(short_side, round(height * scale))
