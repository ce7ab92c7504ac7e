"""MViT-B of pytorchvideo (Fan et al., ICCV 2021, arXiv:2104.11227)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._pytorchvideo_hub import HubMViT, hub_clip


class MViTBase16x4(HubMViT):
    """MViT-B 16x4 (Fan et al., ICCV 2021): a transformer that pools space as it goes, pytorchvideo."""

    name = "mvit_base_16x4"
    hub_name = "mvit_base_16x4"
    published = hub_clip(16, 4, 224)


class MViTBase32x3(HubMViT):
    """MViT-B 32x3 (Fan et al., ICCV 2021), pytorchvideo."""

    name = "mvit_base_32x3"
    hub_name = "mvit_base_32x3"
    published = hub_clip(32, 3, 224)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer mvit_base_16x4, mvit_base_32x3."""
    return [MViTBase16x4, MViTBase32x3]
