"""The stores that keep frames in packs: raw or as JPEG. What is damaged is named, and decoded again."""

from pathlib import Path

import numpy as np

from osarbench import console
from osarbench.data.stores import codecs, making, packs
from osarbench.data.stores.base import Entry, Indices, ListedStore, Recipe, Source
from osarbench.data.video import UnreadableVideo
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import Frames


class PackedStore(ListedStore):
    """Frames of packs; each is checked when a process reads it for the first time.

    Args:
        sources: the videos.
        entries: what is known of each.
        digests: of each.
        recipe: how frames are made.
        packs: the pack of each video; None where it is unreadable.
    """

    def __init__(
        self, sources: tuple[Source, ...], entries: tuple[Entry, ...], digests: tuple[str, ...], recipe: Recipe,
        packs: tuple[Path | None, ...],
    ) -> None:  # fmt: skip
        super().__init__(sources, entries, digests, recipe)
        self.packs = packs
        self._codec = codecs.CODECS[recipe.kind](recipe.quality)

    def frames(self, video: int, indices: Indices) -> Frames:
        """Return frames of a video, uint8 [T, H, W, 3].

        Raises:
            OsarbenchError: the packs were removed while they were used, or a damaged one cannot be mended.
        """
        pack, source = self.packs[video], self.sources[video]
        if pack is None:
            raise OsarbenchError(f"{source.path} cannot be read: {self.entries[video].reason}.")
        try:
            try:
                return self._read(pack, self.entries[video], indices)
            except packs.DamagedPack as damage:
                console.say(f"decode: {damage}: the frames of {source.id} are decoded again from {source.path}")
                self._mend(pack, video)
                return self._read(pack, self.entries[video], indices)
        except (OSError, packs.DamagedPack) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise OsarbenchError(
                f"The decoded frames in {pack} cannot be read: {reason}. If the cache was cleared, run the same "
                "command again; if its disk is at fault, use another with --cache DIR."
            ) from error

    def _read(self, pack: Path, entry: Entry, indices: Indices) -> Frames:
        records = packs.records(pack, entry)
        frames = np.empty((len(indices), entry.height, entry.width, self.recipe.channels), dtype=np.uint8)
        at: dict[int, int] = {}
        for position, index in enumerate(indices.tolist()):
            if index in at:
                frames[position] = frames[at[index]]
            else:
                self._codec.read(records, index, frames[position])
                at[index] = position
        return frames

    def _mend(self, pack: Path, video: int) -> None:
        """Write a video's records again at their place, if they turn out to be what was written there."""
        entry, source = self.entries[video], self.sources[video]
        packs.forget()
        if entry not in packs.read_list(pack.with_suffix(".json"), pack_too=False).entries.values():
            raise OsarbenchError(f"{pack} was written again while it was used. Run the same command again.")
        length = None if self.recipe.middle is None else entry.length
        try:
            frames = making.frames_of(source, self.recipe, entry.first, length)
            packs.rewrite(pack, entry, map(self._codec.encode, frames))
        except (packs.DamagedPack, UnreadableVideo) as error:
            pack.with_suffix(".json").unlink(missing_ok=True)
            raise OsarbenchError(
                f"The decoded frames of {source.id} in {pack} are damaged, and {source.path} does not give them again: "
                f"{error}. Run the same command again: that decodes what is there now."
            ) from error
