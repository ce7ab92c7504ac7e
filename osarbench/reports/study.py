"""Two networks and their fusion, class by class: what one confuses, and which classes the other helps and hurts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.reports.results import Result

TOPS = (1, 5, 10)
SHOWN = 10  #: of the best and the worst classes, and of confused pairs
DRAWS = 2000
UNKNOWN = "unknown"
KEY = ["source", "video"]


class Stream(NamedTuple):
    """One network, or the fusion: its videos in the common order."""

    name: str
    known: pd.DataFrame  #: rows of known test videos
    unknown: pd.DataFrame
    threshold: float | None  #: of uncertainty, above which a video is called unknown


class ClassRow(NamedTuple):
    """One known class."""

    label: str
    videos: int
    accuracy: list[float]  #: of each stream
    rejected: list[float | None]  #: of each stream, at its threshold
    gain: float  #: accuracy of the second stream less that of the first
    low: float | None  #: of its 95 % interval
    high: float | None

    @property
    def verdict(self) -> str:
        """Whether the second stream helps, hurts, or neither can be said."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return ""
        return "helps" if self.low > 0 else "hurts"


class Pair(NamedTuple):
    """How often one class is taken for another."""

    label: str
    decision: str
    rate: float
    videos: int
    support: int


class Study(NamedTuple):
    """What the page and the files show."""

    streams: list[Stream]
    labels: list[str]
    tops: list[dict[int, float | None]]  #: of each stream: k -> share of videos whose class is among the k likeliest
    classes: list[ClassRow]  #: in the order of the labels
    counts: list[npt.NDArray[np.int64]]  #: of each stream, [K + sources, K + 1]: the last column is "unknown"
    sources: list[str]  #: of unknown videos, the last rows of `counts`
    left_out: int  #: videos that not every stream has

    @property
    def videos(self) -> int:
        """Known test videos that the numbers are over."""
        return len(self.streams[0].known)


def study(results: Sequence[Result]) -> Study:
    """Return the study of two results, and of their fusion if it is the third, on the videos that all have.

    Raises:
        OsarbenchError: there are fewer than two results, or they have no known video in common.
    """
    if len(results) not in (2, 3):
        raise OsarbenchError(f"A study is of two results, or of two and their fusion; these are {len(results)}.")
    tables = [its.rows.set_index(KEY, drop=False) for its in results]
    common = [key for key in tables[0].index if all(key in table.index for table in tables[1:])]
    every = {key for table in tables for key in table.index[table["role"].isin(["known", "unknown"])]}
    streams = [_stream(result, table.loc[common]) for result, table in zip(results, tables, strict=True)]
    if not len(streams[0].known):
        raise OsarbenchError("The results have no known test video in common.")
    labels = sorted(set(streams[0].known["label"]))
    sources = sorted(set(streams[0].unknown["source"]))
    tested = len(streams[0].known) + len(streams[0].unknown)
    return Study(
        streams,
        labels,
        [_tops(stream) for stream in streams],
        [_class_row(label, streams) for label in labels],
        [_counts(stream, labels, sources) for stream in streams],
        sources,
        len(every) - tested,
    )


def closed_counts(found: Study, stream: int) -> npt.NDArray[np.int64]:
    """Return videos by true and predicted class of a stream, nothing rejected, [K, K]."""
    number = {label: position for position, label in enumerate(found.labels)}
    counts = np.zeros((len(number), len(number)), np.int64)
    rows = found.streams[stream].known
    for label, predicted in zip(rows["label"], rows["predicted"], strict=True):
        if predicted in number:
            counts[number[label], number[predicted]] += 1
    return counts


