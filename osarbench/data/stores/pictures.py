"""Frames that people have as pictures or arrays: folders of frames, SQLite and HDF5 files. Each is told by its path.

========================  ==========================================================================================
path                      what is there
========================  ==========================================================================================
``FOLDER/img_%05d.jpg``   a folder of frames, numbered from 0 or 1; ``FOLDER/img_%05d.jpg#2``: numbered from 2
``FOLDER/frames.db``      SQLite, a table ``Images(ObjId, frames)`` of JPEG files, ``n_frames`` (a number) next to it
``FILE.h5``, ``.hdf5``    HDF5, a dataset ``video`` [T, H, W, 3] of uint8
========================  ==========================================================================================

They have no seconds, so they are whole videos or pieces that were cut before.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np

from osarbench.data.rgb import RgbConverter
from osarbench.data.stores.codecs import decode_jpeg
from osarbench.data.stores.readers import Reader
from osarbench.data.video import UnreadableVideo
from osarbench.interfaces.frame_store import Frames

_TEMPLATE = re.compile(r"(?P<before>[^%/]*)%0?\d*d(?P<after>[^%/#]*)(#(?P<first>\d+))?")


def reader_of(path: str) -> Reader | None:
    """Return the reader of a path of one of these forms; None if it is none."""
    name = path.rpartition("/")[2]
    if _TEMPLATE.fullmatch(name):
        return FRAME_FOLDER
    suffix = os.path.splitext(name)[1].lower()
    forms: dict[str, Reader] = {".db": SQLITE, ".sqlite": SQLITE, ".h5": HDF5, ".hdf5": HDF5}
    return forms.get(suffix)


class Pictures(Reader):
    """What these forms share: frames are found by their number, decoded and scaled."""

    def count(self, path: str, start: float | None, end: float | None) -> int:
        """Return the number of frames."""
        if start is not None or end is not None:
            raise UnreadableVideo(Path(path), f"{self.name} has no seconds; it cannot be cut at {start} and {end}")
        with _reported(path):
            total = self._count(path)
        if not total:
            raise UnreadableVideo(Path(path), "no frame")
        return total

    def read(
        self, path: str, indices: Sequence[int], short_side: int, start: float | None, end: float | None
    ) -> Frames:
        """Return frames, uint8 [T, H, W, 3], with the short side scaled as that of videos is."""
        scale = _Scale(short_side)
        with _reported(path):
            found = {index: scale(picture) for index, picture in self._pictures(path, sorted(set(indices)))}
        return np.stack([found[index] for index in indices])

    def each(self, path: str, short_side: int, start: float | None, end: float | None) -> Iterator[Frames]:
        """Yield all frames, uint8 [H, W, 3]."""
        scale = _Scale(short_side)
        total = self.count(path, start, end)
        with _reported(path):
            for _, picture in self._pictures(path, range(total)):
                yield scale(picture)

    def estimate(self, path: str, start: float | None, end: float | None) -> tuple[float, float]:
        """Return the number of frames, and what their width is to their height."""
        total = self.count(path, start, end)
        with _reported(path):
            _, picture = next(self._pictures(path, [0]))
        return float(total), picture.shape[1] / picture.shape[0]

    def stored(self, path: str, indices: Sequence[int]) -> Iterator[tuple[int, Frames]]:
        """Yield (index, picture uint8 [H, W, 3]) for ascending indices, as they are stored.

        Raises:
            video.UnreadableVideo: one is missing or damaged.
        """
        with _reported(path):
            yield from self._pictures(path, indices)

    def _count(self, path: str) -> int:
        raise NotImplementedError

    def _pictures(self, path: str, indices: Sequence[int]) -> Iterator[tuple[int, Frames]]:
        """Yield (index, picture uint8 [H, W, 3]) for ascending indices from 0."""
        raise NotImplementedError


class FrameFolder(Pictures):
    """A folder of numbered pictures."""

    name: ClassVar[str] = "a folder of frames"

    def parts(self, path: str) -> list[Path]:
        """Return the pictures in the order of their numbers."""
        folder, match = _split(path)
        pattern = re.compile(re.escape(match["before"]) + r"(\d+)" + re.escape(match["after"]))
        numbered = ((pattern.fullmatch(file.name), Path(file.path)) for file in os.scandir(folder))
        return [file for _, file in sorted((int(its[1]), file) for its, file in numbered if its)]

    def _count(self, path: str) -> int:
        folder, match = _split(path)
        template, first = match.string.partition("#")[0], self._first(path)
        begin, end = len(match["before"]), -len(match["after"]) or None
        numbers = {int(file.name[begin:end]) for file in self.parts(path)}
        lacking = min(set(range(first, max(numbers, default=first - 1) + 1)) - numbers, default=None)
        if lacking is not None:
            raise UnreadableVideo(folder, f"the frame {template % lacking} is missing")
        return len([number for number in numbers if number >= first])

    def _pictures(self, path: str, indices: Sequence[int]) -> Iterator[tuple[int, Frames]]:
        folder, match = _split(path)
        template, first = match.string.partition("#")[0], self._first(path)
        for index in indices:
            file = folder / (template % (first + index))
            if not file.is_file():
                raise UnreadableVideo(folder, f"the frame {file.name} is missing")
            yield index, _picture(file)

    def _first(self, path: str) -> int:
        """Return the number of the first frame: the stated one, or 0 if there is such a frame, else 1."""
        folder, match = _split(path)
        if match["first"]:
            return int(match["first"])
        return 0 if (folder / (match.string % 0)).is_file() else 1


class Sqlite(Pictures):
    """JPEG files in an SQLite database, one a video."""

    name: ClassVar[str] = "an SQLite file of frames"

    def parts(self, path: str) -> list[Path]:
        """Return the database and the file of its number of frames, if there is one."""
        count = Path(path).with_name("n_frames")
        return [Path(path), count] if count.is_file() else [Path(path)]

    def _count(self, path: str) -> int:
        with self._open(path) as connection:
            (rows,) = connection.execute("SELECT COUNT(DISTINCT ObjId) FROM Images").fetchone()
        file = Path(path).with_name("n_frames")
        stated = file.read_text().strip() if file.is_file() else str(rows)
        if stated != str(rows):
            raise UnreadableVideo(Path(path), f"it has {rows} frames, and n_frames says {stated}")
        return int(rows)

    def _pictures(self, path: str, indices: Sequence[int]) -> Iterator[tuple[int, Frames]]:
        with self._open(path) as connection:
            names = {_number(name): name for (name,) in connection.execute("SELECT DISTINCT ObjId FROM Images")}
            first = 0 if 0 in names else 1
            for index in indices:
                if first + index not in names:
                    raise UnreadableVideo(Path(path), f"the frame {first + index} is missing")
                ask = "SELECT frames FROM Images WHERE ObjId = ?"
                (data,) = connection.execute(ask, (names[first + index],)).fetchone()
                yield index, decode_jpeg(data)

    @contextmanager
    def _open(self, path: str) -> Iterator[sqlite3.Connection]:
        # Read only, and for a file that nobody writes: no lock is needed, which network file systems may not have.
        connection = sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            yield connection
        finally:
            connection.close()


class Hdf5(Pictures):
    """An array of frames in an HDF5 file, one a video."""

    name: ClassVar[str] = "an HDF5 file of frames"

    def _count(self, path: str) -> int:
        with self._open(path) as frames:
            return int(frames.shape[0])

    def _pictures(self, path: str, indices: Sequence[int]) -> Iterator[tuple[int, Frames]]:
        with self._open(path) as frames:
            for index in indices:  # one by one: a list of indices is ten times slower
                yield index, frames[index]

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        try:
            import h5py
        except ModuleNotFoundError as error:
            raise UnreadableVideo(
                Path(path), "HDF5 files need the package h5py: pip install 'osarbench[hdf5]'"
            ) from error
        with h5py.File(path, "r") as file:
            frames = file.get("video")
            if frames is None or getattr(frames, "ndim", 0) != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
                raise UnreadableVideo(Path(path), "it has no dataset 'video' [T, H, W, 3] of uint8")
            yield frames


class _Scale:
    """Pictures scaled to a short side, by what scales the frames of videos; as they are where they fit already."""

    def __init__(self, short_side: int) -> None:
        self.short_side, self._convert = short_side, RgbConverter(short_side)

    def __call__(self, picture: Frames) -> Frames:
        if min(picture.shape[:2]) == self.short_side:
            return np.ascontiguousarray(picture)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        return np.ascontiguousarray(self._convert(frame))


def _number(name: Any) -> int:
    """Return the number of a frame: ``video/frame_00012`` is 12."""
    match = re.search(r"\d+$", str(name))
    if match is None:
        raise ValueError(f"'{name}' ends in no number")
    return int(match[0])


def _picture(file: Path) -> Frames:
    if file.suffix.lower() in (".jpg", ".jpeg"):
        return decode_jpeg(file.read_bytes())
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _split(path: str) -> tuple[Path, re.Match[str]]:
    folder, _, name = path.rpartition("/")
    match = _TEMPLATE.fullmatch(name)
    assert match is not None
    return Path(folder or "."), match


@contextmanager
def _reported(path: str) -> Iterator[None]:
    """Turn what libraries raise on a damaged or missing file into the reason why a video is unreadable."""
    try:
        yield
    except sqlite3.Error as error:
        raise UnreadableVideo(Path(path), f"no SQLite file of frames: {error}") from error
    except OSError as error:
        raise UnreadableVideo(Path(path), error.strerror or str(error).partition("(")[0].strip()) from error
    except (ValueError, IndexError, TypeError) as error:
        raise UnreadableVideo(Path(path), f"a frame cannot be decoded: {error}") from error


FRAME_FOLDER, SQLITE, HDF5 = FrameFolder(), Sqlite(), Hdf5()
