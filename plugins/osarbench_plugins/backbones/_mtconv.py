"""Multi-temporal convolutions (Stergiou and Poppe, IJCNN 2021, arXiv:2011.03949), as their repository has them.

A short path has all frames and 7 of 8 channels, a long path the frames most like their neighbours, at half the size.
Both are handed on as a pair of maps. Parameters have the names of the repository's files.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._recursion import LAYERS, recur, scale

RATE = 0.875  #: share of the short path's channels
Triple = tuple[int, int, int]
Paths = tuple[Tensor, Tensor]  #: maps of the short path, [N, C, T, H, W], and of the long one, [N, C', T', H', W']


def cosine_pool(maps: Tensor) -> Tensor:
    """Return the floor(T / 2) frames that are most like both neighbours, in their order, of maps [N, C, T, H, W].

    Likeness is the squared cosine of neighbours' spatial means, averaged over both sides, so that neither the first
    nor the last frame is kept: T is at least 3.
    """
    frames = maps.mean(dim=(3, 4))  # [N, C, T]
    cosines = F.cosine_similarity(frames[..., :-1], frames[..., 1:], dim=1, eps=1e-4).square()  # [N, T - 1]
    likeness = (cosines[:, :-1] + cosines[:, 1:]) / 2  # of frames 1 to T - 2
    kept = likeness.topk(maps.shape[2] // 2, dim=1).indices.sort(dim=1).values + 1
    clips = torch.arange(len(maps), device=maps.device)[:, None]
    return maps.transpose(1, 2)[clips, kept].transpose(1, 2).contiguous(memory_format=layout(maps))


def halved(maps: Tensor) -> Tensor:
    """Return maps [N, C, T, H, W] averaged over squares of 2 x 2 pixels, an odd row or column left out."""
    return by_frame(maps, lambda images: F.avg_pool2d(images, 2))


def by_frame(maps: Tensor, pool: Callable[[Tensor], Tensor]) -> Tensor:
    """Return maps [N, C, T, H, W] whose frames were pooled as images [M, C, H, W], each channel by itself.

    Pooling in three dimensions has no channels-last kernel: it would copy, and each convolution behind it copy back.
    """
    if layout(maps) is torch.channels_last_3d:
        images = pool(maps.transpose(1, 2).flatten(0, 1))
        return images.view(len(maps), maps.shape[2], *images.shape[1:]).transpose(1, 2)
    images = pool(maps.flatten(1, 2))
    return images.view(*maps.shape[:3], *images.shape[2:])


def layout(maps: Tensor) -> torch.memory_format:
    """Return whether maps [N, C, T, H, W] lie channels-last or as their shape says.

    A part of their channels or frames lies neither way until it is copied.
    """
    last = maps.is_contiguous(memory_format=torch.channels_last_3d)
    return torch.channels_last_3d if last else torch.contiguous_format


def split(channels: int, groups: int = 1, rate: float = RATE) -> tuple[int, int]:
    """Return how many of the channels are the short and the long path's."""
    short_groups = grouped(groups, rate)[0]
    short = int(channels * rate) // short_groups * short_groups
    return short, channels - short


def grouped(groups: int, rate: float = RATE) -> tuple[int, int]:
    """Return how many of the groups are the short and the long path's, one at least each."""
    short = max(math.floor(groups * rate), 1)
    return short, max(groups - short, 1)


