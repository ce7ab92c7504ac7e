"""A video file to frames: exactly the ones asked for, the same for an index whatever else is asked for.

Files are decoded from their start. Seeking is not exact in files with B-frames and no usable timestamps, such as those
of HMDB-51, where it yields neighbours of the wanted frames with every library that was tried. Many pieces of one file
are therefore read together, in one decode: `each_piece_frame`, `count_pieces`, `read_chosen`.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from osarbench.data import decoder
from osarbench.data.decoder import Decoder
from osarbench.data.decoder import UnreadableVideo as UnreadableVideo
from osarbench.data.rgb import Frames as Frames
from osarbench.data.rgb import RgbConverter


class Cut(NamedTuple):
    """A piece of a video, in seconds from the file's start: frames before `start`, and at or after `end`, are not in.

    A frame's second is the one at which FFmpeg and players show it.
    """

    start: float | None = None  #: None: from the first frame
    end: float | None = None  #: None: to the last frame


class PieceFrame(NamedTuple):
    """One frame of one of several pieces of a video."""

    piece: int  #: its place among the cuts
    position: int  #: of the frame in the piece
    frame: Frames  #: uint8 [H, W, 3]


def decoder_version() -> str:
    """Return what decodes, with its versions: part of the identity of whatever is made from frames."""
    return decoder.version()


def read_frames(
    path: Path,
    indices: Sequence[int] | None = None,
    *,
    short_side: int | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Frames:
    """Return frames as RGB, uint8 [T, H, W, 3].

    Decoding stops after the largest index; only wanted frames are converted, and scaled in the same step (bilinear,
    antialiased when it shrinks).

    Args:
        path: the file.
        indices: frames in any order, repeated or not; None: all.
        short_side: pixels to scale the short side to, the aspect kept; None: as it is.
        start, end: seconds of a `Cut`: frames outside do not exist for `indices`.

    Raises:
        UnreadableVideo: with path and reason. A damaged file is unreadable as soon as its damage is met, even if the
            decoder could conceal it.
    """
    with Decoder(path) as decoder:
        return _read(decoder, indices, Cut(start, end), short_side)


class Recording:
    """A video file that stays open, so that pieces that are asked for in the order of the file are one decode of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._decoder: Decoder | None = None
        self._frames: Iterator[tuple[float, av.VideoFrame]] = iter(())
        self._furthest = inf  # seconds of the frames that were decoded

    def read(self, indices: Sequence[int], cut: Cut, *, short_side: int) -> Frames:
        """Return what `read_frames` returns of a piece; what was passed is decoded anew.

        Raises:
            UnreadableVideo: as `read_frames`.
        """
        if cut.start is None or cut.start <= self._furthest:
            self.close()
            self._decoder = Decoder(self.path)
            self._frames, self._furthest = iter(self._decoder), -inf
        try:
            return _read(self, indices, cut, short_side)
        except UnreadableVideo:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        if self._decoder is not None:
            self._decoder.container.close()
        self._decoder, self._furthest = None, inf

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        for seconds, frame in self._frames:
            self._furthest = max(self._furthest, seconds)
            yield seconds, frame


def _read(source: "Decoder | Recording", indices: Sequence[int] | None, cut: Cut, short_side: int | None) -> Frames:
    wanted = None if indices is None else set(indices)
    last = max(wanted or (), default=-1)
    pieces = _Pieces([cut], None if wanted is None else [last + 1])
    walk = _walk(source, pieces, None if wanted is None else [wanted], short_side)
    found = {index: frame for _, index, frame in walk}
    if not found:
        raise UnreadableVideo(source.path, f"no frame {last}: it has none" if last >= 0 else "no frame")
    beyond = sorted((wanted or set()) - found.keys())
    if beyond:
        raise UnreadableVideo(source.path, f"no frame {beyond[0]}: it has {pieces.lengths[0]}")
    return np.stack([found[index] for index in (found if indices is None else indices)])


def each_frame(
    path: Path, *, short_side: int | None = None, start: float | None = None, end: float | None = None
) -> Iterator[Frames]:
    """Yield what `read_frames` returns, uint8 [H, W, 3], one frame in memory at a time.

    Raises:
        UnreadableVideo: as `read_frames`, perhaps after some frames.
    """
    empty = True
    for piece_frame in each_piece_frame(path, [Cut(start, end)], short_side=short_side):
        empty = False
        yield piece_frame.frame
    if empty:
        raise UnreadableVideo(path, "no frame")


def each_piece_frame(
    path: Path,
    cuts: Sequence[Cut],
    *,
    short_side: int | None = None,
    wanted: Sequence[Collection[int]] | None = None,
) -> Iterator[PieceFrame]:
    """Yield the frames of several pieces of a video in one decode, in the order of the file, one in memory at a time.

    A frame of several pieces is converted once and yielded for each; pieces may overlap. Nothing is yielded for a piece
    in which there is no frame. Decoding stops after the last frame that is wanted.

    Args:
        path: the file.
        cuts: the pieces, in any order.
        short_side: as of `read_frames`.
        wanted: for each piece the indices of the frames to be yielded; None: all.

    Raises:
        UnreadableVideo: with path and reason, perhaps after some frames. `count_pieces` says which pieces can be read.
    """
    limits = None if wanted is None else [max(indices, default=-1) + 1 for indices in wanted]
    with Decoder(path) as decoder:
        yield from _walk(decoder, _Pieces(cuts, limits), wanted, short_side)


