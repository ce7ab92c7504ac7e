"""The three 18-layer residual networks of Tran et al. (CVPR 2018, arXiv:1711.11248), by torchvision."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._torchvision_video import VideoResNet


class R3D18(VideoResNet):
    """R3D-18: 3D convolutions throughout (Tran et al., CVPR 2018), torchvision, 16 frames of 112 px."""

    name = "r3d_18"


class MC318(VideoResNet):
    """MC3-18: 3D convolutions in the first two stages, 2D after (Tran et al., CVPR 2018), torchvision."""

    name = "mc3_18"


class R2Plus1D18(VideoResNet):
    """R(2+1)D-18: every convolution split into space and time (Tran et al., CVPR 2018), torchvision."""

    name = "r2plus1d_18"


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer r3d_18, mc3_18, r2plus1d_18."""
    return [R3D18, MC318, R2Plus1D18]
