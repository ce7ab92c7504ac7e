"""Optical flow as two grey images a frame, x and y, of which five in a row are fed (TSN, Wang et al., ECCV 2016)."""

import numpy as np

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.modality import Frames, Modality


class Flow(Modality):
    """Optical flow, five frames of x and y in turn, ten channels; 128 means no motion.

    Which flow it is, ``flow`` in ``[data.NAME]`` of a protocol says: a folder of pictures
    (``"tvl1/{id}/flow_{axis}_%05d.jpg"``), or how it is computed (``"dis"``, the default, ``"tvl1"``, ``"farneback"``).
    """

    name = "flow"
    channels = 2
    stack = 5
    mean = (0.5, 0.5)
    std = (0.226, 0.226)  # the mean of ImageNet's three
    frames = "flow"
    crop_scales = (1.0, 0.875, 0.75)

    def flip(self, frames: Frames) -> Frames:
        """Return flow [T, H, W, 2] as a mirror shows it: columns in reverse order, and left is right, 255 - x."""
        turned = np.ascontiguousarray(frames[:, :, ::-1])
        turned[..., 0] = 255 - turned[..., 0]
        return turned


class WarpedFlow(Flow):
    """Optical flow from which the camera's motion is taken out, as folders of pictures: ``warped_flow``."""

    name = "warped_flow"
    frames = "warped_flow"


@hookimpl
def osarbench_modalities() -> list[type[Modality]]:
    """Offer flow and warped_flow."""
    return [Flow, WarpedFlow]
