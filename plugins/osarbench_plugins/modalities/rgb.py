"""RGB frames as a video shows them, normalised with the mean and standard deviation of ImageNet."""

import numpy as np

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.modality import Frames, Modality


class Rgb(Modality):
    """Red, green and blue in [0, 255], three channels; mean and standard deviation are those of ImageNet's images."""

    name = "rgb"
    channels = 3
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)

    def flip(self, frames: Frames) -> Frames:
        """Return frames [T, H, W, 3] with their columns in reverse order."""
        return np.ascontiguousarray(frames[:, :, ::-1])


@hookimpl
def osarbench_modalities() -> list[type[Modality]]:
    """Offer rgb."""
    return [Rgb]
