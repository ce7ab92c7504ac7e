"""The store that keeps no frames: videos are decoded, or read in the form they have, each time."""

import os
from pathlib import Path
from typing import Any

from osarbench.data.stores import readers
from osarbench.data.stores.base import Entry, Indices, ListedStore, Recipe, Source
from osarbench.data.video import Cut, Recording, UnreadableVideo
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import Frames


class DecodingStore(ListedStore):
    """Frames as they are read from their files, scaled; pieces of one file that follow one another are one decode.

    Args:
        sources: the videos.
        entries: what is known of each.
        digests: of each.
        recipe: how frames are made.
    """

    def __init__(
        self, sources: tuple[Source, ...], entries: tuple[Entry, ...], digests: tuple[str, ...], recipe: Recipe
    ) -> None:
        super().__init__(sources, entries, digests, recipe)
        self._changed = tuple(_time(source.path) for source in sources)
        self._open: Recording | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": None}  # an open file does not cross process borders

    def frames(self, video: int, indices: Indices) -> Frames:
        """Return frames of a video, uint8 [T, H, W, 3].

        Raises:
            OsarbenchError: the file was readable when it was counted, and is not, or is another one, now.
        """
        entry, source = self.entries[video], self.sources[video]
        if _time(source.path) not in (None, self._changed[video]):
            raise OsarbenchError(
                f"{source.path} changed while it was used. Run the same command again, and leave it alone."
            )
        wanted = (indices + entry.first).tolist()
        try:
            reader = readers.of(source.path)
            if source.start is None or type(reader) is not readers.Reader:
                return reader.read(source.path, wanted, self.recipe.short_side, source.start, source.end)
            return self._recording(source.path).read(
                wanted, Cut(source.start, source.end), short_side=self.recipe.short_side
            )
        except UnreadableVideo as error:
            raise OsarbenchError(
                f"{error}. The file changed while it was used. Run the same command again, and leave it alone."
            ) from error

    def order(self, video: int) -> tuple[str, float]:
        """Return the place of a video in the order in which they are best read: by file, and in a file by seconds."""
        return self.sources[video].path, self.sources[video].start or 0.0

    def _recording(self, path: str) -> Recording:
        """Return a file that stays open until another one is read."""
        if self._open is None or str(self._open.path) != path:
            if self._open is not None:
                self._open.close()
            self._open = Recording(Path(path))
        return self._open


def _time(path: str) -> int | None:
    """Return when a file was changed; None where there is no single file, or it cannot be told."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
