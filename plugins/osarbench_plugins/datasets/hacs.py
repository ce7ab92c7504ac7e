"""HACS Segments (Zhao et al., ICCV 2019, arXiv:1712.09374): actions of 200 classes, located in untrimmed web videos."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, TypeGuard

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._by_name import ByName
from ._json_lists import folder_name, read_json, wrong_entry

FOLDERS = ("annotations", "")
LIST = "HACS_segments*.json"
SUBSETS = {"train": "training", "val": "validation"}


class Hacs(Dataset):
    """HACS Segments. A segment is a sample, cut out of its video by its seconds; those of one video share a group.

    The testing subset has no public labels. A file is found by its name, ``v_<youtube id>`` or ``<youtube id>``, in
    any folder below ``videos/``.
    """

    name = "hacs"
    layout = (
        "HACS wants annotations/HACS_segments_v1.1.1.json (HACS_v1.1.1.zip) and the untrimmed videos, named "
        "v_<youtube id>.mp4 or <youtube id>.mp4, anywhere below videos/."
    )
    steps = (
        "HACS_v1.1.1.zip from https://github.com/hangzhaomit/HACS-dataset; HACS_segments_v1.1.1.json into annotations/",
        "its download_videos.py --dataset segments downloads the videos from YouTube; for those that are gone, "
        "http://hacs.csail.mit.edu/ has a form",
    )
    terms = "For research; each video has the licence of its uploader."
    splits = tuple(SUBSETS)

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names in alphabetical order."""
        return tuple(sorted({video.label for videos in self._videos.values() for video in videos}))

    def videos(self, split: str) -> list[Video]:
        """Return the segments of a subset, in the order of the list."""
        self.check_split(split)
        return list(self._videos[SUBSETS[split]])

    @property
    def videos_folder(self) -> Path:
        """``videos/``, or the root where there is none."""
        below = self.root / "videos"
        return below if below.is_dir() else self.root

    def path(self, video: Video) -> Path:
        """Return the file of the video that a segment is cut from, or where it should be."""
        found = self._by_name.find((f"v_{video.group}", video.group), (video.label,))
        return found if found is not None else self.videos_folder / f"v_{video.group}.mp4"

    @cached_property
    def _by_name(self) -> ByName:
        return ByName(self.videos_folder)

    @cached_property
    def _videos(self) -> Mapping[str, Sequence[Video]]:
        file = self._file()
        database = read_json(file, self.layout, dict).get("database")
        if not isinstance(database, dict):
            raise OsarbenchError(f"{file} has no 'database'. Is this the official file?\n{self.layout}")
        found: dict[str, list[Video]] = {subset: [] for subset in SUBSETS.values()}
        for name, entry in database.items():
            its = entry if isinstance(entry, dict) else {}
            if not folder_name(name) or not isinstance(its.get("subset"), str):
                raise wrong_entry(file, name, entry, "an object with subset and annotations")
            if its["subset"] in found:
                found[its["subset"]] += _segments(file, name, its.get("annotations"))
        return found

    def _file(self) -> Path:
        for folder in FOLDERS:
            files = sorted((self.root / folder).glob(LIST))
            if len(files) > 1:
                raise OsarbenchError(f"{files[0]} and {files[1].name} are both lists of segments. Leave one of them.")
            if files:
                return files[0]
        raise OsarbenchError(f"The list file {self.root / FOLDERS[0] / LIST} is missing.\n{self.layout}")


def _is_span(seconds: Any) -> TypeGuard[list[float]]:
    if not isinstance(seconds, list) or len(seconds) != 2 or not all(isinstance(s, int | float) for s in seconds):
        return False
    return seconds[0] >= 0 and all(map(isfinite, seconds))


def _segments(file: Path, name: str, annotations: Any) -> Iterator[Video]:
    if not isinstance(annotations, list):
        raise wrong_entry(file, name, annotations, "a list of segments")
    met = set()
    for entry in annotations:
        its = entry if isinstance(entry, dict) else {}
        label, seconds = its.get("label"), its.get("segment")
        if not isinstance(label, str) or not label or not _is_span(seconds):
            raise wrong_entry(file, name, entry, "a segment with label and two seconds")
        start, end = map(float, seconds)
        video = Video(f"{name}.mp4#t={start:g},{end:g}", label, name, start, end)
        if end > start and video.id not in met:  # a few official segments are empty, or listed twice
            met.add(video.id)
            yield video


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer hacs."""
    return [Hacs]
