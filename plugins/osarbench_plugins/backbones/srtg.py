"""SRTG, squeeze and recursion with temporal gates, and the plain networks it is compared with.

Stergiou and Poppe, Pattern Recognition Letters 2021, arXiv:2006.08247. Every network of the repository is built by its
name; its own command line returns the plain network where an SRTG network is asked for. Two plain names are
torchvision's here, so these end in _pooled.
"""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._srtg_network import PlainNetwork, SRTGNetwork


class R3D18Pooled(PlainNetwork):
    """R3D-18 of the SRTG repository, whose stem pools time too, unlike torchvision's."""

    name = "r3d_18_pooled"


class R3D34(PlainNetwork):
    """R3D-34 of the SRTG repository, whose stem pools time too."""

    name = "r3d_34"


class R3D50(PlainNetwork):
    """R3D-50 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r3d_50"


class R3D101(PlainNetwork):
    """R3D-101 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r3d_101"


class R3D152(PlainNetwork):
    """R3D-152 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r3d_152"


class R3D200(PlainNetwork):
    """R3D-200 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r3d_200"


class R2Plus1D18Pooled(PlainNetwork):
    """R(2+1)D-18 of the SRTG repository, whose stem pools time too, unlike torchvision's."""

    name = "r2plus1d_18_pooled"


class R2Plus1D34(PlainNetwork):
    """R(2+1)D-34 of the SRTG repository, whose stem pools time too."""

    name = "r2plus1d_34"


class R2Plus1D50(PlainNetwork):
    """R(2+1)D-50 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r2plus1d_50"


class R2Plus1D101(PlainNetwork):
    """R(2+1)D-101 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r2plus1d_101"


class R2Plus1D152(PlainNetwork):
    """R(2+1)D-152 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r2plus1d_152"


class R2Plus1D200(PlainNetwork):
    """R(2+1)D-200 of the SRTG repository, whose stem pools time too; bottlenecks that do not widen."""

    name = "r2plus1d_200"


class SRTGR3D18(SRTGNetwork):
    """SRTG on R3D-18: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r3d_18"


class SRTGR3D34(SRTGNetwork):
    """SRTG on R3D-34: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r3d_34"


class SRTGR3D50(SRTGNetwork):
    """SRTG on R3D-50: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r3d_50"


class SRTGR3D101(SRTGNetwork):
    """SRTG on R3D-101: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r3d_101"


class SRTGR3D152(SRTGNetwork):
    """SRTG on R3D-152: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r3d_152"


class SRTGR3D200(SRTGNetwork):
    """SRTG on R3D-200: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r3d_200"


class SRTGR2Plus1D18(SRTGNetwork):
    """SRTG on R(2+1)D-18: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r2plus1d_18"


class SRTGR2Plus1D34(SRTGNetwork):
    """SRTG on R(2+1)D-34: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r2plus1d_34"


class SRTGR2Plus1D50(SRTGNetwork):
    """SRTG on R(2+1)D-50: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r2plus1d_50"


class SRTGR2Plus1D101(SRTGNetwork):
    """SRTG on R(2+1)D-101: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r2plus1d_101"


class SRTGR2Plus1D152(SRTGNetwork):
    """SRTG on R(2+1)D-152: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r2plus1d_152"


class SRTGR2Plus1D200(SRTGNetwork):
    """SRTG on R(2+1)D-200: an LSTM over its frames scales the maps of every block."""

    name = "srtg_r2plus1d_200"


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer r3d_*, r2plus1d_*, srtg_r3d_*, srtg_r2plus1d_*, each of six depths."""
    return [
        R3D18Pooled,
        R3D34,
        R3D50,
        R3D101,
        R3D152,
        R3D200,
        R2Plus1D18Pooled,
        R2Plus1D34,
        R2Plus1D50,
        R2Plus1D101,
        R2Plus1D152,
        R2Plus1D200,
        SRTGR3D18,
        SRTGR3D34,
        SRTGR3D50,
        SRTGR3D101,
        SRTGR3D152,
        SRTGR3D200,
        SRTGR2Plus1D18,
        SRTGR2Plus1D34,
        SRTGR2Plus1D50,
        SRTGR2Plus1D101,
        SRTGR2Plus1D152,
        SRTGR2Plus1D200,
    ]
