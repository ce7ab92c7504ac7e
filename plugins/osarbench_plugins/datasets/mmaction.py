"""List files of MMAction2: ``path label`` of videos, or ``path frames label`` of folders of frames."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._lists import lines, malformed


class MMAction(Dataset):
    """Videos or folders of frames that list files name, with numbers for labels.

    A list may begin with a line of names. Numbers count from 0, or from 1 if no list has a 0. Every video is a group of
    its own.

    Args:
        root: the folder below which lists and videos are.
        lists: split -> its list file; empty: every ``*.txt`` that ends in ``train...``, ``val...`` or ``test...``.
        classes: file of the class names, one a line, perhaps after a number; empty: the numbers are the names.
        folder: of the videos or folders of frames, below the root.
        frames: names of frames, for lists of folders.
    """

    name = "mmaction"
    layout = (
        "It wants list files such as train.txt and val.txt (lines of <path> <label> or <path> <frames> <label>) and "
        "what they name, below `folder`."
    )

    def __init__(
        self, root: Path, *, lists: Mapping[str, str] | None = None, classes: str = "", folder: str = "",
        frames: str = "img_%05d.jpg",
    ) -> None:  # fmt: skip
        super().__init__(root)
        self._stated, self._class_file, self._folder, self._frames = dict(lists or {}), classes, folder, frames

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names in the order of their numbers."""
        labels = [label for rows in self._rows.values() for _, label, _, _ in rows]
        names = self._names
        top = max(labels, default=-1) - self._first + 1
        if names is None:
            return tuple(str(self._first + number) for number in range(top))
        if top > len(names):
            raise OsarbenchError(f"{self.root / self._class_file} names {len(names)} classes, and lists use {top}.")
        return names

    @property
    def splits(self) -> Sequence[str]:
        """The names of the lists."""
        return tuple(self._lists)

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a list, in its order."""
        self.check_split(split)
        names = self.classes
        return [Video(path, names[label - self._first], path) for path, label, _, _ in self._rows[split]]

    @property
    def videos_folder(self) -> Path:
        """The folder below which the paths of the lists are."""
        return self.root / self._folder

    def path(self, video: Video) -> Path:
        """Return the file of a video, or the template of its frames."""
        below = self.videos_folder / video.id
        return below / self._frames if video.id in self._folders else below

    @cached_property
    def _lists(self) -> Mapping[str, str]:
        if self._stated:
            return self._stated
        names = sorted(file.name for file in self.root.glob("*.txt"))
        kinds = ("train", "val", "test")
        found = {kind: [name for name in names if kind in name] for kind in kinds}
        for kind, its in found.items():
            if len(its) > 1:
                raise OsarbenchError(
                    f"{self.root} has several lists of '{kind}': {', '.join(its)}. Name them in the protocol: "
                    f'[data.mmaction] lists = {{ {kind} = "{its[0]}" }}.'
                )
        if not any(found.values()):
            raise OsarbenchError(f"{self.root} has no list files.\n{self.layout}")
        return {kind: its[0] for kind, its in found.items() if its}

    @cached_property
    def _rows(self) -> Mapping[str, Sequence[tuple[str, int, int | None, str]]]:
        return {split: tuple(self._read(self.root / name)) for split, name in self._lists.items()}

    @cached_property
    def _first(self) -> int:
        """The number of the first class."""
        labels = {label for rows in self._rows.values() for _, label, _, _ in rows}
        return 1 if labels and 0 not in labels else 0

    @cached_property
    def _folders(self) -> frozenset[str]:
        return frozenset(path for rows in self._rows.values() for path, _, count, _ in rows if count is not None)

    @cached_property
    def _names(self) -> tuple[str, ...] | None:
        if not self._class_file:
            return None
        stated = (text.split(maxsplit=1) for _, text in lines(self.root / self._class_file, self.layout))
        return tuple(words[-1] if words[0].isdecimal() else " ".join(words) for words in stated)

    def _read(self, file: Path) -> Iterator[tuple[str, int, int | None, str]]:
        """Yield (path, label, number of frames or None, where)."""
        for number, (where, text) in enumerate(lines(file, self.layout)):
            words = text.split()
            if number == 0 and not words[-1].isdecimal():
                continue  # a line of names
            if len(words) < 2 or not words[-1].isdecimal():
                raise malformed(where, text, "<path> <label> or <path> <frames> <label>")
            # A path may have blanks, and numbers after them: a folder has no suffix.
            counted = len(words) > 2 and words[-2].isdecimal() and "." not in words[-2]
            path = PurePosixPath(" ".join(words[: -2 if counted else -1]).replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise OsarbenchError(f"{where}: {path} is not below {self.videos_folder}. Write paths relative to it.")
            yield str(path), int(words[-1]), int(words[-2]) if counted else None, where


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer mmaction."""
    return [MMAction]
