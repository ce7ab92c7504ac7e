"""Scores tables put side by side: the same test videos, with the same roles and labels, in one order."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores.metrics.thresholds import RULES
from osarbench.scores.table import validate

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_KEY = ["source", "video"]


class Rule(NamedTuple):
    """How the threshold of a table is learnt, for the metrics that need one."""

    quantile: float = 0.95  #: share of the held-out known videos that it accepts
    source: str = "calibration"  #: their role
    kind: str = "quantile"  #: one of `osarbench.scores.metrics.thresholds.RULES`

    def __str__(self) -> str:
        return f"rule '{self.kind}', accepts {100 * self.quantile:g} % of the {self.source} videos"


DEFAULT_RULE = Rule()


@dataclass(frozen=True)
class Table:
    """A scores table that is read when it is needed, with the rule of its threshold."""

    read: Callable[[], pd.DataFrame]
    rule: Rule = DEFAULT_RULE
    sound: bool = False  #: it was validated already


#: The table of a training run, or the tables of its views.
Seed = pd.DataFrame | Table | Sequence[pd.DataFrame | Table]


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


def by_view(tables: Mapping[str, Sequence[Seed]], rule: Rule = DEFAULT_RULE) -> dict[str, list[list[Table]]]:
    """Return the tables of each method by seed and view; a single table of a seed is its one view.

    Args:
        tables: method -> seeds.
        rule: of the tables that come without one.
    """

    def of(table: pd.DataFrame | Table) -> Table:
        return table if isinstance(table, Table) else Table(partial(_itself, table), rule)

    return {
        name: [[of(seed)] if isinstance(seed, pd.DataFrame | Table) else [of(view) for view in seed] for seed in its]
        for name, its in tables.items()
    }


def flat(tables: Mapping[str, Sequence[Sequence[Table]]]) -> dict[str, Table]:
    """Return the tables of all methods, seeds and views in a row, by names that tell them apart."""
    return {
        name + (f" (seed {i})" if len(its) > 1 else "") + (f" (view {j})" if len(views) > 1 else ""): table
        for name, its in tables.items()
        for i, views in enumerate(its, start=1)
        for j, table in enumerate(views, start=1)
    }


def align(tables: Mapping[str, Table | pd.DataFrame], *, intersection: bool = False) -> Aligned:
    """Return the tables side by side; train and calibration rows only serve to learn each table's threshold.

    Tables are read one after the other, and only their scores are kept.

    Args:
        tables: by a name that messages use.
        intersection: compare on the videos that all tables have, instead of refusing tables of different videos.

    Raises:
        OsarbenchError: a table is not sound, or the tables differ in their test videos, their roles or labels.
    """
    stated = {name: its if isinstance(its, Table) else Table(partial(_itself, its)) for name, its in tables.items()}
    names = list(stated)
    common = _in_common({name: _read(name, stated[name])[0].index for name in names}) if intersection else None
    first: pd.DataFrame | None = None
    scores, dropped = {}, {}
    for name in names:
        rows, threshold = _read(name, stated[name])
        dropped[name] = 0 if common is None else len(rows) - len(common)
        rows = rows if common is None else rows.loc[common]
        if first is None:
            first, known = rows, _known(rows)
        elif not rows.index.equals(first.index):
            raise _different(names[0], first.index, name, rows.index)
        _check_same(names[0], first, name, rows)
        scores[name] = _scores(rows, known, threshold)
    if first is None:
        raise OsarbenchError("There is no scores table to compare.")
    listed = first.reset_index()[[*_KEY, "label"]]
    return Aligned(listed[known].reset_index(drop=True), listed[~known].reset_index(drop=True), scores, dropped)


def some(names: Collection[object], limit: int = 3) -> str:
    """Return the first few names for a message.

    >>> some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - limit
    return ", ".join(str(name) for name in list(names)[:limit]) + (f" and {more:,} more" if more > 0 else "")


def _itself(table: pd.DataFrame) -> pd.DataFrame:
    return table


def _read(name: str, table: Table) -> tuple[pd.DataFrame, float | None]:
    """Return the test rows of a sound table, indexed and sorted by source and video, and its threshold."""
    rows = table.read()
    try:
        if not table.sound:
            validate(rows)
    except OsarbenchError as error:
        raise OsarbenchError(f"{name}: {error}") from error
    held_out = rows.loc[rows["role"] == table.rule.source, "uncertainty"].to_numpy(np.float64)
    tested = rows[rows["role"].isin(["known", "unknown"])]
    return tested.set_index(_KEY).sort_index(), RULES[table.rule.kind](held_out, table.rule.quantile)


def _in_common(indexes: Mapping[str, pd.Index]) -> pd.Index:
    first, *others = indexes.values()
    for other in others:
        first = first.intersection(other)
    if not len(first):
        raise OsarbenchError("The tables have no test video in common (a video counts with its source).")
    return first.sort_values()


def _known(rows: pd.DataFrame) -> BoolArray:
    known: BoolArray = (rows["role"] == "known").to_numpy()
    if known.all() or not known.any():
        raise OsarbenchError(f"The tables share no {'unknown' if known.all() else 'known'} test video.")
    return known


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


def _scores(rows: pd.DataFrame, known: BoolArray, threshold: float | None) -> Scores:
    uncertainty = rows["uncertainty"].to_numpy(np.float64)
    correct = (rows["label"] == rows["predicted"]).to_numpy()
    return Scores(
        known=uncertainty[known],
        unknown=uncertainty[~known],
        correct=correct[known],
        known_accepted=None if threshold is None else uncertainty[known] <= threshold,
        unknown_rejected=None if threshold is None else uncertainty[~known] > threshold,
    )
