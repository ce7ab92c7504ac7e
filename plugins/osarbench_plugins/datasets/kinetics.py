"""Kinetics-400, -600 and -700 (Kay et al., 2017, arXiv:1705.06950; Carreira et al., 2018 and 2019): web videos."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import isfinite
from pathlib import Path

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._by_name import ByName
from ._json_lists import folder_name
from ._lists import malformed, rows

FOLDERS = ("annotations", "")
#: What the official lists call a split.
SPLITS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
NEEDED = ("label", "youtube_id", "time_start", "time_end")
LIST = re.compile(r"(?:.*[_.-])?(?P<split>train|val|validate|validation|test)(?:[_.-].*)?\.csv", re.IGNORECASE)


class Kinetics(Dataset):
    """Kinetics of any number of classes: what its lists say, which may be those of 400, 600, 700 or a part of them.

    A clip is found by its name, ``<youtube id>_<start>_<end>`` with seconds of six digits or as they are, else
    ``<youtube id>``, in any of the layouts in circulation: a folder a split, a folder a class in it, class folders
    alone, with blanks or underscores. Clips of one YouTube video share a group. A list without labels (of a test that
    was held out) is no split.

    Args:
        root: the folder of the lists and the videos.
        untrimmed: files are whole YouTube videos, ``<youtube id>``, out of which the lists' seconds are cut.
    """

    name = "kinetics"
    layout = (
        "Kinetics wants annotations/{train,val,test}.csv with the columns label,youtube_id,time_start,time_end,split "
        "(of 400, 600, 700 or 700-2020) and, below videos/, clips named <youtube id>_<start>_<end>.mp4 in folders of "
        "splits, of classes, or of both."
    )

    steps = (
        "train.csv, val.csv and test.csv of one version from https://s3.amazonaws.com/kinetics/400/annotations/ (or "
        "600, 700_2020), into annotations/",
        "the scripts of https://github.com/cvdfoundation/kinetics-dataset download and unpack the clips; the "
        "replacements of corrupt clips are an archive of their own there",
        "videos that are gone from YouTube are missing in every copy: `osarbench data check kinetics` counts them",
    )
    terms = "The lists are CC BY 4.0 (Google); each video has the licence of its uploader."

    def __init__(self, root: Path, *, untrimmed: bool = False) -> None:
        super().__init__(root)
        self._untrimmed = untrimmed

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names in alphabetical order, in which the official label maps have them."""
        return tuple(sorted({video.label for videos in self._videos.values() for video in videos}))

    @property
    def splits(self) -> Sequence[str]:
        """``train``, ``val`` and ``test``, where there is a list with labels."""
        return tuple(self._videos)

    def videos(self, split: str) -> list[Video]:
        """Return the clips of a list, in its order."""
        self.check_split(split)
        return list(self._videos[split])

    @property
    def videos_folder(self) -> Path:
        """``videos/``, or the root where there is none."""
        below = self.root / "videos"
        return below if below.is_dir() else self.root

    def path(self, video: Video) -> Path:
        """Return the file of a clip, or where it should be."""
        clip = video.id.partition("#t=")[0].rpartition("/")[2].removesuffix(".mp4")
        youtube = video.group
        short = re.sub(r"_0*(\d+)_0*(\d+)$", r"_\1_\2", clip)
        names = [youtube] if self._untrimmed else [clip, short, youtube]
        found = self._by_name.find(names, (video.label,))
        return found if found is not None else super().path(video._replace(id=video.id.partition("#t=")[0]))

    @cached_property
    def _by_name(self) -> ByName:
        return ByName(self.videos_folder)

    @cached_property
    def _videos(self) -> Mapping[str, Sequence[Video]]:
        lists = self._lists()
        found = {split: videos for split in ("train", "val", "test") if split in lists
                 if (videos := self._read(lists[split])) is not None}  # fmt: skip
        if not found:
            raise OsarbenchError(f"No list with labels is in {self.root / FOLDERS[0]} or {self.root}.\n{self.layout}")
        return found

    def _lists(self) -> Mapping[str, Path]:
        for folder in FOLDERS:
            found: dict[str, Path] = {}
            for file in sorted((self.root / folder).glob("*.csv")):
                named = LIST.fullmatch(file.name)
                split = SPLITS[named["split"].lower()] if named else ""
                if split in found:
                    raise OsarbenchError(
                        f"{found[split]} and {file.name} are both lists of '{split}'. Leave the lists of one version "
                        "there: 400, 600 and 700 have other clips under the same names."
                    )
                if split:
                    found[split] = file
            if found:
                return found
        raise OsarbenchError(f"There is no list such as {self.root / FOLDERS[0] / 'train.csv'}.\n{self.layout}")

    def _read(self, file: Path) -> Sequence[Video] | None:
        """Return the clips of a list; None if it has no labels."""
        lines = rows(file, self.layout)
        where, columns = next(lines, (str(file), []))
        if not set(NEEDED[1:]) <= set(columns):
            raise malformed(where, ",".join(columns), "label,youtube_id,time_start,time_end,split")
        if "label" not in columns:
            return None
        return tuple(self._clips(lines, columns))

    def _clips(self, lines: Iterator[tuple[str, list[str]]], columns: Sequence[str]) -> Iterator[Video]:
        for where, fields in lines:
            row = dict(zip(columns, fields, strict=False))
            if len(fields) != len(columns) or not folder_name(row["label"]) or not folder_name(row["youtube_id"]):
                raise malformed(where, ",".join(fields), ",".join(columns))
            start, end = (_seconds(where, row[column]) for column in NEEDED[2:])
            if end <= start:
                raise OsarbenchError(f"{where}: the end, {end:g} s, is not after the start, {start:g} s.")
            name = f"{row['label']}/{row['youtube_id']}_{int(start):06d}_{int(end):06d}.mp4"
            if self._untrimmed:
                yield Video(f"{name}#t={start:g},{end:g}", row["label"], row["youtube_id"], start, end)
            else:
                yield Video(name, row["label"], row["youtube_id"])


def _seconds(where: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise OsarbenchError(f"{where}: '{text}' is not a number of seconds.")
    return seconds


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer kinetics."""
    return [Kinetics]
