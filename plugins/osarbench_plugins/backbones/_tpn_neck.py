"""The temporal pyramid network's neck and its auxiliary classifier (Yang et al., CVPR 2020, arXiv:2004.03548).

After MMAction2 (``models/necks/tpn.py``), for two levels, res4 and res5, as DEAR uses it.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.interfaces.backbone import Features


class TPNNeck(nn.Module):
    """Two levels of maps, brought to one size, mixed in both directions and joined.

    Args:
        channels: C, of the lower level; the upper one has 2C.
        groups: of the grouped convolutions.
        downsampling: frames that are pooled into one.
    """

    def __init__(self, channels: int, *, groups: int = 32, downsampling: int = 8) -> None:
        super().__init__()
        self.downsampling = downsampling
        self.spatial = ConvNorm(channels, 2 * channels, (1, 3, 3), stride=(1, 2, 2))
        self.temporal = nn.ModuleList([_in_time(2 * channels, channels, groups=groups) for _ in range(2)])
        self.bottom_up = _in_time(channels, channels)
        self.fuse1 = LevelFusion(channels, groups)
        self.fuse2 = LevelFusion(channels, groups)
        self.out = ConvNorm(4 * channels, 2 * channels, (1, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Map [N, C, T, 2h, 2w] and [N, 2C, T, h, w] to [N, 2C, T / 8, h, w]."""
        levels = [self.spatial(lower), upper]  # [N, 2C, T, h, w]
        first, second = (
            F.max_pool3d(conv(maps), (self.downsampling, 1, 1), ceil_mode=True)
            for conv, maps in zip(self.temporal, levels, strict=True)
        )  # [N, C, T / 8, h, w]
        first = first + second  # top-down; the second flow takes over its result
        fused = self.fuse1(first, second)
        return self.out(torch.cat([fused, self.fuse2(first, second + self.bottom_up(first))], dim=1))  # type: ignore[no-any-return]


class LevelFusion(nn.Module):
    """A grouped convolution of each level, and one of both together."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList([ConvNorm(channels, channels, (1, 1, 1), groups=groups) for _ in range(2)])
        self.out = ConvNorm(2 * channels, 2 * channels, (1, 1, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Map two levels [N, C, T, h, w] to [N, 2C, T, h, w]."""
        joined: Tensor = self.out(torch.cat([self.levels[0](first), self.levels[1](second)], dim=1))
        return joined


class AuxiliaryHead(nn.Module):
    """A classifier on the lower level that only training needs: its cross-entropy is half of a term of the loss."""

    def __init__(self, channels: int, classes: int, *, dropout: float = 0.5, weight: float = 0.5) -> None:
        super().__init__()
        self.weight = weight
        self.conv = ConvNorm(channels, 2 * channels, (1, 3, 3), stride=(1, 2, 2))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2 * channels, classes)
        nn.init.xavier_uniform_(self.conv.conv.weight)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, features: Features, labels: Tensor) -> Mapping[str, Tensor]:
        """Return the term ``loss_aux`` for the maps [N, C, T, h, w] of the features and the labels [N]."""
        logits = self.fc(self.dropout(self.conv(features.maps).mean(dim=(2, 3, 4))))
        return {"loss_aux": self.weight * F.cross_entropy(logits.float(), labels)}


class ConvNorm(nn.Module):
    """A convolution padded to keep its input's size, batch norm and ReLU."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        kernel: tuple[int, int, int],
        *,
        stride: tuple[int, int, int] = (1, 1, 1),
        groups: int = 1,
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(channels, outputs, kernel, stride=stride, padding=padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, channels, T, H, W] to [N, outputs, T', H', W']."""
        result: Tensor = self.bn(self.conv(maps)).relu_()
        return result


def _in_time(channels: int, outputs: int, *, groups: int = 1) -> nn.Conv3d:
    """Return a convolution over three frames, without norm or activation."""
    return nn.Conv3d(channels, outputs, (3, 1, 1), padding=(1, 0, 0), groups=groups, bias=False)
