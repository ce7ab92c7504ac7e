"""Something-Something v2 (Goyal et al., ICCV 2017, arXiv:1706.04261): 174 templates of acts with any objects."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._json_lists import folder_name, read_json, wrong_entry
from ._lists import find_folder

FOLDERS = ("annotations", "labels", "")
#: Where videos lie: as here, or as their archive unpacks.
PLACES = ("videos", "20bn-something-something-v2", "")
#: Split -> its list, by the names of the first and of the present publisher.
LISTS = {
    "train": ("something-something-v2-train.json", "train.json"),
    "validation": ("something-something-v2-validation.json", "validation.json"),
}
LABELS = ("something-something-v2-labels.json", "labels.json")


class SomethingV2(Dataset):
    """Something-Something v2. A class is a template without its brackets: "Holding something next to something".

    The test has no public labels. Every video is a group of its own: who recorded it is not told.
    """

    name = "ssv2"
    layout = (
        "Something-Something v2 wants videos/<number>.webm (20bn-something-something-v2/ as it unpacks will do) and "
        "annotations/something-something-v2-{labels,train,validation}.json (or labels.json, train.json, "
        "validation.json)."
    )
    steps = (
        "register at https://developer.qualcomm.com/software/ai-datasets/something-something and download the parts "
        "20bn-something-something-v2-?? and the labels",
        "cat 20bn-something-something-v2-?? | tar xz, in the data set's folder (19 GB)",
        "unpack the labels into annotations/",
    )
    terms = "For research, under the agreement that is accepted on registering."
    splits = tuple(LISTS)
    official_counts: ClassVar[Mapping[str, int]] = {"train": 168913, "validation": 24777}

    @cached_property
    def classes(self) -> Sequence[str]:
        """The 174 templates in the order of their numbers in the file of labels."""
        file = self._file(LABELS)
        numbers = read_json(file, self.layout, dict)
        for name, number in numbers.items():
            if not str(number).isdecimal():
                raise wrong_entry(file, name, number, "the number of a class")
        if len({int(number) for number in numbers.values()}) < len(numbers):
            raise OsarbenchError(f"{file} gives two classes one number.")
        return tuple(sorted(numbers, key=lambda name: int(numbers[name])))

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a list, in its order."""
        self.check_split(split)
        file = self._file(LISTS[split])
        known = frozenset(self.classes)
        return [
            self._video(file, place, entry, known) for place, entry in enumerate(read_json(file, self.layout, list))
        ]

    @cached_property
    def videos_folder(self) -> Path:
        """``videos/``, or what has the videos instead."""
        places = (self.root / place for place in PLACES)
        return next((place for place in places if next(place.glob("*.webm"), None)), self.root / PLACES[0])

    def _video(self, file: Path, place: int, entry: Any, known: frozenset[str]) -> Video:
        found = entry if isinstance(entry, dict) else {}
        name, template = str(found.get("id", "")), found.get("template")
        if not folder_name(name) or not isinstance(template, str):
            raise wrong_entry(file, place, entry, "an object with id and template")
        label = template.replace("[", "").replace("]", "")
        if label not in known:
            raise OsarbenchError(f"{file}, entry {place}: the template '{label}' is not among the labels.")
        return Video(f"{name}.webm", label, name)

    def _file(self, names: Sequence[str]) -> Path:
        folder = self._folder
        return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])

    @cached_property
    def _folder(self) -> Path:
        for name in LABELS[1:]:
            if any((self.root / folder / name).is_file() for folder in FOLDERS):
                return find_folder(self.root, FOLDERS, name, self.layout)
        return find_folder(self.root, FOLDERS, LABELS[0], self.layout)


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer ssv2."""
    return [SomethingV2]
