"""A perceptual hash of video frames, and the search for videos that share one.

The hash is the signs of the low frequencies of a frame's discrete cosine transform, as in pHash (Zauner 2010,
"Implementation and benchmarking of perceptual image hash functions"), with 256 of them instead of 64. `NEAR` was chosen
on 1,139 clips of UCF-101 and 928 of HMDB-51, by the nearest of 8 x 8 frames of two clips:

* a copy of a clip, re-encoded at half or double size, another aspect, half the frame rate or brighter, differs by at
  most 16 bits (60 clips of each); cut by its first fifth, by at most 34 in 95 % of them;
* among 1,056,992 pairs across the two data sets, 6 differ by at most 60 bits, all of one recording (42 at most), and
  the next by 78; among 646,145 pairs of UCF-101, of those of different groups 9 differ by at most 60, all of one
  recording by eye, and from 66 on there are people alike before a white wall.

A black bar, a crop of a tenth, a mirror or another camera of the same event hides a copy; a crop of a twentieth or a
channel's logo hides some.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.data.video import Cut, Frames, UnreadableVideo, read_chosen

SIDE = 32  #: pixels of the picture that is transformed
WORDS = 4  #: of 64 bits in a hash
FRAMES = 8  #: of a video, in the middles of as many equal parts
#: Bits that two frames of one recording differ by at most; see the measurement above.
NEAR = 60
#: Of the first 64 bits alone, the lowest frequencies; who differs by more is not compared further.
NEAR_FIRST = 16
#: Standard deviation of grey levels (0..255) below which a frame is black, white or a fade: it would be like all such.
FLAT = 8.0
#: Part of the hash cache's key: change it with anything that changes a hash.
VERSION = 1
_BLOCK = 2**22  #: pairs that are compared at once

Hashes = npt.NDArray[np.uint64]


class Pair(NamedTuple):
    """Two videos with a near frame, by their positions in what was searched."""

    first: int
    second: int
    distance: int  #: bits by which their nearest frames differ, of 256


def hash_video(path: Path, *, start: float | None = None, end: float | None = None) -> Hashes:
    """Return the hashes [n, 4] of up to eight frames of a video; fewer, or none, where its frames are flat.

    Raises:
        UnreadableVideo: it cannot be decoded to its end.
    """
    (hashes,) = hash_pieces(path, [Cut(start, end)])
    if isinstance(hashes, str):
        raise UnreadableVideo(path, hashes)
    return hashes


def hash_pieces(path: Path, cuts: Sequence[Cut]) -> list[Hashes | str]:
    """Return what `hash_video` returns of each piece of a video, or why it cannot be read.

    The file is decoded once, or twice if its header is wrong; only the frames that are hashed are held in memory.
    """
    pieces = read_chosen(path, cuts, _middles, short_side=SIDE)
    return [its if isinstance(its, str) else hash_frames(its) for its in pieces]


def _middles(length: int) -> list[int]:
    """Return the frames in the middles of equal parts of a video.

    >>> _middles(100), _middles(3)
    ([6, 18, 31, 43, 56, 68, 81, 93], [0, 1, 2])
    """
    middles = (np.arange(FRAMES) + 0.5) / FRAMES * length
    indices: list[int] = np.unique(middles.astype(np.int64)).tolist()
    return indices


def hash_frames(frames: Frames) -> Hashes:
    """Return the hashes [n, 4] of RGB frames [T, H, W, 3] that are not flat."""
    grey = frames.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)  # [T, H, W], ITU-R BT.601
    small = np.einsum("ih,thw,jw->tij", _shrink(grey.shape[1]), grey, _shrink(grey.shape[2]), optimize=True)
    small = small[small.std(axis=(1, 2)) >= FLAT]
    waves = np.einsum("ij,tjk,lk->til", _cosines(), small, _cosines(), optimize=True)  # [n, 32, 32]
    low = waves.reshape(len(waves), SIDE * SIDE)[:, _lowest_frequencies()]  # [n, 256]
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64).reshape(len(bits), WORDS)


def search(first: list[Hashes], second: list[Hashes]) -> list[Pair]:
    """Return every pair of a video of `first` and one of `second` whose nearest frames differ by at most `NEAR` bits.

    All frames are compared with all, in 64 bits; the few pairs that are near in these, in 256.
    """
    if not first or not second:
        return []
    ours, theirs = np.concatenate(first), np.concatenate(second)  # [F, 4], [G, 4]
    our_video = np.repeat(np.arange(len(first)), [len(its) for its in first])
    their_video = np.repeat(np.arange(len(second)), [len(its) for its in second])
    nearest: dict[tuple[int, int], int] = {}
    for rows, columns in _near_first(ours[:, 0].copy(), theirs[:, 0].copy()):
        bits = np.bitwise_count(ours[rows] ^ theirs[columns]).sum(axis=1, dtype=np.int64)
        near = bits <= NEAR
        videos = zip(our_video[rows[near]].tolist(), their_video[columns[near]].tolist(), strict=True)
        for pair, distance in zip(videos, bits[near].tolist(), strict=True):
            nearest[pair] = min(distance, nearest.get(pair, distance))
    return sorted((Pair(*pair, distance) for pair, distance in nearest.items()), key=lambda pair: pair[::-1])


def _near_first(
    ours: npt.NDArray[np.uint64], theirs: npt.NDArray[np.uint64]
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Yield the positions of frames [F] and [G] whose first 64 bits are near, block by block."""
    height = max(1, _BLOCK // max(1, len(theirs)))
    for top in range(0, len(ours), height):
        distances = np.bitwise_count(ours[top : top + height, None] ^ theirs)
        rows, columns = np.divmod(np.flatnonzero(distances <= NEAR_FIRST), max(1, len(theirs)))
        yield rows + top, columns


def _shrink(pixels: int) -> npt.NDArray[np.float32]:
    """Return the matrix [32, pixels] that averages pixels over equal areas."""
    edges = np.linspace(0, pixels, SIDE + 1)
    position = np.arange(pixels)
    share = np.minimum(edges[1:, None], position + 1) - np.maximum(edges[:-1, None], position)
    weights: npt.NDArray[np.float32] = (np.clip(share, 0, None) * (SIDE / pixels)).astype(np.float32)
    return weights


def _cosines() -> npt.NDArray[np.float32]:
    """Return the matrix [32, 32] of the discrete cosine transform, type II."""
    frequency, position = np.mgrid[:SIDE, :SIDE]
    cosines: npt.NDArray[np.float32] = np.cos(np.pi * frequency * (2 * position + 1) / (2 * SIDE)).astype(np.float32)
    return cosines


def _lowest_frequencies() -> npt.NDArray[np.intp]:
    """Return the positions [256] of the lowest frequencies but the mean, the first 64 a square, in a flat [32 * 32]."""
    rows, columns = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
    order = np.lexsort((columns, rows, np.maximum(rows, columns)))  # growing squares
    return order[1 : 1 + 64 * WORDS]
