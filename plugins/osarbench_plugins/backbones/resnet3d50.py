"""3D ResNet-50 (Hara et al., CVPR 2018, arXiv:1711.09577), whose Kinetics weights many course projects start from."""

from typing import Literal

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint
from ._published import PublishedBackbone, Translated

STAGES = {1: (3, 64, 1), 2: (4, 128, 2), 3: (6, 256, 2), 4: (3, 512, 2)}  #: blocks, width, stride in time and space


class Bottleneck(nn.Module):
    """1 x 1 x 1, 3 x 3 x 3 with the stride, 1 x 1 x 1, each with a batch norm, around a shortcut."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * self.expansion
        self.conv1 = nn.Conv3d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv3d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm3d(out))

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to [N, 4 width, T / stride, H / stride, W / stride]."""
        shortcut = maps if self.downsample is None else self.downsample(maps)
        inner = self.relu(self.bn1(self.conv1(maps)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        result: Tensor = self.relu(self.bn3(self.conv3(inner)) + shortcut)
        return result


class ResNet3d50(PublishedBackbone):
    """3D ResNet-50 (Hara et al., CVPR 2018), 16 frames of 224 px; optionally with one block in its last stage.

    Strides act on time too: 16 frames become one. The published network takes 112 px; at 224 px its Kinetics weights
    serve as well. Parameters have the names of the released files.

    Args:
        last_stage: "full", or "first_block": of layer4 only layer4[0] is applied, which halves its cost. A widely
            copied course study does so to save memory; the other two blocks then have no weights here.
        width: channels after the first convolution, a multiple of 8; with other than 64 it has no released weights.

    Raises:
        OsarbenchError: the width is no multiple of 8.
    """

    name = "resnet3d50"

    def __init__(self, *, last_stage: Literal["full", "first_block"] = "full", width: int = 64) -> None:
        super().__init__()
        if width < 8 or width % 8:
            raise OsarbenchError(f"resnet3d50: width = {width} is wrong: it is a multiple of 8.")
        self.dim = self.map_dim = 32 * width
        self.conv1 = nn.Conv3d(3, width, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        channels = width
        for stage, (blocks, of_64, stride) in STAGES.items():
            count = 1 if stage == 4 and last_stage == "first_block" else blocks
            inner = of_64 * width // 64
            layers = [Bottleneck(channels, inner, stride)]
            channels = inner * Bottleneck.expansion
            layers += [Bottleneck(channels, inner, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.last_stage = last_stage
        self.clip = ClipSpec(
            frames=16, stride=1, test_clips=10, mean=(0.433, 0.4045, 0.3776), std=(0.15199, 0.14856, 0.15698)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to maps [N, 2048, T / 16, H / 32, W / 32], rounded up, and their mean [N, 2048]."""
        maps: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(clips))))
        for stage in STAGES:
            maps = self.get_submodule(f"layer{stage}")(maps)
        return Features(maps.mean(dim=(2, 3, 4)), maps)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take a released file (kenshohara/3D-ResNets-PyTorch), with or without classifier."""
        left_out = ("layer4.1.", "layer4.2.") if self.last_stage == "first_block" else ()
        state = {key: value for key, value in checkpoint.state.items() if not key.startswith(left_out)}
        return Translated(self, state, ("fc.",), with_head=False)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer resnet3d50."""
    return [ResNet3d50]
