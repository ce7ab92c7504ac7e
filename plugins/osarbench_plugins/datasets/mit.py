"""Moments in Time v2 (Monfort et al., TPAMI 2020, arXiv:1801.03150): 305 classes of three-second web videos."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._lists import find_folder, find_videos, malformed, rows

FOLDERS = ("annotations", "")
#: Where videos are: as documented, as their archive unpacks, or next to the lists.
PLACES = ("videos", "")
#: Split -> its folder below videos/ and its list.
SPLITS = {"train": ("training", "trainingSet.csv"), "validation": ("validation", "validationSet.csv")}
COUNT = 305


class Mit(Dataset):
    """Moments in Time, version 2. Sources are not told, so every video is a group of its own."""

    name = "mit"
    layout = (
        "Moments in Time wants videos/{training,validation}/<class>/*.mp4 and annotations/{moments_categories.txt,"
        "trainingSet.csv,validationSet.csv} (version 2, from moments.csail.mit.edu)."
    )
    splits = tuple(SPLITS)
    official_counts: ClassVar[Mapping[str, int]] = {"validation": 30500}

    @cached_property
    def classes(self) -> Sequence[str]:
        """The 305 class names, in the order of ``moments_categories.txt``.

        Raises:
            OsarbenchError: the file is missing, malformed, or another version's.
        """
        file = self._folder / "moments_categories.txt"
        names: dict[int, str] = {}
        for where, fields in rows(file, self.layout):
            if len(fields) != 2 or not fields[0] or not fields[1].isdecimal():
                raise malformed(where, ",".join(fields), "<class>,<number>")
            if int(fields[1]) in names or fields[0] in names.values():
                raise OsarbenchError(f"{where}: the class '{fields[0]}' or its number {fields[1]} is listed twice.")
            names[int(fields[1])] = fields[0]
        if len(names) != COUNT:
            hint = " That is version 1." if len(names) == 339 else ""
            raise OsarbenchError(f"{file} has {len(names)} classes instead of {COUNT}.{hint}\n{self.layout}")
        return tuple(names[number] for number in sorted(names))

    def videos(self, split: str) -> list[Video]:
        """Return the videos of ``trainingSet.csv`` or ``validationSet.csv``."""
        self.check_split(split)
        folder, name = SPLITS[split]
        known = frozenset(self.classes)
        found = []
        for where, fields in rows(self._folder / name, self.layout):
            path = fields[0].removeprefix(f"{folder}/")
            if len(fields) < 2 or path.count("/") != 1:
                raise malformed(where, ",".join(fields), "<class>/<video>.mp4,<class>,...")
            if fields[1] not in known:
                raise OsarbenchError(f"{where}: the class '{fields[1]}' is not in moments_categories.txt.")
            found.append(Video(id=f"{folder}/{path}", label=fields[1], group=f"{folder}/{path}"))
        return found

    @cached_property
    def videos_folder(self) -> Path:
        """The folder of the split folders: ``videos/``, or what has them instead."""
        return find_videos(self.root, PLACES, [folder for folder, _ in SPLITS.values()])

    @cached_property
    def _folder(self) -> Path:
        return find_folder(self.root, FOLDERS, "moments_categories.txt", self.layout)


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer mit."""
    return [Mit]
