"""The clip a backbone wants: which frames, how large, how normalised. It needs no torch, and neither do protocols."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """The clip a backbone is made for: which frames, how large, how normalised, and how many views at test time.

    A *view* is what one forward pass takes: ``segments * frames`` frames of one crop. A protocol may override every
    field but `modality`, `mean` and `std`, which belong to the weights.
    """

    segments: int = 1  #: parts a view is sampled from (8 for TSM and TSN, 1 for 3D networks)
    test_segments: int | None = None  #: the same at test time, if it is another number (1 for TSN's 25 single snippets)
    frames: int = 16  #: consecutive (strided) frames in each segment
    stride: int = 1  #: distance in frames between two frames of a segment
    sampling: Literal["uniform", "dense", "tsn"] = (
        "uniform"  #: over the whole video, inside one `window`, or as tsn-pytorch
    )
    window: int = 64  #: frames a dense view is drawn from
    short_side: int = 256  #: pixels; a video is scaled to this short side once, when it is decoded
    size: int = 224  #: pixels; side of the square a training crop is resized to
    test_size: int = 224  #: pixels; side of the square crop at test time, cut from the short side
    train_crop: Literal["random_resized", "multi_scale", "random", "centre"] = "random_resized"
    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)  #: of "multi_scale": sides, as shares of the short side
    crop_scale_gap: int = 1  #: of "multi_scale": how far apart in `crop_scales` width and height may be
    crop_places: Literal[5, 13] = 13  #: of "multi_scale": corners and centre, or eight places between them too
    flip: float = 0.5  #: probability of a horizontal flip in training; 0 where left and right are different classes
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  #: of brightness, contrast, saturation, hue
    jitter_probability: float = 0.8  #: that a training clip's colours are changed, if `jitter` says how far
    grey: float = 0.0  #: probability that a training clip loses its colours
    test_clips: int = 1  #: temporal positions at test time
    test_crops: Literal[1, 3, 10] = 1  #: 1: centre; 3: along the longer side; 10: corners, centre and their mirrors
    modality: str = (
        "rgb"  #: what is fed (`osarbench.interfaces.modality`); with mean and std, it belongs to the weights
    )
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)  #: of each channel in [0, 1]
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    @property
    def length(self) -> int:
        """Frames in one view in training, and at test time too unless `test_segments` is set."""
        return self.segments * self.frames

    @property
    def test_length(self) -> int:
        """Frames in one view at test time."""
        return (self.test_segments or self.segments) * self.frames

    @property
    def views(self) -> int:
        """Views of one video at test time."""
        return self.test_clips * self.test_crops
