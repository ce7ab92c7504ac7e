"""A store of noise, to learn how fast frames of a kind are read before there are any."""

import numpy as np

from osarbench.data.stores.base import Entry, Indices, ListedStore, Recipe, Source
from osarbench.data.stores.codecs import Jpeg, decode_jpeg
from osarbench.data.stores.estimate import Estimate
from osarbench.interfaces.frame_store import Frames

VIDEOS, FRAMES = 8, 32  # of a trial


class Noise(ListedStore):
    """Videos of 4 : 3, all alike: smooth pictures, which a JPEG library decodes about as fast as those of videos.

    Args:
        kind: of store that is tried.
        short_side: pixels.
        frames: of a video, where each is decoded from its start.
        seconds: to decode a frame of a video file.
    """

    def __init__(self, kind: str, short_side: int, frames: int, seconds: float) -> None:
        width = short_side * 4 // 3
        entry = Entry(max(1, frames), 0, short_side, width)
        super().__init__(
            (Source("noise", ""),) * VIDEOS, (entry,) * VIDEOS, ("",) * VIDEOS, Recipe(kind, short_side, None, None, "")
        )
        ramp = np.linspace(0, 200, short_side * width * 3).reshape(short_side, width, 3)
        noise = np.random.default_rng(0).integers(0, 40, (short_side, width, 3))
        self._frame = (ramp + noise).astype(np.uint8)
        self._jpeg = Jpeg().encode(self._frame) if kind == "jpeg" else b""
        self._seconds = seconds if kind == "none" else 0.0

    def frames(self, video: int, indices: Indices) -> Frames:
        """Return frames, uint8 [T, H, W, 3], in the time that it takes to read them."""
        import time

        if self._seconds:
            time.sleep(min(0.1, self._seconds * (1 + int(max(indices)))))
        if self._jpeg:
            return np.stack([decode_jpeg(self._jpeg) for _ in indices])
        return np.stack([self._frame for _ in indices])


def of_noise(kind: str, short_side: int, guess: Estimate | None) -> Noise:
    """Return a store of noise, as long as the videos are.

    Args:
        kind: of store that is tried.
        short_side: pixels.
        guess: what is known of the videos.
    """
    frames = int(guess.frames / max(guess.videos, 1)) if guess else FRAMES
    return Noise(kind, short_side, frames or FRAMES, guess.seconds / guess.frames if guess and guess.frames else 0.0)
