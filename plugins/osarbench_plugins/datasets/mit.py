"""Moments in Time (Monfort et al., TPAMI 2020, arXiv:1801.03150): three-second web videos, in two versions."""

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
VERSIONS = {339: 1, 305: 2}  #: number of classes -> version


class Mit(Dataset):
    """Moments in Time, version 2: 305 classes. Sources are not told, so every video is a group of its own."""

    name = "mit"
    count: ClassVar[int] = 305  #: classes
    layout = (
        "Moments in Time wants videos/{training,validation}/<class>/*.mp4 and annotations/{moments_categories.txt,"
        "trainingSet.csv,validationSet.csv} (version 2, from moments.csail.mit.edu)."
    )
    steps: ClassVar[Sequence[str]] = (
        "ask for access with the form on http://moments.csail.mit.edu/; the answer has the link of the archive",
        "unzip Moments_in_Time_Raw_v2.zip, and rename its folder to mit/ or link to it",
    )
    terms = "For non-commercial research; the form has the terms."
    splits = tuple(SPLITS)
    official_counts: ClassVar[Mapping[str, int]] = {"validation": 30500}

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names, in the order of ``moments_categories.txt``.

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
        if len(names) != self.count:
            version = VERSIONS.get(len(names))
            hint = f" That is version {version}: the data set '{NAMES[version]}'." if version else ""
            raise OsarbenchError(f"{file} has {len(names)} classes instead of {self.count}.{hint}\n{self.layout}")
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
                raise OsarbenchError(
                    f"{where}: the class '{fields[1]}' is not in moments_categories.txt. Are the lists of one version?"
                )
            found.append(Video(id=f"{folder}/{path}", label=fields[1], group=f"{folder}/{path}"))
        return found

    @cached_property
    def videos_folder(self) -> Path:
        """The folder of the split folders: ``videos/``, or what has them instead."""
        return find_videos(self.root, PLACES, [folder for folder, _ in SPLITS.values()])

    @cached_property
    def _folder(self) -> Path:
        return find_folder(self.root, FOLDERS, "moments_categories.txt", self.layout)


class MitV1(Mit):
    """Moments in Time, version 1: 339 classes, no longer offered by its authors."""

    name = "mit_v1"
    count = 339
    layout = (
        "Moments in Time wants videos/{training,validation}/<class>/*.mp4 and annotations/{moments_categories.txt,"
        "trainingSet.csv,validationSet.csv} (version 1, no longer offered; `mit` is version 2)."
    )
    steps = ("nothing: its authors do not offer it any more. Use `mit`, or a copy that you have",)
    official_counts: ClassVar[Mapping[str, int]] = {"validation": 33900}


NAMES = {1: MitV1.name, 2: Mit.name}  #: of the data set of each version


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer mit and mit_v1."""
    return [Mit, MitV1]
