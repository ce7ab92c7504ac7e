"""What is drawn anew in a bootstrap: whole classes, or the sources of clips within their classes.

Videos of one class rise and fall together, and so do clips cut from one source; drawing videos one by one would take
them for independent and give intervals that are too narrow. Drawing known and unknown *classes* whole answers: would
it be so with other classes of this kind? (Sources lie within classes, so their variation is in it.) Drawing *groups*
within each class answers: would it be so with other videos of these classes?

Of k clusters k - 1 are drawn, with weights k / (k - 1): drawing k of k, as is often done, makes the variance too small
by the factor (k - 1) / k, which matters where a class has seven sources (Rao, Wu and Yue 1992, "Some recent work on
resampling methods for complex surveys", with m = k - 1).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores.statistics.align import Aligned, FloatArray, some
from osarbench.scores.statistics.weighted import Sorted, evaluate, find

IntArray = npt.NDArray[np.int64]

#: Weights at a time (replicates x videos): their cumulative sums stay in the processor's cache.
_CHUNK = 2**16


class Clusters(NamedTuple):
    """Videos that are drawn together, and the clusters among which each draw is made."""

    codes: IntArray  #: [N] cluster of each video, 0..k-1
    strata: list[IntArray]  #: a partition of 0..k-1

    @property
    def number(self) -> int:
        """How many clusters there are, k."""
        return sum(len(stratum) for stratum in self.strata)


class Sides(NamedTuple):
    """Clusters of the known and of the unknown videos."""

    known: Clusters
    unknown: Clusters
    groups: bool  #: False: they are classes


def clusters(aligned: Aligned, groups: Mapping[str, str] | None = None) -> Sides:
    """Return the classes of the aligned videos as clusters, or with ``groups`` the groups within each class.

    Args:
        groups: video -> group; clips of one source share it.

    Raises:
        OsarbenchError: a video has no group, or a side has a single cluster, so that there is nothing to draw from.
    """
    videos = aligned.known, aligned.unknown
    known, unknown = (_by_class(rows) if groups is None else _by_group(rows, groups) for rows in videos)
    for side, its in (("known", known), ("unknown", unknown)):
        if its.number < 2:
            raise OsarbenchError(
                f"The tables have a single {side} {'class' if groups is None else 'group'}, so nothing can be said "
                "about others of its kind. "
                + ("Resample the groups within the classes (--resample group)." if groups is None else "")
            )
    return Sides(known, unknown, groups is not None)


def weights(sides: Sides, *, draws: int, seed: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the weights of the known [b, N] and unknown [b, M] videos, ``draws`` replicates in all.

    They depend on the clusters and the seed alone, so tables on the same videos meet the same replicates.
    """
    generator = np.random.default_rng(seed)
    size = max(_CHUNK // (len(sides.known.codes) + len(sides.unknown.codes)), 1)
    for begin in range(0, draws, size):
        count = min(size, draws - begin)
        yield _draw(sides.known, count, generator), _draw(sides.unknown, count, generator)


def replicates(
    tables: Sequence[Sorted], sides: Sides, metrics: tuple[str, ...], *, draws: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return the values [tables, metrics] and their replicates [tables, metrics, draws]."""
    ones = np.ones((1, len(sides.known.codes))), np.ones((1, len(sides.unknown.codes)))
    values = np.array([evaluate(table, *ones, metrics) for table in tables])[:, :, 0]
    chunks = [
        np.array([evaluate(table, known, unknown, metrics) for table in tables])
        for known, unknown in weights(sides, draws=draws, seed=seed)
    ]
    return values, np.concatenate(chunks, axis=2)


def degrees_of_freedom(sides: Sides, metric: str) -> float:
    """Return those of the standard error of a metric: clusters less strata, of the side that has fewer of them."""
    of_side = {"known": sides.known, "unknown": sides.unknown}
    side = find(metric).side
    looked_at = of_side.values() if side == "both" else [of_side[side]]
    return float(max(min(its.number - len(its.strata) for its in looked_at), 1))


def describe(sides: Sides) -> str:
    """Return one line that says what is drawn anew."""
    known, unknown = sides.known.number, sides.unknown.number
    if sides.groups:
        return (
            f"Resampled: the {known:,} known and {unknown:,} unknown sources of clips, within their classes. The "
            "intervals are about other videos of the same classes."
        )
    return (
        f"Resampled: the {known:,} known and {unknown:,} unknown classes, each with all its videos. The intervals are "
        "about other classes of the same kind, and other videos of them."
    )


def _by_class(rows: pd.DataFrame) -> Clusters:
    codes, names = pd.factorize(rows["label"], sort=True)
    return Clusters(codes.astype(np.int64), [np.arange(len(names))])


def _by_group(rows: pd.DataFrame, groups: Mapping[str, str]) -> Clusters:
    lacking = sorted(set(rows["video"]) - set(groups))
    if lacking:
        raise OsarbenchError(
            f"{len(lacking):,} of {len(rows):,} videos have no group: {some(lacking)}. Give a file that has the "
            "columns video and group for all of them, or resample classes."
        )
    group = rows["video"].map(groups)
    codes, _ = pd.factorize(rows["label"] + "\0" + group, sort=True)
    label_of = pd.Series(rows["label"].to_numpy(), index=codes).groupby(level=0).first()
    members = [np.flatnonzero(label_of.to_numpy() == label) for label in sorted(set(label_of))]
    # a class of one group has nothing to be drawn from, so such classes are drawn among each other
    alone = [its for its in members if len(its) == 1]
    strata = [its for its in members if len(its) > 1] + ([np.concatenate(alone)] if alone else [])
    return Clusters(codes.astype(np.int64), strata)


def _draw(side: Clusters, count: int, generator: np.random.Generator) -> FloatArray:
    drawn = np.ones((count, side.number))
    for stratum in side.strata:
        size = len(stratum)
        if size > 1:
            times = generator.multinomial(size - 1, np.full(size, 1 / size), size=count)
            drawn[:, stratum] = times * (size / (size - 1))
    return drawn[:, side.codes]
