"""The backbone interface: a clip to a feature vector and maps, and the clip it wants."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from osarbench.errors import OsarbenchError


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """The clip a backbone is made for: which frames, how large, how normalised, and how many views at test time.

    A *view* is what one forward pass takes: ``segments * frames`` frames of one crop. A protocol may override every
    field but `mean` and `std`, which belong to the weights.
    """

    segments: int = 1  #: parts a view is sampled from (8 for TSM and TSN, 1 for 3D networks)
    test_segments: int | None = None  #: the same at test time, if it is another number (1 for TSN's 25 single snippets)
    frames: int = 16  #: consecutive (strided) frames in each segment
    stride: int = 1  #: distance in frames between two frames of a segment
    sampling: Literal["uniform", "dense"] = "uniform"  #: over the whole video, or inside one `window`
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
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  #: of RGB in [0, 1]
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

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


class Features(NamedTuple):
    """What a backbone makes of N clips."""

    vector: Tensor  #: [N, D] pooled features, the input of a classifier
    maps: Tensor  #: [N, C, T', H', W'] unpooled maps, for branches that train on them (DEAR's debiasing)


class FrameFeatures(Features):
    """Features whose vector is the mean of pooled maps over frames; dropout acts on each frame's part of it."""

    @property
    def frames(self) -> Tensor:
        """The vector of each frame, [N, T, D]: the mean of its maps."""
        return self.maps.mean(dim=(3, 4)).transpose(1, 2)


class SavedHead(NamedTuple):
    """A classifier found in a file of weights; it reads `Features.vector` of the backbone that found it."""

    kind: Literal["linear", "bnn", "rpl"]
    #: linear: weight [K, D] and bias [K]; bnn: {weight,bias}_{mu,rho}; rpl: weight (the points, [K, D]) and radius [1]
    tensors: Mapping[str, Tensor]

    @property
    def classes(self) -> int:
        """K, the number of classes it tells apart."""
        return len(self.tensors["bias_mu" if self.kind == "bnn" else "weight"])


class WeightsReport(NamedTuple):
    """What a file of weights is, and whether it fits a backbone."""

    facts: Mapping[str, str]  #: about the file alone: format, framework, network, classes ...
    refusal: str | None = None  #: why the backbone does not take it; None: it does, if no key is amiss
    missing: Sequence[str] = ()  #: keys the backbone wants and the file lacks
    unexpected: Sequence[str] = ()  #: keys the file has and the backbone has no place for
    misshapen: Sequence[str] = ()  #: keys of another shape, each with both

    @property
    def fits(self) -> bool:
        """Whether `Backbone.load_weights` would take the file."""
        return self.refusal is None and not (self.missing or self.unexpected or self.misshapen)


class Backbone(nn.Module, ABC):
    """A video network without classifier.

    Settings are keyword arguments of the constructor, with defaults; a protocol sets them in its
    ``[backbones.NAME.options]`` section.
    """

    name: ClassVar[str]
    clip: ClipSpec  #: the clip its published recipe uses
    dim: int  #: D, length of `Features.vector`
    map_dim: int  #: C, channels of `Features.maps`

    @abstractmethod
    def forward(self, clips: Tensor) -> Features:
        """Map normalised clips, float [N, 3, T, H, W] with T = ``clip.length``, to their features."""

    def load_weights(self, path: str) -> None:
        """Initialise from a file of pretrained weights.

        Raises:
            OsarbenchError: this backbone knows no such file, or keys or shapes do not fit; the message names them.
        """
        raise OsarbenchError(f"The backbone '{self.name}' cannot load weights ({path}). Use --weights none.")

    def read_head(self, path: str) -> SavedHead | None:
        """Return the classifier in a file of weights that `load_weights` takes, None if there is none.

        Raises:
            OsarbenchError: as `load_weights`.
        """
        return None

    def examine_weights(self, path: str) -> WeightsReport:
        """Say what a file of weights is and whether it fits; the default tries to load it.

        Raises:
            OsarbenchError: it cannot be read.
        """
        try:
            self.load_weights(path)
        except OsarbenchError as error:
            return WeightsReport({}, str(error))
        return WeightsReport({})

    def fetch_weights(self, source: str, folder: Path) -> Path:
        """Download the pretrained weights of a library ("torchvision", "timm", "pytorchvideo") into a folder, once.

        Raises:
            OsarbenchError: the library has none for this backbone, or they cannot be had; the message says from where
                and where to put them by hand.
        """
        raise OsarbenchError(
            f"The backbone '{self.name}' knows no pretrained weights of '{source}'. Give a file: --weights FILE."
        )

    def auxiliary(self, classes: int) -> nn.Module | None:
        """Return a branch for training, of which the network makes more terms of the loss; None by default.

        It is called with `Features` and labels [N] and returns scalar terms by name, as `Head.loss` does. It is
        trained with the network and not saved with it.
        """
        return None
