"""The backbone interface: a clip to a feature vector and maps, and the clip it wants."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec


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
    refusal: str | None = None  #: why the backbone does not take it; None: it does, if no key is mismatched
    missing: Sequence[str] = ()  #: keys the backbone wants and the file lacks
    unexpected: Sequence[str] = ()  #: keys the file has and the backbone does not
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
    #: What to cite, as entries of BibTeX with a field a line: `osarbench cite`. Empty: nothing.
    bibtex: ClassVar[str] = ""
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

    def diagnostics(self) -> Mapping[str, Tensor]:
        """Return what the last forward pass says of each of its N clips, a real [N] by name; the default has nothing.

        Means by class are kept next to a scores table (``diagnostics.json``), and the first few names shown in reports.
        """
        return {}

    def auxiliary(self, classes: int) -> nn.Module | None:
        """Return a branch for training, of which the network makes more terms of the loss; None by default.

        It is called with `Features` and labels [N] and returns scalar terms by name, as `Head.loss` does. It is
        trained with the network and not saved with it.
        """
        return None
