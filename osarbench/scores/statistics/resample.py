"""What is drawn anew in a bootstrap: whole classes, or the sources of clips within their classes.

Videos of one class rise and fall together, and so do clips cut from one source; drawing videos one by one would take
them for independent and give intervals that are too narrow. Drawing known and unknown *classes* whole answers: would
it be so with other classes of this kind? (Sources lie within classes, so their variation is in it.) Drawing *groups*
within each class answers: would it be so with other videos of these classes?

Of k clusters k - 1 are drawn, with weights k / (k - 1): drawing k of k, as is often done, makes the variance too small
by the factor (k - 1) / k, which matters where a class has seven sources (Rao, Wu and Yue 1992, "Some recent work on
resampling methods for complex surveys", with m = k - 1).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores.metrics.registry import find_resampled
from osarbench.scores.statistics import weighted
from osarbench.scores.statistics.align import Aligned, FloatArray, Scores, some

IntArray = npt.NDArray[np.int64]

#: Draws are made so many videos at a time (it decides which random numbers go into which draw).
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


class Draws(NamedTuple):
    """How often each cluster is drawn, [draws, k] of each side, and what one draw of it weighs, [k]."""

    known: npt.NDArray[np.uint16]
    unknown: npt.NDArray[np.uint16]
    known_weight: FloatArray
    unknown_weight: FloatArray

    def weights(self, begin: int, end: int) -> tuple[FloatArray, FloatArray]:
        """Return the weights of the known [b, k] and unknown [b, c] clusters in some of the draws."""
        return self.known[begin:end] * self.known_weight, self.unknown[begin:end] * self.unknown_weight


def draw(sides: Sides, *, draws: int, seed: int) -> Draws:
    """Return draws of the clusters of both sides.

    They depend on the clusters and the seed alone, so tables on the same videos meet the same replicates.
    """
    generator = np.random.default_rng(seed)
    size = max(_CHUNK // (len(sides.known.codes) + len(sides.unknown.codes)), 1)
    known, unknown = (np.ones((draws, side.number), np.uint16) for side in (sides.known, sides.unknown))
    for begin in range(0, draws, size):
        _draw(sides.known, known[begin : begin + size], generator)
        _draw(sides.unknown, unknown[begin : begin + size], generator)
    return Draws(known, unknown, _weight(sides.known), _weight(sides.unknown))


def replicates(
    tables: Iterable[Scores], sides: Sides, metrics: Sequence[str], *, draws: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return the values [tables, metrics] and their replicates [tables, metrics, draws].

    Args:
        tables: of the videos of ``sides``, in their order; each is looked at once.
        sides: what is drawn.
        metrics: names of metrics that can be resampled.
        draws: how many replicates.
        seed: of the draws.
    """
    drawn = draw(sides, draws=draws, seed=seed)
    found = [_replicates(table, sides, tuple(metrics), drawn) for table in tables]
    return np.array([values for values, _ in found]), np.array([its for _, its in found])


def _replicates(scores: Scores, sides: Sides, metrics: tuple[str, ...], drawn: Draws) -> tuple[FloatArray, FloatArray]:
    """Return the values [metrics] of one table and their replicates [metrics, draws]."""
    table = weighted.sort(scores, sides.known.codes, sides.unknown.codes, steps=weighted.STEPS)
    ones = np.ones((1, sides.known.number)), np.ones((1, sides.unknown.number))
    # a single cluster on each side has few pairs to count
    exact = weighted.sort(scores, *(np.zeros(len(its), np.int64) for its in (scores.known, scores.unknown)))
    one = np.ones((1, 1))
    values, found = np.empty(len(metrics)), np.empty((len(metrics), len(drawn.known)))
    for positions, size in weighted.batches(table, metrics):
        names = [metrics[j] for j in positions]
        values[positions] = nearly = np.ravel(weighted.evaluate(exact, one, one, names))
        if table.rounded:
            nearly = np.ravel(weighted.evaluate(table, *ones, names))
        for begin in range(0, len(drawn.known), size):
            part = slice(begin, begin + size)
            replicates = np.array(weighted.evaluate(table, *drawn.weights(begin, begin + size), names))
            found[positions, part] = replicates + (values[positions] - nearly)[:, None]
    return values, found


def degrees_of_freedom(sides: Sides, metric: str) -> float:
    """Return those of the standard error of a metric: clusters less strata, of the side that has fewer of them."""
    of_side = {"known": sides.known, "unknown": sides.unknown}
    side = find_resampled(metric).side
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


def _draw(side: Clusters, drawn: npt.NDArray[np.uint16], generator: np.random.Generator) -> None:
    """Fill ``drawn`` [b, k] with how often each cluster is drawn."""
    for stratum in side.strata:
        size = len(stratum)
        if size > 1:
            drawn[:, stratum] = generator.multinomial(size - 1, np.full(size, 1 / size), size=len(drawn))


def _weight(side: Clusters) -> FloatArray:
    weight = np.ones(side.number)
    for stratum in side.strata:
        if len(stratum) > 1:
            weight[stratum] = len(stratum) / (len(stratum) - 1)
    return weight
