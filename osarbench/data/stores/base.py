"""What all stores share: the videos they are asked for, what is known of each, and how frames are made from them."""

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.interfaces.frame_store import Frames, FrameStore

FORMAT = 4  # raise it when the same video would give other frames, or packs are written in another way

Indices = npt.NDArray[np.int64]


class Source(NamedTuple):
    """One video that frames are wanted of."""

    id: str  #: data set, split and video
    path: str  #: a file, or what `osarbench.data.stores.readers` reads
    start: float | None = None  #: seconds
    end: float | None = None


class Entry(NamedTuple):
    """What is known of one video."""

    length: int  #: frames that may be sampled; 0 where the video is unreadable
    first: int  #: index in the file of the first of them
    height: int
    width: int
    reason: str | None = None  #: why the video is unreadable
    offset: int = 0  #: bytes into the pack of its first record
    bytes: int = 0  #: of its records in the pack, their table left out
    table: int = 0  #: bytes into the pack of the table of its records
    checksum: str = ""  #: of the table

    @property
    def in_one_piece(self) -> bool:
        """Whether its records follow one another; those of pieces of one recording may alternate."""
        return self.table == self.offset + self.bytes


class Recipe(NamedTuple):
    """How frames are made from videos; two stores of one recipe hold the same frames of the same video."""

    kind: str  #: raw, jpeg, or none: frames are only counted
    short_side: int  #: pixels
    middle: int | None  #: only so many frames around the middle
    quality: int | None  #: of JPEG
    versions: str  #: of decoder and encoder
    channels: int = 3  #: of a frame: 2 of optical flow

    @property
    def folder(self) -> str:
        """The name of the store's folder."""
        return f"{self.kind}-{self.short_side}-{_sha256([FORMAT, *self[:5], *self._other])[:8]}"

    def key(self, content: str, source: Source) -> str:
        """Return what names a video in a store of this recipe: its content and its seconds, wherever it is."""
        return _sha256([content, source.start, source.end])[:32]

    def digest(self, content: str, source: Source) -> str:
        """Return the digest of the frames: of all that they are made from, whether or not they are kept."""
        return _sha256([FORMAT, self.short_side, self.middle, self.quality, self.versions, self.key(content, source),
                        *self._other])  # fmt: skip

    @property
    def _other(self) -> list[int]:
        """The number of channels if it is not that of RGB, whose stores are older than others."""
        return [] if self.channels == 3 else [self.channels]


def middle_of(total: int, middle: int | None) -> tuple[int, int]:
    """Return first index and number of the frames around the middle.

    >>> middle_of(100, 40), middle_of(30, 40), middle_of(30, None)
    ((30, 40), (0, 30), (0, 30))
    """
    if middle is None or total <= middle:
        return 0, total
    return (total - middle) // 2, middle


class ListedStore(FrameStore):
    """A store of a list of videos of which everything but the frames is known.

    Args:
        sources: the videos.
        entries: what is known of each.
        digests: of each, as `digest` returns them.
        recipe: how their frames are made.
    """

    def __init__(
        self, sources: tuple[Source, ...], entries: tuple[Entry, ...], digests: tuple[str, ...], recipe: Recipe
    ) -> None:
        self.sources, self.entries, self.digests, self.recipe = sources, entries, digests, recipe

    def length(self, video: int) -> int:
        """Return how many frames a video has."""
        return self.entries[video].length

    def digest(self, video: int) -> str:
        """Return a digest of a video's content, its seconds, and how frames are made from it."""
        return self.digests[video]

    @property
    def unreadable(self) -> list[tuple[int, str]]:
        """(index, reason) of the videos that cannot be used."""
        return [(index, entry.reason) for index, entry in enumerate(self.entries) if entry.reason is not None]

    def frames(self, video: int, indices: Indices) -> Frames:
        """Return frames of a video, uint8 [T, H, W, 3]."""
        raise NotImplementedError


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
