"""Multiscale vision transformers (Fan et al., ICCV 2021, arXiv:2104.11227; Li et al., CVPR 2022, arXiv:2112.01526)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._torchvision_video import MultiscaleViT


class MViTV1B(MultiscaleViT):
    """MViT-B 16x4 (Fan et al., ICCV 2021): a transformer that pools space as it goes, torchvision."""

    name = "mvit_v1_b"


class MViTV2S(MultiscaleViT):
    """MViTv2-S 16x4 (Li et al., CVPR 2022): MViT with relative positions, torchvision."""

    name = "mvit_v2_s"


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer mvit_v1_b, mvit_v2_s."""
    return [MViTV1B, MViTV2S]
