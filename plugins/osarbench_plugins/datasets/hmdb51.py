"""HMDB-51 (Kuehne et al., ICCV 2011): 51 actions from films and web videos, three official splits."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from osarbench.interfaces.dataset import Dataset, Video, is_there
from osarbench.interfaces.hookspecs import hookimpl

from ._elsewhere import Elsewhere
from ._lists import find_folder, find_videos, lines, malformed

FOLDERS = ("annotations", "annotations/testTrainMulti_7030_splits", "testTrainMulti_7030_splits")
#: Where videos are: as documented, as their archive unpacks, or next to the lists.
PLACES = ("videos", "hmdb51_org", "hmdb51", "")
FLAGS = {"train": "1", "test": "2"}
CLASSES = (
    "brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor fencing "
    "flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup ride_bike "
    "ride_horse run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand swing_baseball "
    "sword sword_exercise talk throw turn walk wave"
)


class Hmdb51(Dataset):
    """HMDB-51. The split ``all`` is every listed video, also those that a split leaves unused.

    A group is a source by its title, the part of the file name before its last ``_<class>_``: clips of one film share
    it, and official splits never divide it. Titles may contain the class, too (``How_to_pour_beer_pour_u_nm...``).
    """

    name = "hmdb51"
    layout = (
        "HMDB-51 wants videos/<class>/*.avi (unrar x hmdb51_org.rar videos/, then the .rar of each class in it) "
        "and annotations/<class>_test_splitN.txt (unrar x test_train_splits.rar annotations/)."
    )
    hub = "MichiganNLP/hmdb"
    steps = (
        "hmdb51_org.rar and test_train_splits.rar from https://serre.lab.brown.edu/hmdb51.html",
        "unrar x each, in the data set's folder; then, in hmdb51_org/, for a in *.rar; do unrar x $a; done",
    )
    terms = (
        "CC BY 4.0 for the annotations; the clips are from films and YouTube, for research; cite Kuehne et al., 2011."
    )
    classes = tuple(CLASSES.split())
    splits = ("train1", "test1", "train2", "test2", "train3", "test3", "all")
    official_counts: ClassVar[Mapping[str, int]] = {
        **{f"train{number}": 3570 for number in (1, 2, 3)},
        **{f"test{number}": 1530 for number in (1, 2, 3)},
    }

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, class by class in the order of the lists."""
        self.check_split(split)
        number = "1" if split == "all" else split[-1]
        flag = FLAGS.get(split[:-1])
        return [video for label in self.classes for video, its in self._listed(label, number) if flag in (None, its)]

    def path(self, video: Video) -> Path:
        """Return where the file of a video is: by its name, if it is not in the folder of its class.

        Copies that avoid "#" in file names have "@" for it.
        """
        usual = super().path(video)
        if "#" in video.id and not is_there(usual):
            usual = self.videos_folder / video.id.replace("#", "@")
        return self._elsewhere.find(usual)

    @cached_property
    def videos_folder(self) -> Path:
        """The folder of the class folders: ``videos/``, or what has them instead."""
        return find_videos(self.root, PLACES, self.classes)

    @cached_property
    def _elsewhere(self) -> Elsewhere:
        return Elsewhere(self.videos_folder)

    @cached_property
    def _folder(self) -> Path:
        return find_folder(self.root, FOLDERS, f"{self.classes[0]}_test_split1.txt", self.layout)

    def _listed(self, label: str, number: str) -> Iterator[tuple[Video, str]]:
        for where, text in lines(self._folder / f"{label}_test_split{number}.txt", self.layout):
            file, _, flag = text.rpartition(" ")
            if flag not in ("0", "1", "2") or not file.strip():
                raise malformed(where, text, "<video>.avi <0, 1 or 2>")
            name = file.strip()
            title = name.rpartition(f"_{label}_")[0] or name
            yield Video(id=f"{label}/{name}", label=label, group=f"{label}/{title}"), flag


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer hmdb51."""
    return [Hmdb51]
