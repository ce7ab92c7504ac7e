"""UCF-101 (Soomro et al., 2012, arXiv:1212.0402): 101 actions from web videos, three official splits."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from osarbench.dataset import Dataset, Video
from osarbench.errors import OsarbenchError
from osarbench.hookspecs import hookimpl

from ._lists import find_folder, lines, malformed

FOLDERS = ("annotations", "annotations/ucfTrainTestlist", "ucfTrainTestlist")
NAME = re.compile(r"v_(?P<group>.+_g\d+)_c\d+\.\w+")


class Ucf101(Dataset):
    """UCF-101. Clips of one group (``_gXX``) are cut from one source; official splits never divide a group."""

    name = "ucf101"
    layout = (
        "UCF-101 wants videos/<Class>/v_<Class>_gXX_cYY.avi (UCF101.rar) and annotations/{classInd,trainlist01,"
        "testlist01,...}.txt (UCF101TrainTestSplits-RecognitionTask.zip)."
    )
    splits = ("train1", "test1", "train2", "test2", "train3", "test3")
    official_counts: ClassVar[Mapping[str, int]] = {
        "train1": 9537,
        "test1": 3783,
        "train2": 9586,
        "test2": 3734,
        "train3": 9624,
        "test3": 3696,
    }

    @cached_property
    def classes(self) -> Sequence[str]:
        """The 101 class names, in the order of ``classInd.txt``."""
        return tuple(label for _, label in sorted(self._class_ids()))

    def videos(self, split: str) -> list[Video]:
        """Return the videos of ``trainlist0N.txt`` or ``testlist0N.txt``."""
        self.check_split(split)
        file = self._folder / f"{split[:-1]}list0{split[-1]}.txt"
        return [self._video(where, text.split()[0]) for where, text in lines(file, self.layout)]

    @cached_property
    def _folder(self) -> Path:
        return find_folder(self.root, FOLDERS, "classInd.txt", self.layout)

    def _class_ids(self) -> Iterator[tuple[int, str]]:
        for where, text in lines(self._folder / "classInd.txt", self.layout):
            number, _, label = text.partition(" ")
            if not (number.isdigit() and label):
                raise malformed(where, text, "<number> <Class>")
            yield int(number), label.strip()

    def _video(self, where: str, path: str) -> Video:
        label, _, file = path.partition("/")
        named = NAME.fullmatch(file)
        if named is None:
            raise malformed(where, path, "<Class>/v_<Class>_gXX_cYY.avi")
        if label not in self.classes:
            raise OsarbenchError(f"{where}: the class '{label}' is not in classInd.txt.")
        return Video(id=path, label=label, group=named["group"])


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer ucf101."""
    return [Ucf101]
