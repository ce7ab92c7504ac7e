"""Metrics of weighted test videos: one sort of a table serves every resampling of it.

A resampled table is the same table with other weights, one for each cluster of videos. Nothing is sorted again: the
metrics themselves (`osarbench.scores.metrics`) are given cumulative sums of weights in place of counts, and pairs of
videos are counted once for each pair of clusters. With whole weights each number is that of the table in which each row
is repeated as often as it weighs.

A table of more than `DISTINCT` distinct uncertainties is resampled with its uncertainties rounded to `STEPS` steps of
equal numbers of videos; its value is exact, and the replicates are moved by what rounding changes of it. That moves
replicates of areas by less than 1e-5, and those of FPR95, which is the height of one step, by less than 1e-4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from osarbench.scores.metrics.ranking import Ranking, doubled_wins
from osarbench.scores.metrics.registry import find_resampled
from osarbench.scores.metrics.sample import Sample
from osarbench.scores.statistics.align import BoolArray, FloatArray, Scores

IntArray = npt.NDArray[np.int64]

#: Distinct uncertainties that are resampled one by one; more are rounded to so many steps.
DISTINCT = 2**16
STEPS = 2**14
#: Pairs of clusters that are counted at most; beyond it, pairs are counted again under each weighting.
_PAIRS = 2**20
#: Cumulative sums at a time (weightings x thresholds), and weights of clusters at a time.
_SUMS = 2**17
_WEIGHTS = 2**22
#: Levels at a time where pairs are counted.
_BLOCK = 2**12


class Side(NamedTuple):
    """The videos of one role: their position in the order of uncertainties, and the clusters that are weighted."""

    codes: IntArray  #: [N] cluster, 0..k-1
    number: int  #: k
    sizes: FloatArray  #: [k] videos of each cluster
    levels: IntArray  #: [N] 0..G-1, the highest uncertainty first
    order: IntArray  #: [N] videos, the highest uncertainty first
    ends: IntArray  #: [G + 1] how many of them lie at or above each level; entry 0: none


@dataclass(frozen=True)
class Sorted:
    """A table in the order of its uncertainties."""

    scores: Scores
    known: Side
    unknown: Side
    levels: int  #: G
    rounded: bool

    @cached_property
    def pairs(self) -> tuple[FloatArray, FloatArray] | None:
        """Twice the wins of each unknown over each known cluster, [k, c], and over its rightly classified videos.

        None where there are too many pairs of clusters.
        """
        if self.known.number * self.unknown.number > _PAIRS:
            return None
        above = np.zeros(self.unknown.number)
        found = np.zeros((2, self.known.number, self.unknown.number))
        sides = [self.histogram(self.known), self.histogram(self.known, self.scores.correct)]
        unknown = self.histogram(self.unknown)
        for begin in range(0, self.levels, _BLOCK):
            at = unknown[begin : begin + _BLOCK].toarray()
            upto = above + np.cumsum(at, axis=0)
            above = upto[-1]
            for wins, side in zip(found, sides, strict=True):
                wins += side[begin : begin + _BLOCK].T @ (2 * upto - at)
        return found[0], found[1]

    @cached_property
    def histograms(self) -> dict[str, sparse.csr_array]:
        """Known, unknown and rightly classified known videos by level and cluster."""
        return {
            "known": self.histogram(self.known),
            "unknown": self.histogram(self.unknown),
            "correct": self.histogram(self.known, self.scores.correct),
        }

    def histogram(self, side: Side, flags: BoolArray | None = None) -> sparse.csr_array:
        """Return the videos of a side, or those flagged [N], by level and cluster, [G, k]."""
        chosen = slice(None) if flags is None else flags
        levels, codes = side.levels[chosen], side.codes[chosen]
        return sparse.csr_array((np.ones(len(levels)), (levels, codes)), shape=(self.levels, side.number))


def sort(
    scores: Scores, known: IntArray | None = None, unknown: IntArray | None = None, *, distinct: int | None = None,
    steps: int = STEPS,
) -> Sorted:  # fmt: skip
    """Return a table's order; NaN is refused earlier, by `osarbench.scores.table.validate`.

    Args:
        scores: the table.
        known: cluster of each known video, [N], 0..k-1 (default: each its own).
        unknown: likewise, [M].
        distinct: round the uncertainties if there are more distinct ones (default: never).
        steps: how many steps they are rounded to.
    """
    values, inverse, counts = np.unique(
        -np.concatenate([scores.known, scores.unknown]), return_inverse=True, return_counts=True
    )
    rounded = distinct is not None and len(values) > distinct
    if rounded:
        step = (np.cumsum(counts) - counts) * steps // counts.sum()
        inverse = np.unique(step, return_inverse=True)[1][inverse]
    levels = inverse.astype(np.int64)
    number, split = int(levels.max()) + 1, len(scores.known)
    sides = [
        _side(its, np.arange(len(its)) if codes is None else codes, number)
        for its, codes in ((levels[:split], known), (levels[split:], unknown))
    ]
    return Sorted(scores, sides[0], sides[1], number, rounded)


def evaluate(table: Sorted, known: FloatArray, unknown: FloatArray, metrics: Sequence[str]) -> list[FloatArray]:
    """Return each metric [B] under B weightings of the known [B, k] and unknown [B, c] clusters."""
    weighed = Weighed(table, known, unknown)
    return [np.asarray(find_resampled(name).number(weighed), np.float64) for name in metrics]


def batches(table: Sorted, metrics: Sequence[str]) -> list[tuple[list[int], int]]:
    """Return the positions of metrics that are best computed together, and under how many weightings at a time.

    Metrics of clusters alone take one product for all weightings; cumulative sums should stay in the cache.
    """
    curve = [_needs_curve(table, name) for name in metrics]
    sizes = {False: _WEIGHTS // (table.known.number + table.unknown.number), True: _SUMS // table.levels}
    found = [([j for j, its in enumerate(curve) if its == kind], max(size, 16)) for kind, size in sizes.items()]
    return [(positions, size) for positions, size in found if positions]


def _needs_curve(table: Sorted, metric: str) -> bool:
    """Whether a metric looks at the cumulative sums of weights, and not at clusters alone."""
    weighed = Weighed(table, np.ones((1, table.known.number)), np.ones((1, table.unknown.number)))
    find_resampled(metric).number(weighed)
    return "ranking" in vars(weighed)


@dataclass(frozen=True)
class Weighed(Sample):
    """A sorted table under B weightings; what several metrics need is computed once."""

    table: Sorted
    known: FloatArray  #: [B, k]
    unknown: FloatArray  #: [B, c]

    @cached_property
    def ranking(self) -> Ranking:
        """The weights rejected at each distinct uncertainty, [B, G + 1]; ``correct`` is empty, see the next."""
        known, unknown = self._upto("known", self.known), self._upto("unknown", self.unknown)
        return Ranking(known, unknown, np.empty((len(known), 0)))

    @cached_property
    def rejected_correct(self) -> FloatArray:
        """The weight of rightly named known videos rejected at each distinct uncertainty, [B, G + 1]."""
        return self._upto("correct", self.known)

    @cached_property
    def totals(self) -> tuple[FloatArray, FloatArray]:
        """The weights of all known and of all unknown videos, [B] each."""
        return _sums(self.known, self.table.known), _sums(self.unknown, self.table.unknown)

    def wins(self, *, correct: bool = False) -> FloatArray:
        """Return twice the weight of won pairs, [B]: a bilinear form of the weights of clusters."""
        if self.table.pairs is not None:
            return np.asarray(np.einsum("bc,bc->b", self.known @ self.table.pairs[correct], self.unknown))
        beaten = self._upto("correct", self.known) if correct else self.ranking.known
        return np.asarray(doubled_wins(self.ranking.unknown, beaten))

    def known_share(self, flags: BoolArray) -> FloatArray:
        """Return the share of the weight of known videos that is flagged, [B]."""
        return _sums(self.known, self.table.known, flags) / self.totals[0]

    def unknown_share(self, flags: BoolArray) -> FloatArray:
        """Return the share of the weight of unknown videos that is flagged, [B]."""
        return _sums(self.unknown, self.table.unknown, flags) / self.totals[1]

    def has(self, side: Literal["known", "unknown"]) -> bool:
        """Whether there are videos of a side."""
        return len(self.table.known.codes if side == "known" else self.table.unknown.codes) > 0

    @property
    def has_threshold(self) -> bool:
        """Whether the table has a threshold."""
        return self.table.scores.known_accepted is not None

    @property
    def correct(self) -> BoolArray:
        """Whether the predicted class of each known video is right, [N]."""
        return self.table.scores.correct

    @property
    def known_accepted(self) -> BoolArray:
        """Whether each known video is at or below the threshold, [N]."""
        return _decided(self.table.scores.known_accepted)

    @property
    def unknown_rejected(self) -> BoolArray:
        """Whether each unknown video is above the threshold, [M]."""
        return _decided(self.table.scores.unknown_rejected)

    def _upto(self, of: Literal["known", "unknown", "correct"], weights: FloatArray) -> FloatArray:
        """Return the weight of videos at or above each level, [B, G + 1], from that of clusters [B, k]."""
        its, side = self.table, self.table.unknown if of == "unknown" else self.table.known
        if its.rounded:  # many videos share a level
            by_level = np.ascontiguousarray((its.histograms[of] @ weights.T).T)
        else:
            by_level = weights.take(side.codes[side.order], axis=1)
            if of == "correct":
                by_level *= its.scores.correct[side.order]
        sums = np.zeros((len(by_level), by_level.shape[1] + 1))
        np.cumsum(by_level, axis=1, out=sums[:, 1:])
        return sums if its.rounded else sums.take(side.ends, axis=1)


def _side(levels: IntArray, codes: IntArray, number: int) -> Side:
    ends = np.append(0, np.cumsum(np.bincount(levels, minlength=number)))
    sizes = np.bincount(codes).astype(np.float64)
    return Side(codes, len(sizes), sizes, levels, np.argsort(levels, kind="stable"), ends)


def _sums(weights: FloatArray, side: Side, flags: BoolArray | None = None) -> FloatArray:
    if flags is None:
        return np.asarray(weights @ side.sizes)
    return np.asarray(weights @ np.bincount(side.codes[flags], minlength=side.number))


def _decided(flags: BoolArray | None) -> BoolArray:
    if flags is None:
        raise ValueError("the table has no threshold")
    return flags
