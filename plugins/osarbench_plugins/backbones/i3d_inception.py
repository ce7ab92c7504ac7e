"""I3D on Inception-v1 (Carreira and Zisserman, CVPR 2017, arXiv:1705.07750), as the Kinetics files in circulation."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint
from ._published import PublishedBackbone, Translated

#: Mixed blocks -> channels of their branches: 1 x 1; 1 x 1 before 3 x 3, 3 x 3; the same again; behind the pooling.
MIXED = {
    "3b": (64, 96, 128, 16, 32, 32), "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64), "4c": (160, 112, 224, 24, 64, 64), "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64), "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128), "5c": (384, 192, 384, 48, 128, 128),
}  # fmt: skip
#: Poolings before a mixed block: kernel and stride.
POOLS = {"3b": ((1, 3, 3), (1, 2, 2)), "4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
#: Pooled videos average pairs of frames first, so that the outer frames count half, as in the published head.
PAIR = 2


class Unit(nn.Module):
    """A convolution with TensorFlow's SAME padding, a batch norm and a ReLU."""

    def __init__(self, channels: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, outputs, kernel, stride=stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=1e-2)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to [N, outputs, T / stride, H / stride, W / stride], rounded up."""
        kernel, stride = self.conv3d.kernel_size[0], self.conv3d.stride[0]
        result: Tensor = self.bn(self.conv3d(same(maps, (kernel,) * 3, (stride,) * 3))).relu_()
        return result


class Mixed(nn.Module):
    """An Inception block: four branches side by side."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.b0 = Unit(channels, widths[0], 1)
        self.b1a, self.b1b = Unit(channels, widths[1], 1), Unit(widths[1], widths[2], 3)
        self.b2a, self.b2b = Unit(channels, widths[3], 1), Unit(widths[3], widths[4], 3)
        self.b3b = Unit(channels, widths[5], 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to as many maps as the four branches have together."""
        pooled = pool(maps, (3, 3, 3), (1, 1, 1))
        return torch.cat([self.b0(maps), self.b1b(self.b1a(maps)), self.b2b(self.b2a(maps)), self.b3b(pooled)], dim=1)


class I3DInception(PublishedBackbone):
    """I3D on Inception-v1: 64 frames of 224 px in [-1, 1]. Parameters have the names of piergiaj/pytorch-i3d."""

    name = "i3d_inception"
    dim = map_dim = 1024

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        channels = 192
        for block, widths in MIXED.items():
            self.add_module(f"Mixed_{block}", Mixed(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        half = (0.5, 0.5, 0.5)
        self.clip = ClipSpec(frames=64, stride=1, train_crop="random", mean=half, std=half)

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to maps [N, 1024, T / 8, H / 32, W / 32], rounded up, and a vector [N, 1024]."""
        maps: Any = pool(self.Conv3d_1a_7x7(clips), (1, 3, 3), (1, 2, 2))
        maps = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(maps))
        for block in MIXED:
            maps = self.get_submodule(f"Mixed_{block}")(pool(maps, *POOLS[block]) if block in POOLS else maps)
        frames = maps.mean(dim=(3, 4))  # [N, 1024, T']
        pairs = frames.unfold(2, min(PAIR, frames.shape[2]), 1).mean(dim=3)
        return Features(pairs.mean(dim=2), maps)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take a file of piergiaj/pytorch-i3d (``rgb_imagenet.pt``), with or without classifier."""
        return Translated(self, checkpoint.state, ("logits.",), with_head=False)


def same(maps: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Return maps padded with zeros as TensorFlow's SAME does: the odd row goes behind, below and right."""
    pads: list[int] = []
    for axis in (2, 1, 0):  # F.pad begins with the last axis
        rest = maps.shape[2 + axis] % stride[axis]
        total = max(kernel[axis] - (rest or stride[axis]), 0)
        pads += [total // 2, total - total // 2]
    return F.pad(maps, pads)


def pool(maps: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Return maps pooled to their maxima, padded as convolutions are (with zeros: maps are never negative)."""
    return F.max_pool3d(same(maps, kernel, stride), kernel, stride)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer i3d_inception."""
    return [I3DInception]
