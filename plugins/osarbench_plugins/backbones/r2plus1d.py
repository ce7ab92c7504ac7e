"""R(2+1)D on ResNet-50 (Tran et al., CVPR 2018, arXiv:1711.11248)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._pytorchvideo_hub import HubNetwork, hub_clip


class R2Plus1D(HubNetwork):
    """R(2+1)D-R50 16x4 (Tran et al., CVPR 2018): every 3D convolution split into space and time, pytorchvideo."""

    name = "r2plus1d"
    family = "r2plus1d"
    hub_name = "r2plus1d_r50"
    dim = map_dim = 2048
    published = hub_clip(16, 4, 256)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer r2plus1d."""
    return [R2Plus1D]
