"""TSN, temporal segment networks (Wang et al., ECCV 2016, arXiv:1608.00859)."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._images import ImageBackbone, ImageTrunk, as_rgb, frames_as_images, widen_first_convolution

DIFFERENCES = 5  #: of neighbouring frames in a snippet of "rgbdiff"


class TSN(ImageBackbone):
    """A 2D network on one snippet of each of K segments, averaged; snippets are a frame or its differences to the next.

    Classifying each snippet and averaging the scores is, for a linear classifier, the same as averaging features,
    which is done here. Published recipes train with K = 3 for RGB and 7 for differences and test on 25 snippets of ten
    crops: ``test_segments = 1``, ``test_clips = 25`` and ``test_crops = 10`` in a protocol's clips. Their parameter
    groups are ``bias_rate = 2.0`` and ``decay_norms_and_biases = false`` in its training. Optical flow is not offered:
    it needs images that no video file holds.

    Args:
        trunk: a classification network of torchvision ("resnet50") or "timm:NAME" of timm.
        trunk_options: keyword arguments of its factory.
        segments: K, snippets of a clip; None: 3 for "rgb", 7 for "rgbdiff".
        modality: "rgb", or "rgbdiff": five differences of six neighbouring frames, 15 channels. The first convolution
            then starts from its colours' mean, also when weights are loaded.
        difference_scale: divides the differences of pixels in [0, 1]; 1 as in the published training, 0.452 as the
            published test script declares.
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
        modality: Literal["rgb", "rgbdiff"] = "rgb",
        difference_scale: float = 1.0,
        partial_bn: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = ImageTrunk(trunk, trunk_options or {})
        self.dim, self.map_dim = self.trunk.dim, self.trunk.map_dim
        self.modality, self.difference_scale, self.partial_bn = modality, difference_scale, partial_bn
        differs = modality == "rgbdiff"
        if differs:
            widen_first_convolution(self.trunk.network, 3 * DIFFERENCES)
        for norm in self._fixed_norms():
            norm.requires_grad_(False)
        self.clip = ClipSpec(
            segments=segments or (7 if differs else 3),
            frames=DIFFERENCES + 1 if differs else 1,
            train_crop="multi_scale",
            crop_scales=(1.0, 0.875, 0.75) if differs else (1.0, 0.875, 0.75, 0.66),
            test_clips=10,
            mean=(0.0, 0.0, 0.0) if differs else as_rgb(self.trunk.mean),
            std=(1.0, 1.0, 1.0) if differs else as_rgb(self.trunk.std),
        )

    def train(self, mode: bool = True) -> "TSN":
        """Set the mode; with ``partial_bn`` all batch norms but the first stay in evaluation mode."""
        super().train(mode)
        for norm in self._fixed_norms():
            norm.eval()
        return self

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, K * L, H, W] to the mean vector of their K snippets [N, D] and maps [N, C, K, h, w]."""
        images = frames_as_images(clips) if self.modality == "rgb" else self._differences(clips)
        vectors, maps = self.trunk(images)  # [N * K, D], [N * K, C, h, w]
        count = clips.shape[0]
        stacked = maps.view(count, -1, *maps.shape[1:]).transpose(1, 2)  # [N, C, K, h, w]
        return Features(vectors.view(count, -1, self.dim).mean(dim=1), stacked)

    def _differences(self, clips: Tensor) -> Tensor:
        """Return [N * K, 15, H, W]: differences of neighbouring frames, the earliest three channels first."""
        height, width = clips.shape[3:]
        frames = clips.transpose(1, 2).reshape(-1, DIFFERENCES + 1, 3, height, width)  # [N * K, L + 1, 3, H, W]
        differences = (frames[:, 1:] - frames[:, :-1]) / self.difference_scale
        return differences.flatten(1, 2)

    def _fixed_norms(self) -> list[nn.Module]:
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        return list(norms[1:]) if self.partial_bn else []


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer tsn."""
    return [TSN]
