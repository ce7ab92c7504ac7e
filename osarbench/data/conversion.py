"""The videos of a data set in another form: what is to be written where, and what became of it."""

import copy
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from osarbench import console
from osarbench.artifacts.storage import write_text
from osarbench.data import framed, processes
from osarbench.data.stores import readers, writing
from osarbench.data.stores.base import Source
from osarbench.data.stores.writing import Job
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video

CSV = "frames.csv"  #: what the SRTG code, and the data set `frames_csv`, read next to SQLite files


@dataclass(frozen=True)
class Conversion:
    """What is to be written."""

    jobs: tuple[Job, ...]
    missing: int  #: listed videos that are not there
    template: str  #: of the places, as a protocol says it
    rows: tuple[tuple[str, Video], ...]  #: split and video of what is there


@dataclass(frozen=True)
class Report:
    """What became of it."""

    videos: int  #: written
    frames: int
    there: int  #: videos that were there already
    unreadable: tuple[tuple[str, str], ...]  #: path and reason


def plan(
    dataset: Dataset, form: str, into: Path, *, splits: Sequence[str] = (), short_side: int, quality: int
) -> Conversion:
    """Say what would be written for a data set.

    Args:
        dataset: prepared.
        form: "folder", "sqlite", "hdf5", or a place such as "frames/{id}/img_%05d.jpg".
        into: the folder of the places.
        splits: only these; none: all.
        short_side: pixels.
        quality: of JPEG.

    Raises:
        OsarbenchError: there is no such form or split, or two pieces of a video would be one file.
    """
    template = writing.FORMS.get(form, form)
    place = framed.with_frames(type(dataset), template, f"--to {form}")
    target = copy.copy(dataset)
    target.__class__ = place  # the same lists, other places
    jobs: dict[str, Job] = {}
    rows, missing = [], 0
    for split in splits or dataset.splits:
        for video, plain in zip(dataset.videos(split), target.videos(split), strict=True):
            source = dataset.path(video)
            if not readers.is_there(source):
                missing += 1
                continue
            path = str(into / target.path(plain).relative_to(dataset.root))
            job = Job(Source(video.id, str(source), video.start, video.end), path, short_side, quality)
            if jobs.setdefault(path, job).source != job.source:
                raise OsarbenchError(
                    f"'{jobs[path].source.id}' and '{video.id}' would both be {path}. Put their seconds into the "
                    'place: --to "frames/{id}_{start:06d}_{end:06d}/img_%05d.jpg".'
                )
            rows.append((split, video))
    return Conversion(tuple(jobs.values()), missing, template, tuple(rows))


def run(conversion: Conversion, into: Path, workers: int) -> Report:
    """Write what is not there yet.

    Args:
        conversion: what `plan` returned.
        into: the folder of the places.
        workers: processes.

    Raises:
        OsarbenchError: the disk is full, the folder may not be written to, or a process was killed.
    """
    done = list(console.counted(_converted(conversion.jobs, workers), "convert", len(conversion.jobs), "videos"))
    if conversion.template == writing.FORMS["sqlite"]:
        write_text(into / CSV, _csv(conversion.rows))
    bad = {job.source.path: its.reason for job, its in zip(conversion.jobs, done, strict=True) if its.reason}
    written = [its.frames for its in done if its.frames]
    return Report(len(written), sum(written), len(done) - len(written) - len(bad), tuple(bad.items()))


def _converted(jobs: Sequence[Job], workers: int) -> Iterator[writing.Done]:
    if workers <= 1 or len(jobs) <= 1:
        return map(writing.convert, jobs)
    return processes.in_processes(
        writing.convert, jobs, min(workers, len(jobs)), what="converts videos",
        remedy="Run the same command again: what is written already is kept.",
    )  # fmt: skip


def _csv(rows: Sequence[tuple[str, Video]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("label", "id", "split"))
    table.writerows((video.label, Path(video.id).stem, split) for split, video in rows)
    return text.getvalue()