def count_frames(path: Path, *, start: float | None = None, end: float | None = None) -> int:
    """Return how many frames `read_frames` finds: by decoding, since what files say of themselves is often wrong.

    Raises:
        UnreadableVideo: with path and reason.
    """
    (count,) = count_pieces(path, [Cut(start, end)])
    if isinstance(count, str):
        raise UnreadableVideo(path, count)
    return count


def count_pieces(path: Path, cuts: Sequence[Cut]) -> list[int | str]:
    """Return how many frames each piece of a video has, or the reason why it cannot be read, in one decode.

    Damage makes those pieces unreadable whose end was not reached before it.
    """
    counts, _ = _survey(path, cuts, lambda length: (), None)
    return counts


def read_chosen(
    path: Path, cuts: Sequence[Cut], choose: Callable[[int], Sequence[int]], *, short_side: int | None = None
) -> list[Frames | str]:
    """Return those frames of each piece that are chosen once their number is known: uint8 [T, H, W, 3].

    Only chosen frames are held in memory. The file is decoded once if its header tells the number of frames right, else
    twice.

    Args:
        path: the file.
        cuts: the pieces.
        choose: returns for the number of frames of a piece, 1 or more, at least one index below it.
        short_side: as of `read_frames`.

    Returns:
        For each piece its frames, or the reason why it cannot be read.
    """
    counts, found = _survey(path, cuts, choose, short_side)
    chosen = [() if isinstance(count, str) else choose(count) for count in counts]
    missing = [set(indices) - frames.keys() for indices, frames in zip(chosen, found, strict=True)]
    again = [piece for piece, indices in enumerate(missing) if indices]
    if again:
        frames = each_piece_frame(
            path, [cuts[piece] for piece in again], short_side=short_side, wanted=[missing[piece] for piece in again]
        )
        for position, index, frame in frames:
            found[again[position]][index] = frame
    return [
        count if isinstance(count, str) else np.stack([frames[index] for index in indices])
        for count, indices, frames in zip(counts, chosen, found, strict=True)
    ]


def _survey(
    path: Path, cuts: Sequence[Cut], choose: Callable[[int], Sequence[int]], short_side: int | None
) -> tuple[list[int | str], list[dict[int, Frames]]]:
    """Decode pieces to their ends. Return the number of frames of each, or why it cannot be read, and some frames.

    These are those that `choose` picks if the number that the header states is right.
    """
    found: list[dict[int, Frames]] = [{} for _ in cuts]
    pieces = _Pieces(cuts)
    damage = ""
    try:
        with Decoder(path) as decoder:
            stated = [decoder.stated_length(*cut) for cut in cuts]
            wanted = [frozenset(choose(length)) if length else frozenset() for length in stated]
            for piece, index, frame in _walk(decoder, pieces, wanted, short_side):
                found[piece][index] = frame
    except UnreadableVideo as error:
        damage = error.reason
    counts: list[int | str] = [length or "no frame" for length in pieces.lengths]
    for piece in pieces.unfinished if damage else ():
        counts[piece] = damage
    return counts, found


def _walk(
    source: Decoder | Recording, pieces: "_Pieces", wanted: Sequence[Collection[int]] | None, short_side: int | None
) -> Iterator[PieceFrame]:
    """Yield the wanted frames of pieces (None: all), converted, until no piece expects any more."""
    convert = RgbConverter(short_side)
    for seconds, frame in source:
        inside = pieces.add(seconds)
        if wanted is not None:
            inside = [(piece, index) for piece, index in inside if index in wanted[piece]]
        if inside:
            try:
                picture = convert(frame)
            except av.FFmpegError as error:
                raise UnreadableVideo(source.path, f"its colours cannot be converted: {error.strerror}") from error
            yield from (PieceFrame(piece, index, picture) for piece, index in inside)
        if not pieces.unfinished:
            break


class _Pieces:
    """To which pieces of a video each frame belongs; told of one frame after another."""

    def __init__(self, cuts: Sequence[Cut], limits: Sequence[float] | None = None) -> None:
        self.starts = [-inf if cut.start is None else cut.start for cut in cuts]
        self.ends = [inf if cut.end is None else cut.end for cut in cuts]
        self.limits = limits or [inf] * len(cuts)  # numbers of frames after which a piece needs no more
        self.lengths = [0] * len(cuts)
        pieces = [piece for piece, limit in enumerate(self.limits) if limit > 0]
        self.waiting = sorted(pieces, key=self.starts.__getitem__, reverse=True)  # for their first frame
        self.begun: list[int] = []

    @property
    def unfinished(self) -> list[int]:
        """The pieces that may have frames still to come."""
        return self.begun + self.waiting

    def add(self, seconds: float) -> list[tuple[int, int]]:
        """Return (piece, index of the frame in it) for the pieces that contain the next frame."""
        while self.waiting and self.starts[self.waiting[-1]] <= seconds:
            self.begun.append(self.waiting.pop())
        self.begun = [piece for piece in self.begun if seconds < self.ends[piece]]
        inside = [(piece, self.lengths[piece]) for piece in self.begun if self.starts[piece] <= seconds]
        for piece, index in inside:
            self.lengths[piece] = index + 1
        self.begun = [piece for piece in self.begun if self.lengths[piece] < self.limits[piece]]
        return inside
