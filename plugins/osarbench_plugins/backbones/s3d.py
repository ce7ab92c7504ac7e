"""S3D, the separable 3D Inception (Xie et al., ECCV 2018, arXiv:1712.04851), by torchvision."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._torchvision_video import SeparableInception


class S3D(SeparableInception):
    """S3D (Xie et al., ECCV 2018): Inception with separable space and time, torchvision, 128 frames of 224 px."""

    name = "s3d"


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer s3d."""
    return [S3D]
