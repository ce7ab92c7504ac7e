"""Videos that are not where the official layout has them: found by their names, where only one file has that name."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from osarbench.interfaces.dataset import VIDEO_SUFFIXES


class Elsewhere:
    """The video files below a folder, looked for once and only when one is not where it should be.

    It serves copies that were encoded again (.mp4 for .avi, .AVI), nested or flat folders, and folders of splits.

    Args:
        folder: where to look.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, usual: Path) -> Path:
        """Return the file of a video: where it should be, or the one of its name elsewhere; else where it should be.

        Two files of the name are no answer, unless one of them is in a folder of the right name.
        """
        if os.path.isfile(usual):
            return usual
        found = self._files.get(_plain(usual), [])
        close = [file for file in found if file.parent.name == usual.parent.name]
        choice = close if len(close) == 1 else found
        return choice[0] if len(choice) == 1 else usual

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


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones left out; a link to a folder above is not followed."""
    for folder_path, folders, names in os.walk(folder, followlinks=True):
        here = Path(folder_path).resolve()
        folders[:] = sorted(
            name
            for name in folders
            if not (name.startswith(".") or here.is_relative_to(Path(folder_path, name).resolve()))
        )
        yield from (Path(folder_path, name) for name in sorted(names) if not name.startswith("."))


def _plain(file: Path) -> str:
    return file.stem.replace("#", "@")
