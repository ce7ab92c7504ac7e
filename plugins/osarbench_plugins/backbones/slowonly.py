"""SlowOnly, the slow pathway of SlowFast alone (Feichtenhofer et al., ICCV 2019, arXiv:1812.03982)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._pytorchvideo_hub import HubNetwork, hub_clip


class SlowOnly(HubNetwork):
    """SlowOnly-R50 8x8 (Feichtenhofer et al., ICCV 2019): time is convolved in the last two stages, pytorchvideo."""

    name = "slowonly"
    family = "resnet"
    hub_name = "slow_r50"
    dim = map_dim = 2048
    published = hub_clip(8, 8, 256)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer slowonly."""
    return [SlowOnly]
