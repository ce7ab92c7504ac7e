"""C2D, a 2D ResNet on clips (Wang et al., CVPR 2018, arXiv:1711.07971)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._pytorchvideo_hub import HubNetwork, hub_clip


class C2D(HubNetwork):
    """C2D-R50 8x8 (Wang et al., CVPR 2018): a 2D ResNet whose only look at time is a pooling, pytorchvideo."""

    name = "c2d"
    family = "resnet"
    hub_name = "c2d_r50"
    dim = map_dim = 2048
    published = hub_clip(8, 8, 256)
    classifier = "blocks.6.proj."


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer c2d."""
    return [C2D]
