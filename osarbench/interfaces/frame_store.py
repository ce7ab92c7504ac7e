"""The frame store interface: where the frames of videos come from, whatever their format on disk."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class FrameStore(ABC):
    """Frames of a list of videos, addressed by the position of a video in that list.

    A store is small enough to be sent to loader processes: it holds paths and lengths, no frames. It imports no torch.
    """

    @abstractmethod
    def length(self, video: int) -> int:
        """Return how many frames of a video may be asked for; 0 where it is unreadable."""

    @abstractmethod
    def frames(self, video: int, indices: npt.NDArray[np.int64]) -> Frames:
        """Return frames, uint8 [T, H, W, C], for indices [T] in [0, length), in any order, repeated or not.

        Raises:
            OsarbenchError: the frames cannot be had (any more), or are not those that were stored.
        """

    def order(self, video: int) -> Any:
        """Return what videos are sorted by to be read quickly, if that matters; batches are read in this order."""
        return video

    @abstractmethod
    def digest(self, video: int) -> str:
        """Return a digest of what a video's frames are made from; another content has another digest.

        It is known without decoding anything: it covers the sha256 of the file and how its frames are made from it.
        """
