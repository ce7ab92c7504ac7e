"""How a frame becomes a record of a pack and a frame again: raw, or as JPEG."""

from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from osarbench.data.stores.packs import Records
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import Frames

#: Of JPEG: 40 dB on clips of 128 pixels, a tenth of the bytes of raw frames.
QUALITY = 90
#: Bytes of a JPEG frame for each of a raw one, about: 0.09 at a short side of 128, less on larger frames.
JPEG_SHARE = 0.1


class Raw:
    """Frames as they are: large, and the fastest to read."""

    def __init__(self, quality: int | None = None) -> None:
        pass

    def encode(self, frame: Frames) -> memoryview:
        """Return the record of a frame, uint8 [H, W, 3]."""
        return np.ascontiguousarray(frame).reshape(-1).data

    def read(self, records: Records, index: int, frame: Frames) -> None:
        """Read a frame into contiguous memory, uint8 [H, W, 3]; raises as `Records.read_into`."""
        records.read_into(index, frame.reshape(-1))


class Jpeg:
    """Frames as JPEG, with the chroma at half the resolution: a tenth of the bytes.

    Args:
        quality: 1 to 100.
    """

    def __init__(self, quality: int | None = None) -> None:
        self.quality = quality or QUALITY
        self._library = _library()

    def encode(self, frame: Frames) -> bytes:
        """Return the record of a frame, uint8 [H, W, 3]."""
        if frame.shape[2] == 2:  # flow: x above y, as one grey picture
            planes = np.ascontiguousarray(frame.transpose(2, 0, 1).reshape(-1, frame.shape[1], 1))
            grey: bytes = self._library.encode_jpeg(planes, quality=self.quality, colorspace="GRAY")
            return grey
        made: bytes = self._library.encode_jpeg(
            np.ascontiguousarray(frame), quality=self.quality, colorspace="RGB", colorsubsampling="420"
        )
        return made

    def read(self, records: Records, index: int, frame: Frames) -> None:
        """Read and decode a frame into memory, uint8 [H, W, 3]; raises as `Records.read_into`."""
        if frame.shape[2] == 2:
            planes = self._library.decode_jpeg(records.read(index), colorspace="GRAY")
            frame[:] = planes.reshape(2, *frame.shape[:2]).transpose(1, 2, 0)
        else:
            frame[:] = decode_jpeg(records.read(index))


def decode_jpeg(data: npt.NDArray[np.uint8] | bytes) -> Frames:
    """Return the picture of a JPEG file in memory as RGB, uint8 [H, W, 3].

    Raises:
        ValueError: it is none.
    """
    decoded: Frames = _library().decode_jpeg(data, colorspace="RGB")
    return decoded


def encoder_version(kind: str) -> str:
    """Return the version of what makes the records of a kind of store; empty where nothing does."""
    return f" simplejpeg {version('simplejpeg')}" if kind == "jpeg" and _library() else ""


def _library() -> Any:
    try:
        import simplejpeg
    except ModuleNotFoundError as error:
        raise OsarbenchError(
            "JPEG frames are read and written by the package simplejpeg, which is not installed: pip install "
            "simplejpeg. Or keep raw frames with --store raw."
        ) from error
    return simplejpeg


CODECS: dict[str, type[Raw] | type[Jpeg]] = {"raw": Raw, "jpeg": Jpeg}
