"""Whole videos: every window of every video, read in batches of windows, so that no video has to fit into memory."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from osarbench.data.clips import Loading, as_channels, fed, loading_options, stacks
from osarbench.data.transforms import view_crops
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.frame_store import FrameStore
from osarbench.interfaces.modality import Modality

Indices = npt.NDArray[np.int64]


def window_starts(total: int, span: int, stride: int) -> Indices:
    """Return where the windows of a video begin: every `stride` frames, and a last one that ends with the video.

    Args:
        total: frames of the video.
        span: frames from the first to the last of a window. A video that is shorter has one window.
        stride: frames between the beginnings of two windows.

    >>> window_starts(40, 16, 16).tolist(), window_starts(10, 16, 1).tolist(), window_starts(3, 1, 1).tolist()
    ([0, 16, 24], [0], [0, 1, 2])
    """
    last = max(0, total - span)
    starts = np.arange(0, last + 1, stride)
    return starts if starts[-1] == last else np.append(starts, last)


class WindowBatches(Dataset[tuple[Tensor, Tensor]]):
    """All windows of some videos, several at a time: (video of each [W], uint8 [W, crops, C, T, size, size]).

    A window is as long as a test view, of consecutive frames (at the distance `spec.stride`); a video that is shorter
    repeats its last frame. Frames that windows share are read and cropped once a batch.

    Args:
        store: of the frames.
        rows: positions of the videos in it.
        spec: says what a window is.
        stride: frames between the beginnings of two windows.
        batch: windows at a time.
        modality: what is fed; None: RGB.
    """

    def __init__(
        self, store: FrameStore, rows: np.ndarray, spec: ClipSpec, *, stride: int, batch: int,
        modality: Modality | None = None,
    ) -> None:  # fmt: skip
        self.store, self.rows, self.spec, self.modality = store, rows, spec, modality
        self.stride, self.batch = stride, batch
        self.stack, self.flip = fed(modality)
        self.totals = [stacks(store.length(int(row)), self.stack) for row in rows]
        span = (spec.test_length - 1) * spec.stride + 1
        starts = [window_starts(total, span, stride) for total in self.totals]
        self.videos: Indices = np.repeat(np.arange(len(rows)), [len(its) for its in starts])
        self.starts = np.concatenate(starts) if starts else np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return -(-len(self.videos) // self.batch)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        inside = slice(position * self.batch, (position + 1) * self.batch)
        videos, starts = self.videos[inside], self.starts[inside]
        parts = [self._windows(video, starts[videos == video]) for video in np.unique(videos).tolist()]
        return torch.from_numpy(videos.copy()), torch.cat(parts)

    def _windows(self, video: int, starts: Indices) -> Tensor:
        """Return windows of one video, uint8 [W, crops, C, T, size, size]."""
        steps = np.arange(self.spec.test_length) * self.spec.stride
        wanted = np.minimum(starts[:, None] + steps, self.totals[video] - 1)  # [W, T]
        frames = (wanted[..., None] + np.arange(self.stack)).reshape(len(starts), -1)  # [W, T * stack]
        needed, places = np.unique(frames, return_inverse=True)
        crops = view_crops(self.store.frames(int(self.rows[video]), needed), self.spec, flip=self.flip)
        chosen = crops[:, :, torch.from_numpy(places.reshape(frames.shape))]  # [crops, C, W, T * stack, S, S]
        each = chosen.permute(2, 0, 1, 3, 4, 5)  # [W, crops, C, T * stack, S, S]
        return each if self.stack == 1 else torch.stack([torch.stack([as_channels(clip, self.stack) for clip in window])
                                                         for window in each])  # fmt: skip


class WholeVideos:
    """Videos of which every window is wanted, some at a time.

    Args:
        store: of the frames.
        rows: positions of the videos in it.
        spec: says what a window is.
        stride: frames between the beginnings of two windows.
        batch: windows at a time.
        modality: what is fed; None: RGB.
    """

    def __init__(
        self, store: FrameStore, rows: np.ndarray, spec: ClipSpec, *, stride: int, batch: int,
        modality: Modality | None = None,
    ) -> None:  # fmt: skip
        self.store, self.rows, self.spec, self.modality = store, rows, spec, modality
        self.stride, self.batch = stride, batch

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, begin: int, count: int) -> WindowBatches:
        """Return the windows of some consecutive videos."""
        return WindowBatches(self.store, self.rows[begin : begin + count], self.spec, stride=self.stride,
                             batch=self.batch, modality=self.modality)  # fmt: skip


def window_loader(batches: WindowBatches, loading: Loading) -> DataLoader[Any]:
    """Return the batches in order.

    Args:
        batches: of windows.
        loading: processes and memory.
    """
    return DataLoader(batches, batch_size=None, **loading_options(loading))
