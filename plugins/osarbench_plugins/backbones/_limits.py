"""The smallest clips that a 3D network can take, refused with a clear message before a kernel refuses them."""

from torch import Tensor

from osarbench.errors import OsarbenchError

LEAST_SIZE = 32  #: pixels: what the strides of a ResNet make one


def check_clips(clips: Tensor, backbone: str, *, frames: int = 1, multiple: int = 1, size: int = LEAST_SIZE) -> None:
    """Check clips [N, 3, T, H, W].

    Raises:
        OsarbenchError: T is below ``frames`` or no multiple of ``multiple``, or H or W is below ``size`` pixels.
    """
    length, height, width = clips.shape[2:]
    if length < frames or length % multiple:
        wanted = f"{frames} frames or more" if multiple == 1 else f"a number of frames that {multiple} divides"
        raise OsarbenchError(
            f"The backbone '{backbone}' needs clips of {wanted}, not {length}. Change frames in the protocol's [clips]."
        )
    if min(height, width) < size:
        raise OsarbenchError(
            f"The backbone '{backbone}' needs frames of {size} x {size} pixels or more, not "
            f"{height} x {width}. Change size and test_size in the protocol's [clips]."
        )
