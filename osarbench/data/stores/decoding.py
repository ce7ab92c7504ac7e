"""The store that keeps no frames: videos are decoded, or read in the form they have, each time."""

import os

from osarbench.data.stores import readers
from osarbench.data.stores.base import Entry, Indices, ListedStore, Recipe, Source
from osarbench.data.video import UnreadableVideo
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import Frames


class DecodingStore(ListedStore):
    """Frames as they are read from their files, scaled.

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
            return readers.of(source.path).read(source.path, wanted, self.recipe.short_side, source.start, source.end)
        except UnreadableVideo as error:
            raise OsarbenchError(
                f"{error}. The file changed while it was used. Run the same command again, and leave it alone."
            ) from error


def _time(path: str) -> int | None:
    """Return when a file was changed; None where there is no single file, or it cannot be told."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
