"""X3D, expanded small networks (Feichtenhofer, CVPR 2020, arXiv:2004.04730)."""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._pytorchvideo_hub import HubX3D, hub_clip


class X3DXS(HubX3D):
    """X3D-XS 4x12 (Feichtenhofer, CVPR 2020): the smallest of the family, 182 px, pytorchvideo."""

    name = "x3d_xs"
    hub_name = "x3d_xs"
    published = hub_clip(4, 12, 182)


class X3DS(HubX3D):
    """X3D-S 13x6 (Feichtenhofer, CVPR 2020), 182 px, pytorchvideo."""

    name = "x3d_s"
    hub_name = "x3d_s"
    published = hub_clip(13, 6, 182)


class X3DM(HubX3D):
    """X3D-M 16x5 (Feichtenhofer, CVPR 2020), 256 px, pytorchvideo."""

    name = "x3d_m"
    hub_name = "x3d_m"
    published = hub_clip(16, 5, 256)


class X3DL(HubX3D):
    """X3D-L 16x5 (Feichtenhofer, CVPR 2020): deeper, 356 px, pytorchvideo."""

    name = "x3d_l"
    hub_name = "x3d_l"
    published = hub_clip(16, 5, 356)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer x3d_xs, x3d_s, x3d_m, x3d_l."""
    return [X3DXS, X3DS, X3DM, X3DL]
