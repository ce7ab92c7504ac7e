"""Optical flow as frames: read from the folders that people have, or computed from frames of any form.

====================================  ==============================================================================
path                                  what is there
====================================  ==============================================================================
``FOLDER/flow_{axis}_%05d.jpg``       pictures of both axes, ``{axis}`` is x and y; ``{uv}``: u and v
``FOLDER/flow_{axis}_%05d.jpg#b=15``  the same, stored with another bound than 20 pixels
``VIDEO#flow=dis,20``                 computed between neighbouring frames, as they are scaled
====================================  ==============================================================================

A frame of flow is uint8 [H, W, 2], x (to the right) and y (down). The value v means (v / 255 * 2 - 1) * bound pixels a
frame, so 128 means none. A video of N frames has N - 1 frames of flow, computed or stored: that is as published tools
count, and each modality counts its own frames.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from osarbench.data.stores import pictures
from osarbench.data.stores.readers import Reader
from osarbench.data.video import UnreadableVideo
from osarbench.interfaces.frame_store import Frames

METHODS = ("dis", "tvl1", "farneback")
BOUND = 20.0  #: pixels a frame, to which flow is clipped where it is stored
COMPUTED = "#flow="
_AXES = {"{axis}": ("x", "y"), "{uv}": ("u", "v")}


def reader_of(path: str) -> Reader | None:
    """Return the reader of a path of flow; None if it is none."""
    if COMPUTED in path:
        return _COMPUTED
    return _FOLDER if any(axis in path for axis in _AXES) else None


def quantised(flow: np.ndarray, bound: float) -> Frames:
    """Return flow in pixels, float [H, W, 2], as uint8: 0 for -bound and less, 255 for bound and more.

    >>> quantised(np.array([[[0.0, 20.0], [-30.0, 1.0]]]), 20).tolist()
    [[[128, 255], [0, 134]]]
    """
    stored: Frames = np.rint(255 * (np.clip(flow, -bound, bound) + bound) / (2 * bound)).astype(np.uint8)
    return stored


def in_pixels(frames: Frames, bound: float) -> np.ndarray:
    """Return stored flow as pixels a frame, float64; the inverse of `quantised` up to rounding."""
    return (frames.astype(np.float64) / 255 * 2 - 1) * bound


def version() -> str:
    """Return the version of what computes flow; empty where nothing does."""
    try:
        import cv2
    except ModuleNotFoundError:
        return ""
    return f" opencv {cv2.__version__}"


class FlowFolder(Reader):
    """Pictures of both axes, numbered alike."""

    name: ClassVar[str] = "a folder of flow"
    channels: ClassVar[int] = 2

    def parts(self, path: str) -> list[Path]:
        """Return the pictures of x, then those of y."""
        return [part for axis in _both(path)[:2] for part in pictures.FRAME_FOLDER.parts(axis)]

    def count(self, path: str, start: float | None, end: float | None) -> int:
        """Return the number of frames of flow."""
        x, y, _ = _both(path)
        each = [len(_parts(axis)) for axis in (x, y)]
        if not all(each):
            lacking = (x, y)[each.index(0)]
            raise UnreadableVideo(Path(path), f"there is no {Path(lacking).name}: flow needs both axes")
        counts = [pictures.FRAME_FOLDER.count(axis, start, end) for axis in (x, y)]
        if counts[0] != counts[1]:
            raise UnreadableVideo(
                Path(path), f"{counts[0]} pictures of {Path(x).name} and {counts[1]} of {Path(y).name}: one lacks some"
            )
        return counts[0]

    def read(
        self, path: str, indices: Sequence[int], short_side: int, start: float | None, end: float | None
    ) -> Frames:
        """Return flow, uint8 [T, H, W, 2]; sizes are scaled, values stay as they are."""
        x, y, bound = _both(path)
        unique = sorted(set(indices))
        axes = [dict(pictures.FRAME_FOLDER.stored(axis, unique)) for axis in (x, y)]
        found = {index: _joined(path, axes[0][index], axes[1][index], short_side, bound) for index in unique}
        return np.stack([found[index] for index in indices])

    def each(self, path: str, short_side: int, start: float | None, end: float | None) -> Iterator[Frames]:
        """Yield all flow, uint8 [H, W, 2]."""
        x, y, bound = _both(path)
        every = range(self.count(path, start, end))
        size: tuple[int, ...] | None = None
        for (_, left), (_, right) in zip(
            pictures.FRAME_FOLDER.stored(x, every), pictures.FRAME_FOLDER.stored(y, every), strict=True
        ):
            frame = _joined(path, left, right, short_side, bound)
            if size not in (None, left.shape):
                raise UnreadableVideo(
                    Path(path), f"pictures of {size[1::-1] if size else ()} and {left.shape[1::-1]} pixels"
                )
            size = left.shape
            yield frame

    def estimate(self, path: str, start: float | None, end: float | None) -> tuple[float, float]:
        """Return the number of frames, and what their width is to their height."""
        return pictures.FRAME_FOLDER.estimate(_both(path)[0], start, end)


class ComputedFlow(Reader):
    """Flow between neighbouring frames of what another reader reads."""

    name: ClassVar[str] = "computed flow"
    channels: ClassVar[int] = 2

    def parts(self, path: str) -> list[Path]:
        """Return the files of the frames."""
        source = _source(path)
        return source.reader.parts(source.path)

    def count(self, path: str, start: float | None, end: float | None) -> int:
        """Return the number of frames, less one."""
        source = _source(path)
        total = source.reader.count(source.path, start, end)
        if total < 2:
            raise UnreadableVideo(Path(source.path), f"{total} frame has no flow")
        return total - 1

    def read(
        self, path: str, indices: Sequence[int], short_side: int, start: float | None, end: float | None
    ) -> Frames:
        """Return flow, uint8 [T, H, W, 2]."""
        source = _source(path)
        needed = sorted({index + step for index in indices for step in (0, 1)})
        frames = source.reader.read(source.path, needed, short_side, start, end)
        at = {index: position for position, index in enumerate(needed)}
        compute = _algorithm(source)
        found = {
            index: quantised(compute(_grey(frames[at[index]]), _grey(frames[at[index + 1]])), source.bound)
            for index in set(indices)
        }
        return np.stack([found[index] for index in indices])

    def each(self, path: str, short_side: int, start: float | None, end: float | None) -> Iterator[Frames]:
        """Yield all flow, uint8 [H, W, 2]."""
        source = _source(path)
        compute, before = _algorithm(source), None
        for frame in source.reader.each(source.path, short_side, start, end):
            now = _grey(frame)
            if before is not None:
                yield quantised(compute(before, now), source.bound)
            before = now

    def estimate(self, path: str, start: float | None, end: float | None) -> tuple[float, float]:
        """Return about how many frames there are, and what their width is to their height."""
        source = _source(path)
        return source.reader.estimate(source.path, start, end)


class _Source(NamedTuple):
    path: str
    reader: Reader
    method: str
    bound: float


def _source(path: str) -> _Source:
    from osarbench.data.stores import readers

    inner, _, stated = path.rpartition(COMPUTED)
    method, _, bound = stated.partition(",")
    return _Source(inner, readers.of(inner), method, float(bound or BOUND))


def _algorithm(source: _Source) -> Any:
    """Return a function of two grey images [H, W] to flow in pixels [H, W, 2], of one thread."""
    try:
        cv2: Any = import_module("cv2")
    except ModuleNotFoundError as error:
        raise UnreadableVideo(
            Path(source.path),
            "flow is computed by OpenCV: pip install opencv-python-headless, or read it from a folder",
        ) from error
    cv2.setNumThreads(1)  # with several videos at once, more cost time
    if source.method == "farneback":
        return lambda one, two: cv2.calcOpticalFlowFarneback(one, two, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    if source.method == "tvl1":
        if not hasattr(cv2, "optflow"):
            raise UnreadableVideo(
                Path(source.path), "TV-L1 is in opencv-contrib-python-headless: install it instead, or take dis"
            )
        tvl1 = cv2.optflow.DualTVL1OpticalFlow_create()
        return lambda one, two: tvl1.calc(one, two, None)
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)  # frames are small here; the preset works at half their size
    return lambda one, two: dis.calc(one, two, None)


def _grey(frame: Frames) -> Frames:
    """Return the luma of an RGB frame [H, W, 3], as Rec. 601 weighs colours."""
    luma: Frames = np.rint(frame @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return luma


def _both(path: str) -> tuple[str, str, float]:
    """Return the paths of x and y, and the bound they are stored with."""
    plain, _, bound = path.partition("#b=")
    axis = next(axis for axis in _AXES if axis in plain)
    x, y = (plain.replace(axis, letter) for letter in _AXES[axis])
    return x, y, float(bound or BOUND)


def _parts(axis: str) -> list[Path]:
    try:
        return pictures.FRAME_FOLDER.parts(axis)
    except OSError:
        return []


def _joined(path: str, x: Frames, y: Frames, short_side: int, bound: float) -> Frames:
    """Return a frame of flow, uint8 [H, W, 2], of two pictures [H, W, 3], scaled, with the common bound."""
    if x.shape != y.shape:
        raise UnreadableVideo(
            Path(path), f"x of {x.shape[1]} x {x.shape[0]} pixels and y of {y.shape[1]} x {y.shape[0]}"
        )
    frame = np.stack([_scaled(each[..., 0], short_side) for each in (x, y)], axis=-1)
    return frame if bound == BOUND else quantised(in_pixels(frame, bound), BOUND)


def _scaled(picture: Frames, short_side: int) -> Frames:
    height, width = picture.shape
    if min(height, width) == short_side:
        return picture
    from PIL import Image

    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.BILINEAR))


def is_computed(value: str) -> bool:
    """Say whether a setting names how flow is computed, and not where it is."""
    return re.fullmatch(r"[a-z0-9]+", value) is not None


_FOLDER, _COMPUTED = FlowFolder(), ComputedFlow()
