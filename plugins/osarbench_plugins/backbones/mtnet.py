"""MTNet, networks of multi-temporal convolutions (Stergiou and Poppe, IJCNN 2021, arXiv:2011.03949)."""

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.hookspecs import hookimpl

from ._limits import check_clips
from ._mtconv import MTBlock, by_frame, cosine_pool, halved, layout, resized, split
from ._srtg_files import Colours, Loading, RepositoryBackbone, check_width, draw

LEAST_FRAMES, LEAST_SIZE = 4, 33  #: what the frame selection and the last lateral pooling need


class MTNetwork(RepositoryBackbone):
    """An MTNet of the repository, 16 frames of 256 px; its last maps are those of both paths, at the short one's size.

    Args:
        width: channels of the stem; the features are 8 times as many.
        colours, loading: see `RepositoryBackbone`.

    Raises:
        OsarbenchError: an unknown option or an impossible width.
    """

    layers: ClassVar[Sequence[int]]
    groups: ClassVar[int] = 1

    def __init__(self, *, width: int = 64, colours: Colours = "rgb", loading: Loading = "strict") -> None:
        super().__init__(size=256, colours=colours, loading=loading)
        check_width(self.name, width, 8 * self.groups)
        stem = nn.Conv3d(3, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm3d(width), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)  #: of every frame
        channels = width
        for stage, count in enumerate(self.layers):
            planes, stride = width * 2**stage, 1 if stage == 0 else 2
            blocks = [MTBlock(channels, planes, stride=stride, groups=self.groups, downsample=stride > 1)]
            blocks += [MTBlock(planes, planes, groups=self.groups) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = planes
        self.dim = self.map_dim = channels
        draw(self)

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the last maps [N, D, T / 16, H / 32, W / 32] and both paths' means [N, D].

        Raises:
            OsarbenchError: clips are too short for the frame selection, or too small.
        """
        check_clips(clips, self.name, frames=LEAST_FRAMES, size=LEAST_SIZE)
        maps = self.stem(self.ordered(clips))
        if maps.shape[3] % 2 or maps.shape[4] % 2:
            maps = F.pad(maps, (1, 0, 1, 0, 0, 0), "replicate")  # both sides, where one is odd
        chosen = cosine_pool(by_frame(maps, self.pool))
        parts = torch.split(chosen, list(split(maps.shape[1])), dim=1)
        short, long = (part.contiguous(memory_format=layout(chosen)) for part in parts)
        long = halved(long)
        if long.shape[2] > 2:
            long = cosine_pool(long)
        for stage in range(len(self.layers)):
            short, long = self.get_submodule(f"layer{stage + 1}")((short, long))
        vector = torch.cat([short.mean(dim=(2, 3, 4)), long.mean(dim=(2, 3, 4))], dim=1)
        return Features(vector, torch.cat([short, resized(long, short)], dim=1))


class MTNetXS(MTNetwork):
    """MTNet-XS, of 32 multi-temporal convolutions on two paths (Stergiou and Poppe, IJCNN 2021)."""

    name = "mtnet_xs"
    layers = (2, 2, 2, 2)


class MTNetS(MTNetwork):
    """MTNet-S, of 48 multi-temporal convolutions."""

    name = "mtnet_s"
    layers = (2, 2, 5, 3)


class MTNetM(MTNetwork):
    """MTNet-M, of 64 multi-temporal convolutions."""

    name = "mtnet_m"
    layers = (3, 4, 6, 3)


class MTNetL(MTNetwork):
    """MTNet-L, of 132 multi-temporal convolutions."""

    name = "mtnet_l"
    layers = (3, 4, 23, 3)


class MTNetXL(MTNetwork):
    """MTNet-XL, of 200 multi-temporal convolutions."""

    name = "mtnet_xl"
    layers = (3, 8, 36, 3)


class MTNetXXL(MTNetwork):
    """MTNet-XXL, of 264 multi-temporal convolutions."""

    name = "mtnet_xxl"
    layers = (3, 24, 36, 3)


class MTNetXSG8(MTNetXS):
    """MTNet-XS with convolutions in 8 groups and group norms."""

    name = "mtnet_xs_g8"
    groups = 8


class MTNetSG8(MTNetS):
    """MTNet-S with convolutions in 8 groups and group norms."""

    name = "mtnet_s_g8"
    groups = 8


class MTNetMG8(MTNetM):
    """MTNet-M with convolutions in 8 groups and group norms."""

    name = "mtnet_m_g8"
    groups = 8


class MTNetLG8(MTNetL):
    """MTNet-L with convolutions in 8 groups and group norms."""

    name = "mtnet_l_g8"
    groups = 8


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer mtnet_xs to mtnet_xxl, and four of them in 8 groups."""
    return [MTNetXS, MTNetS, MTNetM, MTNetL, MTNetXL, MTNetXXL, MTNetXSG8, MTNetSG8, MTNetMG8, MTNetLG8]
