"""Video files found by their names, for data sets whose copies lie in several layouts."""

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from osarbench.interfaces.dataset import VIDEO_SUFFIXES
from osarbench.interfaces.layout import files_below


class ByName:
    """The video files below a folder, by their names without suffix; looked for once, when the first is asked for.

    Args:
        folder: where they are, at any depth.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, names: Iterable[str], folders: Iterable[str] = ()) -> Path | None:
        """Return the file of the first of some names that there is.

        Of several files of a name, it is the only one in a folder of one of these names (blanks, case and signs do
        not count), or nothing is: the wrong video would be worse than none.

        Args:
            names: without suffix, the best first.
            folders: names of the folders in which it should be, the best first.
        """
        for name in names:
            found = self._files.get(name, [])
            if len(found) == 1:
                return found[0]
            for folder in folders:
                close = [file for file in found if plain(folder) in map(plain, file.relative_to(self._folder).parts)]
                if len(close) == 1:
                    return close[0]
        return None

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        found: dict[str, dict[str, Path]] = {}
        for file in files_below(self._folder):
            if file.suffix.lower() in VIDEO_SUFFIXES:
                # a link is looked through only where a name occurs twice: there may be a million files
                its = found.setdefault(file.stem, {})
                its.setdefault(os.path.realpath(file) if its else str(file), file)
        return {name: list(_different(files.values())) for name, files in found.items()}


def plain(name: str) -> str:
    """Return a name without what copies of a data set change in it.

    >>> plain("Air drumming") == plain("air_drumming"), plain("massaging person's head")
    (True, 'massagingpersonshead')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _different(files: Iterable[Path]) -> list[Path]:
    """Return files once, whatever links lead to them."""
    files = list(files)
    return files if len(files) == 1 else list({os.path.realpath(file): file for file in files}.values())
