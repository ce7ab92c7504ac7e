"""Scores tables put side by side: the same test videos, with the same roles and labels, in one order."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores.metrics.thresholds import quantile_threshold
from osarbench.scores.table import validate

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_KEY = ["source", "video"]


class Rule(NamedTuple):
    """How the threshold of a table is learnt, for the metrics that need one."""

    quantile: float = 0.95  #: share of the held-out known videos that it accepts
    source: str = "calibration"  #: their role


DEFAULT_RULE = Rule()


class Scores(NamedTuple):
    """What one table says about N known and M unknown test videos; decisions are None without a threshold."""

    known: FloatArray  #: [N] uncertainties
    unknown: FloatArray  #: [M]
    correct: BoolArray  #: [N] whether the predicted class is right
    known_accepted: BoolArray | None  #: [N] uncertainty at or below the threshold
    unknown_rejected: BoolArray | None  #: [M] above it


class Aligned(NamedTuple):
    """Tables on the same test videos."""

    known: pd.DataFrame  #: [N] source, video and label, sorted by source and video
    unknown: pd.DataFrame  #: [M] likewise
    scores: dict[str, Scores]  #: by the names of the tables
    dropped: dict[str, int]  #: test videos of each table that not all tables have (with ``intersection``)


def align(tables: Mapping[str, pd.DataFrame], *, intersection: bool = False, rule: Rule = DEFAULT_RULE) -> Aligned:
    """Return the tables side by side; train and calibration rows only serve to learn each table's threshold.

    Args:
        tables: by a name that messages use.
        intersection: compare on the videos that all tables have, instead of refusing tables of different videos.

    Raises:
        OsarbenchError: a table is not sound, or the tables differ in their test videos, their roles or labels.
    """
    tested = {name: _tested(name, table) for name, table in tables.items()}
    first_name, first = next(iter(tested.items()))
    common = first.index
    for name, rows in tested.items():
        if intersection:
            common = common.intersection(rows.index)
        elif not rows.index.equals(first.index):
            raise _different(first_name, first.index, name, rows.index)
    if not len(common):
        raise OsarbenchError("The tables have no test video in common (a video counts with its source).")
    common = common.sort_values()
    dropped = {name: len(rows) - len(common) for name, rows in tested.items()}
    tested = {name: rows.loc[common] for name, rows in tested.items()}
    for name, rows in tested.items():
        _check_same(first_name, tested[first_name], name, rows)
    videos = tested[first_name]
    known = (videos["role"] == "known").to_numpy()
    if known.all() or not known.any():
        raise OsarbenchError(f"The tables share no {'unknown' if known.all() else 'known'} test video.")
    scores = {name: _scores(rows, known, tables[name], rule) for name, rows in tested.items()}
    listed = videos.reset_index()[[*_KEY, "label"]]
    return Aligned(listed[known].reset_index(drop=True), listed[~known].reset_index(drop=True), scores, dropped)


def some(names: Collection[object], limit: int = 3) -> str:
    """Return the first few names for a message.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - limit
    return ", ".join(str(name) for name in list(names)[:limit]) + (f" and {more:,} more" if more > 0 else "")


def _tested(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows of a sound table, indexed and sorted by source and video."""
    try:
        validate(table)
    except OsarbenchError as error:
        raise OsarbenchError(f"{name}: {error}") from error
    rows = table[table["role"].isin(["known", "unknown"])]
    return rows.set_index(_KEY).sort_index()


def _different(first: str, has: pd.Index, second: str, its: pd.Index) -> OsarbenchError:
    parts = []
    for name, other, lacking in ((first, second, has.difference(its)), (second, first, its.difference(has))):
        if len(lacking):
            videos = some(["/".join(key) for key in lacking])
            count = f"{len(lacking):,} test video{'s' * (len(lacking) > 1)}"
            parts.append(f"{name} has {count} that {other} lacks: {videos}.")
    return OsarbenchError(
        f"{' '.join(parts)} They have {len(has.intersection(its)):,} in common. A paired comparison needs the same "
        "videos: score them all with both methods, or compare on the common ones with --intersection."
    )


def _check_same(first: str, its: pd.DataFrame, second: str, rows: pd.DataFrame) -> None:
    for column in ("role", "label"):
        wrong = (its[column].to_numpy() != rows[column].to_numpy()).nonzero()[0]
        if len(wrong):
            at = wrong[0]
            raise OsarbenchError(
                f"{first} and {second} disagree about the {column} of {len(wrong):,} videos: "
                f"{'/'.join(its.index[at])} is '{its[column].iloc[at]}' in {first}, '{rows[column].iloc[at]}' in "
                f"{second}. They were not made with the same protocol or annotations; compare tables that were."
            )


def _scores(rows: pd.DataFrame, known: BoolArray, table: pd.DataFrame, rule: Rule) -> Scores:
    held_out = table.loc[table["role"] == rule.source, "uncertainty"].to_numpy(np.float64)
    threshold = quantile_threshold(held_out, rule.quantile)
    uncertainty = rows["uncertainty"].to_numpy(np.float64)
    correct = (rows["label"] == rows["predicted"]).to_numpy()
    return Scores(
        known=uncertainty[known],
        unknown=uncertainty[~known],
        correct=correct[known],
        known_accepted=None if threshold is None else uncertainty[known] <= threshold,
        unknown_rejected=None if threshold is None else uncertainty[~known] > threshold,
    )
