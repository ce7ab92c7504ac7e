"""TSN, temporal segment networks (Wang et al., ECCV 2016, arXiv:1608.00859)."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.modality import Modality

from ..modalities.flow import Flow, WarpedFlow
from ..modalities.rgbdiff import RgbDifference
from ._images import ImageBackbone, ImageTrunk, as_rgb, frames_as_images, widen_first_convolution

Fed = Literal["rgb", "rgbdiff", "flow", "warped_flow"]
MODALITIES: dict[str, type[Modality]] = {each.name: each for each in (RgbDifference, Flow, WarpedFlow)}
SEGMENTS = {"rgb": 3, "rgbdiff": 7, "flow": 3, "warped_flow": 3}  #: of the published recipes


class TSN(ImageBackbone):
    """A 2D network on one snippet of each of K segments, averaged; a snippet is a frame, or a stack of what is fed.

    Classifying each snippet and averaging the scores is, for a linear classifier, the same as averaging features,
    which is done here. Published recipes test on 25 snippets of ten crops: ``test_segments = 1``, ``test_clips = 25``
    and ``test_crops = 10`` in a protocol's clips. Their parameter groups are ``bias_lr_multiplier = 2.0`` and
    ``decay_norms_and_biases = false`` in its training; of flow also ``lr_multipliers`` of 5 and 10 for weight and bias
    of the first convolution.

    Args:
        trunk: a classification network of torchvision ("resnet50") or "timm:NAME" of timm.
        trunk_options: keyword arguments of its factory.
        segments: K, snippets of a clip; None: 3, of "rgbdiff" 7.
        modality: what is fed. But for "rgb", the first convolution has more inputs, and starts from its colours' mean,
            also when weights are loaded.
        difference_scale: divides the differences of pixels in [0, 1] of "rgbdiff"; 1 as in the published training,
            0.452 as the published test script declares.
        partial_bn: keep every batch norm but the first as it was loaded, its statistics and its parameters.

    Raises:
        OsarbenchError: there is no such network.
    """

    name = "tsn"

    def __init__(
        self,
        *,
        trunk: str = "resnet50",
        trunk_options: Mapping[str, Any] | None = None,
        segments: int | None = None,
        modality: Fed = "rgb",
        difference_scale: float = 1.0,
        partial_bn: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = ImageTrunk(trunk, trunk_options or {})
        self.dim, self.map_dim = self.trunk.dim, self.trunk.map_dim
        self.modality, self.partial_bn = modality, partial_bn
        normalised: dict[str, Any] = {"mean": as_rgb(self.trunk.mean), "std": as_rgb(self.trunk.std)}
        if modality != "rgb":
            fed = MODALITIES[modality]()
            widen_first_convolution(self.trunk.network, fed.inputs)
            scale = difference_scale if modality == "rgbdiff" else 1.0
            normalised = {"mean": fed.mean, "std": tuple(scale * value for value in fed.std)}
            normalised |= {"crop_scales": fed.crop_scales}
        for norm in self._fixed_norms():
            norm.requires_grad_(False)
        self.clip = ClipSpec(
            segments=segments or SEGMENTS[modality], frames=1, sampling="tsn", train_crop="multi_scale", test_clips=10,
            modality=modality, **normalised,
        )  # fmt: skip

    def train(self, mode: bool = True) -> "TSN":
        """Set the mode; with ``partial_bn`` all batch norms but the first stay in evaluation mode."""
        super().train(mode)
        for norm in self._fixed_norms():
            norm.eval()
        return self

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, C', K, H, W] to the mean vector of their K snippets [N, D] and maps [N, C, K, h, w]."""
        vectors, maps = self.trunk(frames_as_images(clips))  # [N * K, D], [N * K, C, h, w]
        count = clips.shape[0]
        stacked = maps.view(count, -1, *maps.shape[1:]).transpose(1, 2)  # [N, C, K, h, w]
        return Features(vectors.view(count, -1, self.dim).mean(dim=1), stacked)

    def _fixed_norms(self) -> list[nn.Module]:
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        return list(norms[1:]) if self.partial_bn else []


class TSNFlow(TSN):
    """TSN on optical flow: stacks of five frames, ten channels; under a name of its own, for a recipe of its own.

    Args:
        modality: "flow" or "warped_flow".
        settings: of `TSN`.
    """

    name = "tsn_flow"

    def __init__(
        self,
        *,
        trunk: str = "resnet50",
        trunk_options: Mapping[str, Any] | None = None,
        segments: int | None = None,
        modality: Literal["flow", "warped_flow"] = "flow",
        partial_bn: bool = True,
    ) -> None:
        super().__init__(
            trunk=trunk, trunk_options=trunk_options, segments=segments, modality=modality, partial_bn=partial_bn
        )


class TSNDifference(TSN):
    """TSN on differences of RGB frames, fifteen channels; under a name of its own, for a recipe of its own."""

    name = "tsn_rgbdiff"

    def __init__(
        self,
        *,
        trunk: str = "resnet50",
        trunk_options: Mapping[str, Any] | None = None,
        segments: int | None = None,
        difference_scale: float = 1.0,
        partial_bn: bool = True,
    ) -> None:
        super().__init__(
            trunk=trunk, trunk_options=trunk_options, segments=segments, modality="rgbdiff",
            difference_scale=difference_scale, partial_bn=partial_bn,
        )  # fmt: skip


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer tsn, and the same under names of their own for flow and differences."""
    return [TSN, TSNFlow, TSNDifference]
