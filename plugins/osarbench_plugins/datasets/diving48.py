"""Diving48 (Li et al., ECCV 2018): 48 dives that differ in nothing but their motion."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._json_lists import folder_name, read_json, wrong_entry
from ._lists import find_folder

FOLDERS = ("annotations", "")
#: Where videos lie: as here, as their archive unpacks, or beside the lists.
PLACES = ("videos", "rgb", "")
VOCABULARY = "Diving48_vocab.json"


class Diving48(Dataset):
    """Diving48 with version 2 of its labels, as its authors mended them. A class is ``Back, 15som, 05Twis, FREE``.

    Clips of one recording share a group: the name of a clip is that of the recording and a number.
    """

    name = "diving48"
    layout = (
        "Diving48 wants videos/<clip>.mp4 (rgb/ as Diving48_rgb.tar.gz unpacks will do) and "
        "annotations/{Diving48_vocab,Diving48_V2_train,Diving48_V2_test}.json."
    )
    steps = (
        "Diving48_rgb.tar.gz, Diving48_vocab.json, Diving48_V2_train.json and Diving48_V2_test.json from "
        "http://www.svcl.ucsd.edu/projects/resound/dataset.html",
        "tar xzf Diving48_rgb.tar.gz in the data set's folder, the .json files into annotations/",
    )
    terms = "For research; cite Li et al., ECCV 2018."
    splits = ("train", "test")

    @cached_property
    def classes(self) -> Sequence[str]:
        """The dives in the order of the vocabulary: take-off, somersaults, twists, position."""
        file = self._folder / VOCABULARY
        found = []
        for place, parts in enumerate(read_json(file, self.layout, list)):
            if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part for part in parts):
                raise wrong_entry(file, place, parts, "a list of the parts of a dive")
            found.append(", ".join(parts))
        if len(set(found)) < len(found):
            raise OsarbenchError(f"{file} has one dive twice.")
        return tuple(found)

    def videos(self, split: str) -> list[Video]:
        """Return the clips of ``Diving48_V2_train.json`` or ``Diving48_V2_test.json``."""
        self.check_split(split)
        file = self._folder / f"Diving48_V2_{split}.json"
        if not file.is_file() and (old := file.with_name(f"Diving48_{split}.json")).is_file():
            raise OsarbenchError(
                f"{old} is a list of version 1, whose labels are wrong for many clips. Put {file.name} there."
            )
        return [self._video(file, place, entry) for place, entry in enumerate(read_json(file, self.layout, list))]

    @cached_property
    def videos_folder(self) -> Path:
        """``videos/``, or what has the videos instead."""
        places = (self.root / place for place in PLACES)
        return next((place for place in places if next(place.glob("*.mp4"), None)), self.root / PLACES[0])

    def _video(self, file: Path, place: int, entry: Any) -> Video:
        found = entry if isinstance(entry, dict) else {}
        name, label = found.get("vid_name"), found.get("label")
        if not folder_name(name) or not isinstance(label, int) or isinstance(label, bool):
            raise wrong_entry(file, place, entry, "an object with vid_name and label")
        if not 0 <= label < len(self.classes):
            raise OsarbenchError(f"{file}, entry {place}: there is no dive {label} in {VOCABULARY}.")
        recording, _, number = str(name).rpartition("_")
        group = recording if recording and number.isdecimal() else str(name)
        return Video(f"{name}.mp4", self.classes[label], group)

    @cached_property
    def _folder(self) -> Path:
        return find_folder(self.root, FOLDERS, VOCABULARY, self.layout)


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer diving48."""
    return [Diving48]
