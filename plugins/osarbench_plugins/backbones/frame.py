"""Single frames through an image network: how much of a benchmark is solved without seeing any motion."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._images import ImageBackbone, ImageTrunk, as_rgb, frames_as_images


class Frame(ImageBackbone):
    """An image network of torchvision or timm on single frames: trained on one random frame, tested on 25 (averaged).

    With more than one frame in a clip, their features are averaged.

    Args:
        trunk: a classification network of torchvision ("resnet50") or "timm:NAME" of timm, convolutional or ViT.
        trunk_options: keyword arguments of its factory.

    Raises:
        OsarbenchError: there is no such network, or it gives neither maps nor tokens.
    """

    name = "frame"

    def __init__(self, *, trunk: str = "resnet50", trunk_options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.trunk = ImageTrunk(trunk, trunk_options or {})
        self.dim, self.map_dim = self.trunk.dim, self.trunk.map_dim
        self.clip = ClipSpec(frames=1, test_clips=25, mean=as_rgb(self.trunk.mean), std=as_rgb(self.trunk.std))

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to their frames' mean vector [N, D] and maps [N, C, T, h, w]."""
        vectors, maps = self.trunk(frames_as_images(clips))  # [N * T, D], [N * T, C, h, w]
        count, frames = clips.shape[0], clips.shape[2]
        stacked = maps.view(count, frames, *maps.shape[1:]).transpose(1, 2)  # [N, C, T, h, w]
        return Features(vectors.view(count, frames, -1).mean(dim=1), stacked)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer frame."""
    return [Frame]
