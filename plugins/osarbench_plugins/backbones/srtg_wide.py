"""The wider networks of the SRTG repository: no weights or figures were published for them.

Those named after ResNeXt have its widths, but the repository never hands the number of groups to a convolution.
"""

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.hookspecs import hookimpl

from ._srtg_network import PlainNetwork, SRTGNetwork


class R3DXT50(PlainNetwork):
    """R3D-50 with bottlenecks as wide as ResNeXt's 32x4d, and without its groups."""

    name = "r3dxt50_32x4d"


class WideR3D50(PlainNetwork):
    """R3D-50 with bottlenecks twice as wide."""

    name = "wide_r3d50_2"


class R3DXT101(PlainNetwork):
    """R3D-101 with bottlenecks as wide as ResNeXt's 32x8d, and without its groups."""

    name = "r3dxt101_32x8d"


class WideR3D101(PlainNetwork):
    """R3D-101 with bottlenecks twice as wide."""

    name = "wide_r3d101_2"


class R2Plus1DXT50(PlainNetwork):
    """R(2+1)D-50 with bottlenecks as wide as ResNeXt's 32x4d, and without its groups."""

    name = "r2plus1dxt50_32x4d"


class WideR2Plus1D50(PlainNetwork):
    """R(2+1)D-50 with bottlenecks twice as wide."""

    name = "wide_r2plus1d50_2"


class R2Plus1DXT101(PlainNetwork):
    """R(2+1)D-101 with bottlenecks as wide as ResNeXt's 32x8d, and without its groups."""

    name = "r2plus1dxt101_32x8d"


class WideR2Plus1D101(PlainNetwork):
    """R(2+1)D-101 with bottlenecks twice as wide."""

    name = "wide_r2plus1d101_2"


class SRTGR3DXT50(SRTGNetwork):
    """SRTG on R3D-50 with bottlenecks as wide as ResNeXt's 32x4d, and without its groups."""

    name = "srtg_r3dxt50_32x4d"


class SRTGWideR3D50(SRTGNetwork):
    """SRTG on R3D-50 with bottlenecks twice as wide."""

    name = "srtg_wide_r3d50_2"


class SRTGR3DXT101(SRTGNetwork):
    """SRTG on R3D-101 with bottlenecks as wide as ResNeXt's 32x8d, and without its groups."""

    name = "srtg_r3dxt101_32x8d"


class SRTGWideR3D101(SRTGNetwork):
    """SRTG on R3D-101 with bottlenecks twice as wide."""

    name = "srtg_wide_r3d101_2"


class SRTGR2Plus1DXT50(SRTGNetwork):
    """SRTG on R(2+1)D-50 with bottlenecks as wide as ResNeXt's 32x4d, and without its groups."""

    name = "srtg_r2plus1dxt50_32x4d"


class SRTGWideR2Plus1D50(SRTGNetwork):
    """SRTG on R(2+1)D-50 with bottlenecks twice as wide."""

    name = "srtg_wide_r2plus1d50_2"


class SRTGR2Plus1DXT101(SRTGNetwork):
    """SRTG on R(2+1)D-101 with bottlenecks as wide as ResNeXt's 32x8d, and without its groups."""

    name = "srtg_r2plus1dxt101_32x8d"


class SRTGWideR2Plus1D101(SRTGNetwork):
    """SRTG on R(2+1)D-101 with bottlenecks twice as wide."""

    name = "srtg_wide_r2plus1d101_2"


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer the networks of 50 and 101 layers that are wider than the others, with SRTG and without."""
    return [
        R3DXT50,
        WideR3D50,
        R3DXT101,
        WideR3D101,
        R2Plus1DXT50,
        WideR2Plus1D50,
        R2Plus1DXT101,
        WideR2Plus1D101,
        SRTGR3DXT50,
        SRTGWideR3D50,
        SRTGR3DXT101,
        SRTGWideR3D101,
        SRTGR2Plus1DXT50,
        SRTGWideR2Plus1D50,
        SRTGR2Plus1DXT101,
        SRTGWideR2Plus1D101,
    ]
