"""CSN, channel-separated networks (Tran et al., ICCV 2019, arXiv:1904.02811)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._pytorchvideo_hub import HubNetwork, hub_clip


class CSN(HubNetwork):
    """CSN-R101 32x2 (Tran et al., ICCV 2019): depth-wise 3D convolutions, pytorchvideo."""

    name = "csn"
    family = "csn"
    hub_name = "csn_r101"
    dim = map_dim = 2048
    published = hub_clip(32, 2, 256)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer csn."""
    return [CSN]
