"""Differences of neighbouring RGB frames: motion without optical flow (TSN, Wang et al., ECCV 2016)."""

from typing import Any

import numpy as np

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.modality import Frames, Modality


class RgbDifference(Modality):
    """Five differences of six neighbouring RGB frames, 15 channels; of pixels in [0, 1], not centred.

    A backbone's `ClipSpec.std` divides them: 1 as in the published training, 0.452 as the published test script states.
    """

    name = "rgbdiff"
    channels = 3
    stack = 6
    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)
    crop_scales = (1.0, 0.875, 0.75)

    @property
    def inputs(self) -> int:
        """Channels of a clip: one difference fewer than frames."""
        return self.channels * (self.stack - 1)

    def flip(self, frames: Frames) -> Frames:
        """Return frames [T, H, W, 3] with their columns in reverse order."""
        return np.ascontiguousarray(frames[:, :, ::-1])

    def change(self, clips: Any) -> Any:
        """Return the differences [N, 15, T, H, W] of clips [N, 18, T, H, W], the earliest first."""
        return clips[:, self.channels :] - clips[:, : -self.channels]


@hookimpl
def osarbench_modalities() -> list[type[Modality]]:
    """Offer rgbdiff."""
    return [RgbDifference]