class MTConv(nn.Module):
    """A convolution on each path, each with a norm, and what the short path found added to the long one.

    Args:
        channels: of both inputs together.
        out: of both outputs together.
        kernel: in time, height and width.
        stride: in all three.
        padding: in time, height and width.
        groups: above 1, convolutions are grouped, and norms are group norms in the place of batch norms.
        lateral: whether the short path is added to the long one.
        rate: share of the short path's channels.
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: Triple = (1, 1, 1),
        *,
        stride: int = 1,
        padding: Triple = (0, 0, 0),
        groups: int = 1,
        lateral: bool = True,
        rate: float = RATE,
    ) -> None:
        super().__init__()
        (short, long), (out_short, out_long) = split(channels, groups, rate), split(out, 1, rate)
        of_short, of_long = grouped(groups, rate)
        self.conv_short = nn.Conv3d(short, out_short, kernel, stride, padding, groups=of_short, bias=False)
        self.conv_long = nn.Conv3d(long, out_long, kernel, stride, padding, groups=of_long, bias=False)
        self.conv_short2long = nn.Conv3d(out_short, out_long, 1, bias=False) if lateral else None
        self.norm_short: nn.Module = _norm(groups, of_short, out_short)
        self.norm_long: nn.Module = _norm(groups, of_long, out_long)

    def forward(self, paths: Paths) -> Paths:
        """Map both paths; the long one's norm serves what comes from the short one as well."""
        short, long = self.conv_short(paths[0]), self.conv_long(paths[1])
        normed: Tensor = self.norm_long(long)
        if self.conv_short2long is not None:
            across = halved(short)
            if across.shape[2] > 2:
                across = cosine_pool(across)
            normed = normed + self.norm_long(self.conv_short2long(resized(across, long)))
        return self.norm_short(short), normed


class Recursion(nn.Module):
    """Maps whose channels are scaled, frame by frame, by what a GRU makes of all frames' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.GRU(channels, channels, num_layers=LAYERS)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to the same shape."""
        return scale(maps, recur(maps, self.op)[1])


class MTBlock(nn.Module):
    """Four multi-temporal convolutions and a recursion on each path, around a shortcut.

    Args:
        channels: of both inputs together.
        planes: of both outputs together.
        stride: in time and space.
        groups: of the third and fourth convolution, which are as many times narrower.
        downsample: whether the shortcut has a convolution; where it has, the fourth convolution is 1 x 1 x 1.
        rate: share of the short path's channels.
    """

    def __init__(
        self, channels: int, planes: int, *, stride: int = 1, groups: int = 1, downsample: bool = False,
        rate: float = RATE,
    ) -> None:  # fmt: skip
        super().__init__()
        width = planes // groups
        self.conv1_1 = MTConv(channels, width, rate=rate)
        self.conv1_2 = MTConv(width, channels, rate=rate)
        self.conv2 = MTConv(channels, width, (3, 3, 3), stride=stride, padding=(1, 1, 1), groups=groups, rate=rate)
        if downsample:
            self.conv3 = MTConv(width, planes, groups=groups, rate=rate)
        else:
            self.conv3 = MTConv(width, planes, (1, 3, 3), padding=(0, 1, 1), groups=groups, rate=rate)
        self.downsample = MTConv(channels, planes, stride=stride, lateral=False, rate=rate) if downsample else None
        self.sr_short, self.sr_long = Recursion(int(planes * rate)), Recursion(int(planes * (1 - rate)))

    def forward(self, paths: Paths) -> Paths:
        """Map both paths, [N, C, T, H, W], to T / stride, H / stride, W / stride, rounded up."""
        inner = paths
        for layer in (self.conv1_1, self.conv1_2, self.conv2):
            short, long = layer(inner)
            inner = short.relu_(), long.relu_()
        short, long = self.conv3(inner)
        shortcut = paths
        if self.downsample is not None:
            if paths[1].shape[3] < 3:
                shortcut = paths[0], _interpolated(paths[1], (paths[1].shape[2], 3, 3))
            shortcut = self.downsample(shortcut)
        short = self.sr_short(short) + resized(shortcut[0], short)
        long = self.sr_long(long) + resized(shortcut[1], long)
        return short.relu_(), long.relu_()


def resized(maps: Tensor, other: Tensor) -> Tensor:
    """Return maps in the size of others, interpolated over time and space where it is another."""
    size = (other.shape[2], other.shape[3], other.shape[4])
    return maps if maps.shape[2:] == size else _interpolated(maps, size)


def _interpolated(maps: Tensor, size: Triple) -> Tensor:
    return F.interpolate(maps, size=size, mode="trilinear")


def _norm(groups: int, own: int, channels: int) -> nn.Module:
    return nn.GroupNorm(own, channels) if groups > 1 else nn.BatchNorm3d(channels)
