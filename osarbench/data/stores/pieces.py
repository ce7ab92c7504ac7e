"""Pieces of one video file are added to a pack in one decode: a recording of an hour may be cut into hundreds."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from osarbench.data import video
from osarbench.data.stores import codecs, packs
from osarbench.data.stores.base import Entry, Recipe, Source, middle_of


def add(sources: Sequence[Source], recipe: Recipe, pack: BinaryIO | None) -> list[Entry]:
    """Return the entries of pieces of one file, whose records are written to a pack as they are met.

    Records of pieces that overlap alternate. Where only frames around the middle are kept, or none, the file is decoded
    once more before, to count.

    Args:
        sources: the pieces.
        recipe: how frames are made.
        pack: where their records go; None: they are only counted.

    Raises:
        video.UnreadableVideo: the whole file cannot be read.
    """
    path, cuts = Path(sources[0].path), [video.Cut(source.start, source.end) for source in sources]
    if pack is None or recipe.middle is not None:
        counts = video.count_pieces(path, cuts)
        entries = [_counted(count, recipe.middle) for count in counts]
        return _write(path, cuts, entries, recipe, pack)
    try:
        return _write(path, cuts, [Entry(-1, 0, 0, 0) for _ in cuts], recipe, pack)
    except video.UnreadableVideo:
        # It is damaged somewhere: which pieces end before that is known when they are counted.
        entries = [_counted(count, None) for count in video.count_pieces(path, cuts)]
        return _write(path, cuts, entries, recipe, pack)


def _counted(count: int | str, middle: int | None) -> Entry:
    if isinstance(count, str):
        return Entry(0, 0, 0, 0, count)
    first, length = middle_of(count, middle)
    return Entry(length, first, 0, 0)


def _write(
    path: Path, cuts: Sequence[video.Cut], entries: Sequence[Entry], recipe: Recipe, pack: BinaryIO | None
) -> list[Entry]:
    """Decode and write the frames that entries ask for (a length of -1: all), and return the entries completed."""
    spans = [range(its.first, its.first + (its.length if pack is not None else min(its.length, 1))) for its in entries]
    everything = any(its.length < 0 for its in entries)
    frames = video.each_piece_frame(path, cuts, short_side=recipe.short_side, wanted=None if everything else spans)
    made = list(entries)
    writers = [packs.Writer(pack) for _ in cuts] if pack is not None else []
    encode = codecs.CODECS[recipe.kind](recipe.quality).encode if writers else None
    for piece, _, frame in frames if any(spans) or everything else ():
        height, width = frame.shape[:2]
        made[piece] = made[piece]._replace(height=height, width=width)
        if encode is not None:
            writers[piece].add(encode(frame))
    for piece, writer in enumerate(writers):
        if made[piece].reason is None:
            whole = writer.end(made[piece])
            made[piece] = whole if whole.length else Entry(0, 0, 0, 0, "no frame")
    return made
