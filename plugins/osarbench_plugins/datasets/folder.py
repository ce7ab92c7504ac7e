"""Your own videos: a folder for each class, below folders for splits or not, or a CSV that lists them."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import isfinite
from pathlib import Path, PurePosixPath

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.interfaces.dataset import VIDEO_SUFFIXES, Dataset, Video, cannot_be_read
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.layout import PICTURES, describe_suffixes, files_below, mend

from ._lists import rows

#: Names that folders of splits have, and classes hardly ever.
SPLIT = re.compile(r"(train|test|val|known|unknown|calibration)[a-z]*[_-]?\d*", re.IGNORECASE)
NEEDED = ("path", "label", "split")
OPTIONAL = ("start", "end", "group")


class Folder(Dataset):
    """Videos in class folders or named by a CSV; paths are those below ``videos/``, or below the root without it.

    Without a CSV, ``<class>/<video>`` is the one split ``all``, and ``<split>/<class>/<video>`` makes a split of every
    top folder; folders below a class folder belong to its class. Every file is a group of its own, unless the CSV has a
    column ``group``. A row with a start or an end is a piece of its file and has them in its id: ``a.mp4#t=1.5,3.0``.

    Args:
        root: the folder.
        list: file name of the CSV below the root; empty: ``videos.csv`` if there is one, else class folders.
    """

    name = "folder"
    layout = (
        "A folder wants videos/<class>/*, or videos/{train,test,...}/<class>/*, or a videos.csv with the columns path, "
        "label and split, and where they are known start and end (seconds) and group. videos/ itself may be left out."
    )

    def __init__(self, root: Path, *, list: str = "") -> None:  # noqa: A002  # it is the name of the setting
        super().__init__(root)
        self._file = self.root / (list or "videos.csv")
        self._stated = bool(list)

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names in alphabetical order."""
        return tuple(sorted({video.label for videos in self._videos.values() for video in videos}))

    @property
    def splits(self) -> Sequence[str]:
        """``all``, the folders that hold class folders, or the names in the column ``split``."""
        return tuple(self._videos)

    @property
    def videos_folder(self) -> Path:
        """``videos/``, or the root where there is none."""
        below = self.root / "videos"
        return below if below.is_dir() else self.root

    def path(self, video: Video) -> Path:
        """Return where the file of a video, or of a piece of one, is."""
        piece = video.start is not None or video.end is not None
        return self.videos_folder / (video.id.rpartition("#t=")[0] if piece else video.id)

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, in the order of the CSV or of their paths."""
        self.check_split(split)
        return list(self._videos[split])

    @cached_property
    def _videos(self) -> Mapping[str, Sequence[Video]]:
        found: dict[str, list[Video]] = {}
        listed = self._stated or self._file.is_file()
        for split, video in self._from_list() if listed else self._from_folders():
            found.setdefault(split, []).append(video)
        if not found:
            where = f"{self._file} lists" if listed else f"{self.videos_folder} has"
            raise OsarbenchError(f"{where} no video.{'' if listed else _others(self.root)}\n{self.layout}")
        return found

    def _from_list(self) -> Iterator[tuple[str, Video]]:
        lines = rows(self._file, self.layout)
        where, columns = next(lines, (str(self._file), []))
        _check_columns(where, columns)
        for where, fields in lines:
            if len(fields) != len(columns):
                raise OsarbenchError(
                    f"{where}: '{','.join(fields)}' has {len(fields)} fields, the first line has {len(columns)}: "
                    f"{','.join(columns)}."
                )
            row = dict(zip(columns, fields, strict=True))
            yield row["split"], self._listed(where, row)

    def _listed(self, where: str, row: Mapping[str, str]) -> Video:
        """Return the video of one row of the CSV."""
        for column in NEEDED:
            if not row[column]:
                raise OsarbenchError(f"{where}: the field '{column}' is empty.")
        path = PurePosixPath(row["path"].replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            what = "is absolute" if path.is_absolute() else f"leaves {self.root}"
            raise OsarbenchError(
                f"{where}: {path} {what}. Write paths relative to {self.videos_folder}; a link in it may leave it."
            )
        if path.parts[:1] == ("videos",) and self.videos_folder != self.root:
            path = path.relative_to("videos")
        start, end = (_seconds(where, row, column) for column in ("start", "end"))
        if end is not None and end <= (start or 0):
            raise OsarbenchError(f"{where}: the end, {end} s, is not after the start, {start or 0} s.")
        times = "" if start is end is None else f"#t={'' if start is None else start},{'' if end is None else end}"
        return Video(f"{path}{times}", row["label"], row.get("group") or str(path), start, end)

    def _from_folders(self) -> Iterator[tuple[str, Video]]:
        base = self.videos_folder
        tops = _folders(base) if base.is_dir() else []
        tops = [top for top in tops if _has_videos(top)]
        # A single folder around those of splits, as archives unpack, is neither a split nor a class.
        while len(tops) == 1 and (inner := _folders(tops[0])) and all(SPLIT.fullmatch(its.name) for its in inner):
            tops = inner
        loose = [file for top in tops for file in _files(top)]
        if loose and all(SPLIT.fullmatch(top.name) for top in tops):
            raise OsarbenchError(
                f"{loose[0]} is in no class folder, and '{loose[0].parent.name}' is the name of a split rather than "
                "of a class. Move it into the folder of its class, or list the videos in a videos.csv."
            )
        if loose:
            yield from (("all", _found(file, label, base)) for label in tops for file in _once(_files_below(label)))
            return
        self._check_splits(tops)
        for split in tops:
            for label in _folders(split):
                yield from ((split.name, _found(file, label, base)) for file in _once(_files_below(label)))

    def _check_splits(self, tops: Sequence[Path]) -> None:
        """Refuse folders of folders of videos that may be splits of classes or classes of groups."""
        if any(SPLIT.fullmatch(top.name) for top in tops):
            return
        example = next((file for top in tops for file in _files_below(top)), None)
        if example is not None:
            below = example.relative_to(self.videos_folder)
            top, middle, *_ = below.parts
            folder = shlex.quote(str(self.videos_folder))
            alone = len(tops) == 1
            raise OsarbenchError(
                f"Is '{top}' in {example} a split, or a class? Both of these layouts are two folders deep:\n"
                f"  <split>/<class>/<video>  '{middle}' is a class. Name the folders of splits train*, test*, val*, "
                "known* or unknown*.\n"
                f"  <class>/<group>/<video>  '{top}' is a class. List the videos in {self.root / 'videos.csv'}: a line "
                f"path,label,split,group, then lines such as {below.as_posix()},{top},all,{top}/{middle}\n"
                f"This command writes such a list:\n  {self._listing(example.suffix)}"
                + f"\nOr if '{top}' is neither, take it out:  mv {folder}/{shlex.quote(top)}/* {folder}/"
                * alone
            )

    def _listing(self, suffix: str) -> str:
        """Return the command that lists videos in folders of groups in folders of classes."""
        base, file = shlex.quote(str(self.videos_folder)), shlex.quote(str(self.root / "videos.csv"))
        return (
            f"(echo path,label,split,group; cd {base} && find * -name '*{suffix}' | sort | "
            """awk -F/ '{ print $0 "," $1 ",all," $1 "/" $2 }') > """ + file
        )


def _check_columns(where: str, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in NEEDED + OPTIONAL:
            commas = " Separate them by commas." if ";" in column or "\t" in column else ""
            nearest = commas or did_you_mean(column, NEEDED + OPTIONAL)
            raise OsarbenchError(
                f"{where}: the first line names the columns: {', '.join(NEEDED)}, and where they are known "
                f"{', '.join(OPTIONAL)}. There is no column '{column}'.{nearest}"
            )
    lacking = [column for column in NEEDED if column not in columns]
    if lacking or len(set(columns)) < len(columns):
        fault = f"lacks the column {lacking[0]}" if lacking else "names a column twice"
        raise OsarbenchError(f"{where}: the first line, '{','.join(columns)}', {fault}.")


def _seconds(where: str, row: Mapping[str, str], column: str) -> float | None:
    text = row.get(column)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise OsarbenchError(f"{where}: {column} = '{text}' is not a number of seconds.")
    return seconds


def _has_videos(folder: Path) -> bool:
    return bool(_files(folder)) or any(_has_videos(below) for below in _folders(folder))


def _found(file: Path, label: Path, base: Path) -> Video:
    path = file.relative_to(base).as_posix()
    return Video(path, label.name, path)


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, without links to itself or to what contains it: they would have no end."""
    here = folder.resolve()
    return [path for path in _listed(folder) if path.is_dir() and not here.is_relative_to(path.resolve())]


def _files(folder: Path) -> list[Path]:
    # A link to nowhere is a video that is missing; a folder of frames may be named like its video.
    return [path for path in _listed(folder) if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()]


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder. Names that start with a dot are what file managers leave, such as ._clip.mp4."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise cannot_be_read(folder, error) from error


def _once(files: Sequence[Path]) -> list[Path]:
    """Return each file once, by the first of the paths that lead to it."""
    return list({os.path.realpath(file): file for file in reversed(files)}.values())[::-1]


def _others(folder: Path) -> str:
    """Return what is there instead of videos, and what to do."""
    found = [file.relative_to(folder) for file in files_below(folder)]
    if not found:
        return ""
    listed = "Frames of videos are read through a videos.csv that lists them."
    frames = [listed] * any(file.suffix.lower() in PICTURES for file in found)
    return "\n".join([f" It has other files: {describe_suffixes(found)}.", *frames, *mend(folder, found)])


def _files_below(folder: Path) -> list[Path]:
    return _files(folder) + [file for below in _folders(folder) for file in _files_below(below)]


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer folder."""
    return [Folder]
