"""The modality interface: what is fed to a network (RGB, flow ...), apart from which network it is."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


class Modality(ABC):
    """One kind of input: its channels, how they are normalised, stacked and flipped.

    The sampler of a clip (`ClipSpec`) chooses positions in time; at each position, `stack` consecutive frames of
    `channels` channels become ``stack * channels`` channels of the clip (1 for RGB, 5 for TSN's optical flow).
    """

    name: ClassVar[str]
    channels: ClassVar[int]  #: C of one stored frame [H, W, C]
    stack: ClassVar[int] = 1  #: consecutive frames at one position
    mean: ClassVar[
        tuple[float, ...]
    ]  #: [C], of values in [0, 1]; the default of backbones, whose weights may say other
    std: ClassVar[tuple[float, ...]]
    frames: ClassVar[str] = "frames"  #: the key in ``[data.NAME]`` of a protocol that says where its frames are
    crop_scales: ClassVar[tuple[float, ...]] = (1.0, 0.875, 0.75, 0.66)  #: of TSN's multi-scale crops

    @property
    def inputs(self) -> int:
        """Channels of a clip that a network is fed."""
        return self.channels * self.stack

    @abstractmethod
    def flip(self, frames: Frames) -> Frames:
        """Return frames [T, H, W, C] as a mirror shows them, left for right."""

    def change(self, clips: Any) -> Any:
        """Return what is fed, [N, `inputs`, T, H, W], of normalised clips [N, stack * C, T, H, W]; they, by default."""
        return clips
