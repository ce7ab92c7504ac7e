"""Video Swin Transformers (Liu et al., CVPR 2022, arXiv:2106.13230), by torchvision."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._torchvision_video import Swin3d


class Swin3dT(Swin3d):
    """Video Swin-T (Liu et al., CVPR 2022): attention in shifted windows, torchvision, 32 frames of 224 px."""

    name = "swin3d_t"


class Swin3dS(Swin3d):
    """Video Swin-S (Liu et al., CVPR 2022), torchvision."""

    name = "swin3d_s"


class Swin3dB(Swin3d):
    """Video Swin-B (Liu et al., CVPR 2022), torchvision; 1024 features."""

    name = "swin3d_b"
    dim = 1024


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer swin3d_t, swin3d_s, swin3d_b."""
    return [Swin3dT, Swin3dS, Swin3dB]
