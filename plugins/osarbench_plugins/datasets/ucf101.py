"""UCF-101 (Soomro et al., 2012, arXiv:1212.0402): 101 actions from web videos, three official splits."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._elsewhere import Elsewhere
from ._lists import find_folder, find_videos, lines, malformed

FOLDERS = ("annotations", "annotations/ucfTrainTestlist", "ucfTrainTestlist")
#: Where videos are: as documented, as their archive unpacks, or next to the lists.
PLACES = ("videos", "UCF-101", "UCF101", "")
NAME = re.compile(r"v_(?P<group>.+_g\d+)_c\d+\.\w+")


class Ucf101(Dataset):
    """UCF-101. Clips of one group (``_gXX``) are cut from one source; official splits never divide a group."""

    name = "ucf101"
    layout = (
        "UCF-101 wants videos/<Class>/v_<Class>_gXX_cYY.avi (unrar x UCF101.rar; UCF-101/ as it unpacks will do) "
        "and annotations/{classInd,trainlist01,testlist01,...}.txt "
        "(unzip UCF101TrainTestSplits-RecognitionTask.zip -d annotations)."
    )
    hub = "MichiganNLP/ucf-101"
    steps = (
        "UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip from https://www.crcv.ucf.edu/data/UCF101.php",
        "unrar x UCF101.rar && unzip UCF101TrainTestSplits-RecognitionTask.zip, in the data set's folder",
    )
    terms = "Videos from YouTube, for research; cite Soomro et al., 2012."
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
        return tuple(self._numbers)

    def videos(self, split: str) -> list[Video]:
        """Return the videos of ``trainlist0N.txt`` or ``testlist0N.txt``."""
        self.check_split(split)
        file = self._folder / f"{split[:-1]}list0{split[-1]}.txt"
        return [self._video(where, *text.split(maxsplit=1)) for where, text in lines(file, self.layout)]

    @cached_property
    def videos_folder(self) -> Path:
        """The folder of the class folders: ``videos/``, or what has them instead."""
        return find_videos(self.root, PLACES, self._numbers)

    def path(self, video: Video) -> Path:
        """Return where the file of a video is: by its name, if it is not in the folder of its class."""
        return self._elsewhere.find(super().path(video))

    @cached_property
    def _elsewhere(self) -> Elsewhere:
        return Elsewhere(self.videos_folder)

    @cached_property
    def _folder(self) -> Path:
        return find_folder(self.root, FOLDERS, "classInd.txt", self.layout)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        """The number of each class, in the order of the numbers."""
        numbers: dict[str, int] = {}
        for where, text in lines(self._folder / "classInd.txt", self.layout):
            number, label, *more = [*text.split(), ""]
            if not number.isdecimal() or not label or more != [""]:
                raise malformed(where, text, "<number> <Class>")
            if label in numbers or int(number) in numbers.values():
                raise OsarbenchError(f"{where}: the class '{label}' or its number {number} is listed twice.")
            numbers[label] = int(number)
        return dict(sorted(numbers.items(), key=lambda item: item[1]))

    def _video(self, where: str, path: str, number: str = "") -> Video:
        label, _, file = path.partition("/")
        named = NAME.fullmatch(file)
        if named is None:
            raise malformed(where, path, "<Class>/v_<Class>_gXX_cYY.avi")
        if label not in self._numbers:
            raise OsarbenchError(f"{where}: the class '{label}' is not in classInd.txt.")
        if number not in ("", str(self._numbers[label])):
            raise OsarbenchError(
                f"{where}: {label} has the number {number}, but {self._numbers[label]} in classInd.txt."
            )
        return Video(id=path, label=label, group=named["group"])


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer ucf101."""
    return [Ucf101]
