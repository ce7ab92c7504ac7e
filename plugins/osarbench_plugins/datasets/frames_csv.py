"""Frame stores with a CSV, as the SRTG and Multi-Temporal networks' code uses them: one SQLite file a video."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.interfaces.hookspecs import hookimpl

from ._lists import malformed, rows

COLUMNS = ("label", "id", "youtube_id", "time_start", "time_end", "split")


class FramesCsv(Dataset):
    """A CSV with the columns label, id (or youtube_id) and split, and perhaps time_start and time_end in seconds.

    A video's frames are in ``jpg/<label>/<id>/frames.db``; with times in ``jpg/<label>/<id>_<start>_<end>/frames.db``,
    whole seconds of six digits. Every video is a group of its own, pieces of one id share a group.

    Args:
        root: the folder of ``jpg/``.
        list: file name of the CSV below the root; empty: the only one there is.
    """

    name = "frames_csv"
    layout = "It wants jpg/<label>/<id>/frames.db and a CSV with the columns label, id, split (time_start, time_end)."

    def __init__(self, root: Path, *, list: str = "") -> None:  # noqa: A002  # it is the name of the setting
        super().__init__(root)
        self._list = list

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names in the order in which the CSV has them first."""
        return tuple(dict.fromkeys(video.label for _, video in self._rows))

    @property
    def splits(self) -> Sequence[str]:
        """The names in the column ``split``."""
        return tuple(dict.fromkeys(split for split, _ in self._rows))

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, in the order of the CSV."""
        self.check_split(split)
        return [video for its, video in self._rows if its == split]

    @property
    def videos_folder(self) -> Path:
        """The folder of the class folders."""
        return self.root / "jpg"

    def path(self, video: Video) -> Path:
        """Return the SQLite file of a video."""
        return self.videos_folder / video.id / "frames.db"

    @cached_property
    def _rows(self) -> Sequence[tuple[str, Video]]:
        return tuple(self._read(self._file()))

    def _file(self) -> Path:
        if self._list:
            return self.root / self._list
        found = sorted(self.root.glob("*.csv"))
        if len(found) != 1:
            raise OsarbenchError(
                f'{self.root} has {len(found)} CSV files. Say which it is: list = "NAME.csv" in [data.frames_csv].'
                f"\n{self.layout}"
            )
        return found[0]

    def _read(self, file: Path) -> Iterator[tuple[str, Video]]:
        lines = rows(file, self.layout)
        where, columns = next(lines, (str(file), []))
        other = [column for column in columns if column not in COLUMNS]
        if other or not {"label", "split"} <= set(columns) or not {"id", "youtube_id"} & set(columns):
            raise malformed(where, ",".join(columns), "label,id,time_start,time_end,split")
        for where, fields in lines:
            row = dict(zip(columns, fields, strict=False))
            if len(fields) != len(columns) or not row["label"] or not row["split"]:
                raise malformed(where, ",".join(fields), ",".join(columns))
            yield row["split"], _video(where, row)


def _video(where: str, row: Mapping[str, str]) -> Video:
    name = row.get("id") or row.get("youtube_id") or ""
    times = [row.get(column, "") for column in ("time_start", "time_end")]
    if any(part in ("..", "") or "/" in part for part in (name, row["label"])):
        raise OsarbenchError(f"{where}: '{name}' of the class '{row['label']}' is no name of a folder.")
    group = f"{row['label']}/{name}"
    if all(times):
        try:
            name += "".join(f"_{int(float(text)):06d}" for text in times)
        except ValueError as error:
            raise OsarbenchError(f"{where}: {times[0]} and {times[1]} are no seconds.") from error
    return Video(str(PurePosixPath(row["label"], name)), row["label"], group)


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer frames_csv."""
    return [FramesCsv]
