"""Videos that are not where the official layout has them: found by their names, where only one file has that name."""

import os
from functools import cached_property
from pathlib import Path

from osarbench.interfaces.dataset import VIDEO_SUFFIXES
from osarbench.interfaces.layout import files_below


class Elsewhere:
    """The video files below a folder, looked for once and only when one is not where it should be.

    It serves copies that were encoded again (.mp4 for .avi, .AVI), nested or flat folders, folders of splits, and names
    in lower case.

    Args:
        folder: where to look.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, usual: Path) -> Path:
        """Return the file of a video: where it should be, or the one of its name elsewhere; else where it should be.

        Several files of the name are no answer, unless one alone has its suffix, its case, or its folder's name.
        """
        if os.path.isfile(usual):
            return usual
        found = self._files.get(_plain(usual), [])
        for part in ("name", "stem"):
            same = [file for file in found if getattr(file, part) == getattr(usual, part)]
            close = [file for file in same if file.parent.name == usual.parent.name]
            found = close or same or found
        return found[0] if len(found) == 1 else usual

    @property
    def any(self) -> bool:
        """Whether there is any video file."""
        return bool(self._files)

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        """The different files of each name; a link to one is the same file."""
        found: dict[str, dict[str, Path]] = {}
        for file in files_below(self._folder):
            if file.suffix.lower() in VIDEO_SUFFIXES:
                found.setdefault(_plain(file), {}).setdefault(os.path.realpath(file), file)
        return {name: list(paths.values()) for name, paths in found.items()}


def _plain(file: Path) -> str:
    return file.stem.replace("#", "@").casefold()
