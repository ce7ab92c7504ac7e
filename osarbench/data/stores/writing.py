"""Frames in the forms that other people's code reads: folders of pictures, SQLite and HDF5 files, one video each.

A video is written whole or not at all, and one that is there stays as it is: an interrupted conversion goes on.
"""

import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from osarbench.artifacts.storage import atomic_write, in_words, write_text
from osarbench.data.stores import pictures, readers
from osarbench.data.stores.base import Source
from osarbench.data.stores.codecs import Jpeg
from osarbench.data.video import UnreadableVideo
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import Frames

#: Name of a form -> where its frames are below the data set's folder, as `frames = ...` of a protocol says it.
FORMS = {
    "folder": "frames/{id}/img_%05d.jpg",
    "sqlite": "jpg/{label}/{name}/frames.db",
    "hdf5": "h5/{id}.h5",
}


class Job(NamedTuple):
    """One video to be written in another form."""

    source: Source
    target: str  #: a path that `pictures.reader_of` knows
    short_side: int  #: pixels
    quality: int  #: of JPEG


class Done(NamedTuple):
    """What became of a job."""

    frames: int  #: written; 0 where the target was there already, or nothing could be read
    reason: str | None = None  #: why the video could not be read


def convert(job: Job) -> Done:
    """Write one video.

    Raises:
        OsarbenchError: the target cannot be written, the disk is full, or a library is missing.
    """
    source = job.source
    if readers.is_there(Path(job.target)):
        return Done(0)
    reader = readers.of(source.path)
    frames = _Counted(reader.each(source.path, job.short_side, source.start, source.end))
    try:
        _WRITERS[pictures.reader_of(job.target)](job, frames)
    except UnreadableVideo as error:
        return Done(0, error.reason)
    return Done(frames.count)


class _Counted:
    """Frames, counted as they pass."""

    def __init__(self, frames: Iterable[Frames]) -> None:
        self._frames, self.count = frames, 0

    def __iter__(self) -> Iterator[Frames]:
        for frame in self._frames:
            self.count += 1
            yield frame


def _folder(job: Job, frames: Iterable[Frames]) -> None:
    template = Path(job.target)
    encode = _encoder(template.suffix, job.quality)
    with _whole(template.parent) as temporary:
        for number, frame in enumerate(frames, start=1):
            (temporary / (template.name % number)).write_bytes(encode(frame))


def _sqlite(job: Job, frames: Iterable[Frames]) -> None:
    """Write ``Images(ObjId, frames, size)`` with ObjId ``<video>/frame_00001``, and ``n_frames`` beside it."""
    file, encode, count = Path(job.target), Jpeg(job.quality).encode, 0
    with atomic_write(file) as temporary:
        temporary.unlink()
        try:
            connection = sqlite3.connect(temporary)
            with connection:
                connection.execute("CREATE TABLE Images(ObjId STRING PRIMARY KEY, frames BLOB, size INT)")
                for frame in frames:
                    count += 1
                    row = (f"{file.parent.name}/frame_{count:05d}", encode(frame), frame.shape[1])
                    connection.execute("INSERT INTO Images VALUES (?, ?, ?)", row)
            connection.close()
        except sqlite3.OperationalError as error:
            raise OsarbenchError(f"{file} cannot be written: {error}.") from error
        write_text(file.with_name("n_frames"), str(count))


def _hdf5(job: Job, frames: Iterable[Frames]) -> None:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise OsarbenchError("HDF5 files are written by the package h5py: pip install 'osarbench[hdf5]'.") from error
    with atomic_write(Path(job.target)) as temporary, h5py.File(temporary, "w") as file:
        dataset = None
        for number, frame in enumerate(frames):  # one at a time: the frames of an hour would not fit into memory
            if dataset is None:
                shape = frame.shape
                dataset = file.create_dataset("video", (0, *shape), "u1", maxshape=(None, *shape), chunks=(1, *shape))
            dataset.resize(number + 1, axis=0)
            dataset[number] = frame


def _encoder(suffix: str, quality: int) -> Callable[[Frames], bytes]:
    if suffix.lower() in (".jpg", ".jpeg"):
        return Jpeg(quality).encode
    if suffix.lower() != ".png":
        raise OsarbenchError(f"Frames are written as .jpg or .png, not as '{suffix}'.")
    return _png


def _png(frame: Frames) -> bytes:
    from io import BytesIO

    from PIL import Image

    memory = BytesIO()
    Image.fromarray(frame).save(memory, "PNG")
    return memory.getvalue()


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, which becomes the folder when nothing was raised."""
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, folder)
    except OSError as error:
        raise in_words(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_WRITERS: dict[readers.Reader | None, Callable[[Job, Iterable[Frames]], None]] = {
    pictures.FRAME_FOLDER: _folder,
    pictures.SQLITE: _sqlite,
    pictures.HDF5: _hdf5,
}