def normalised(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return shares of each row; a row without videos is zero."""
    shares: npt.NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def confused_pairs(counts: npt.NDArray[np.int64], labels: Sequence[str], limit: int = SHOWN) -> list[Pair]:
    """Return the pairs of classes with the highest rate of confusion; ties: more videos first, then by class.

    Args:
        counts: by true and predicted class, [K, K].
        labels: [K].
        limit: at most so many.
    """
    support, rates = counts.sum(axis=1), normalised(counts)
    cells = [(row, column) for row, column in zip(*np.nonzero(counts), strict=True) if row != column]
    cells.sort(key=lambda cell: (-rates[cell], -counts[cell], cell))
    return [
        Pair(labels[row], labels[column], float(rates[row, column]), int(counts[row, column]), int(support[row]))
        for row, column in cells[:limit]
    ]


def ranked(found: Study, stream: int, *, best: bool) -> list[ClassRow]:
    """Return the best or worst classes of a stream; ties: more videos first, then by class.

    Args:
        found: the study.
        stream: its position.
        best: the best, or the worst.
    """
    sign = -1 if best else 1
    return sorted(found.classes, key=lambda row: (sign * row.accuracy[stream], -row.videos, row.label))[:SHOWN]


def _stream(result: Result, rows: pd.DataFrame) -> Stream:
    threshold = result.outcome().threshold
    known, unknown = (rows[rows["role"] == role].reset_index(drop=True) for role in ("known", "unknown"))
    return Stream(result.name, known, unknown, threshold)


def _tops(stream: Stream) -> dict[int, float | None]:
    if "label_rank" not in stream.known or stream.known["label_rank"].isna().any():
        return {k: float(_right(stream).mean()) if k == 1 else None for k in TOPS}
    ranks = stream.known["label_rank"].to_numpy()
    return {k: float((ranks <= k).mean()) for k in TOPS}


def _right(stream: Stream) -> npt.NDArray[np.bool_]:
    return (stream.known["label"] == stream.known["predicted"]).to_numpy()


def _rejected(stream: Stream, rows: pd.DataFrame) -> npt.NDArray[np.bool_] | None:
    return None if stream.threshold is None else (rows["uncertainty"] > stream.threshold).to_numpy()


def _class_row(label: str, streams: Sequence[Stream]) -> ClassRow:
    inside = (streams[0].known["label"] == label).to_numpy()
    right = [_right(stream)[inside] for stream in streams]
    rejected = [_rejected(stream, stream.known[inside]) for stream in streams]
    difference = right[1].astype(float) - right[0].astype(float)
    rows = streams[0].known[inside]
    groups = rows["group"] if "group" in rows and rows["group"].notna().all() else rows["video"]
    low, high = paired_interval(difference, groups.to_numpy())
    return ClassRow(
        label,
        int(inside.sum()),
        [float(its.mean()) for its in right],
        [None if its is None else float(its.mean()) for its in rejected],
        float(difference.mean()),
        low,
        high,
    )


def paired_interval(difference: npt.NDArray[np.float64], groups: npt.NDArray[Any]) -> tuple[float | None, float | None]:
    """Return the 95 % percentile interval of a mean of paired differences, whole groups resampled.

    Args:
        difference: of each video, [N].
        groups: of each video; clips of one source share theirs. Of a single group there is no interval.
    """
    _, which = np.unique(groups.astype(str), return_inverse=True)
    count = int(which.max()) + 1
    if count < 2:
        return None, None
    sums, sizes = np.bincount(which, difference, count), np.bincount(which, minlength=count)
    drawn = np.random.default_rng(0).integers(count, size=(DRAWS, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _counts(stream: Stream, labels: Sequence[str], sources: Sequence[str]) -> npt.NDArray[np.int64]:
    column = {label: position for position, label in enumerate(labels)}
    row = {**column, **{source: len(labels) + position for position, source in enumerate(sources)}}
    counts = np.zeros((len(row), len(labels) + 1), np.int64)
    for rows, names in ((stream.known, stream.known["label"]), (stream.unknown, stream.unknown["source"])):
        rejected = _rejected(stream, rows)
        for position, (name, predicted) in enumerate(zip(names, rows["predicted"], strict=True)):
            away = rejected is not None and rejected[position]
            if away or predicted in column:
                counts[row[name], len(labels) if away else column[predicted]] += 1
    return counts


def as_dict(found: Study) -> Mapping[str, Any]:
    """Return all numbers as plain values."""
    names = [stream.name for stream in found.streams]
    return {
        "videos": found.videos,
        "unknown_videos": len(found.streams[0].unknown),
        "left_out": found.left_out,
        "top": {
            name: {str(k): value for k, value in tops.items()} for name, tops in zip(names, found.tops, strict=True)
        },
        "classes": [
            {**row._asdict(), "accuracy": dict(zip(names, row.accuracy, strict=True)),
             "rejected": dict(zip(names, row.rejected, strict=True)), "second": row.verdict}
            for row in found.classes
        ],
        "confused_pairs": {
            name: [pair._asdict() for pair in confused_pairs(closed_counts(found, position), found.labels)]
            for position, name in enumerate(names)
        },
    }  # fmt: skip
