"""Metrics of weighted test videos: one sort of a table serves every resampling of it.

A resampled table is the same table with other weights, so nothing is sorted again: cumulative sums of the weights, in
the order of the table, are all that AUROC, AUPR, FPR95 and OSCR need. With weights of 1 each number is that of
`osarbench.scores.metrics` (same definitions, see `osarbench.scores.metrics.ranking`); with whole weights it is that of
the table in which each row stands as often as it weighs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.errors import unknown_name
from osarbench.scores.statistics.align import FloatArray, Scores

IndexArray = npt.NDArray[np.intp]

#: Rounding of fractional weights must not move a threshold at which exactly 95 % are found.
_SLACK = 1e-12


class Curve(NamedTuple):
    """How the thresholds at the G distinct scores of the positives, from the highest down, divide both sides."""

    positives: IndexArray  #: [P] order from the highest score down
    negatives: IndexArray  #: [Q] likewise
    hits_before: IndexArray  #: [G] positives above the threshold
    hits: IndexArray  #: [G] positives at or above it
    alarms_before: IndexArray  #: [G] negatives above it
    alarms: IndexArray  #: [G] negatives at or above it


class Sorted(NamedTuple):
    """A table, sorted once for each side as the positive one."""

    scores: Scores
    unknown_positive: Curve
    known_positive: Curve


class Counts(NamedTuple):
    """Weights at each threshold of a curve, [B, G], and in all, [B, 1]."""

    hits_before: FloatArray
    hits: FloatArray
    alarms_before: FloatArray
    alarms: FloatArray
    hits_total: FloatArray
    alarms_total: FloatArray


class Metric(NamedTuple):
    """A metric of weighted videos."""

    label: str  #: for people
    higher_is_better: bool
    of: Callable[["Weighed"], FloatArray]  #: returns [B]
    needs_threshold: bool = False
    side: Literal["known", "unknown", "both"] = "both"  #: whose videos it looks at


def sort(scores: Scores) -> Sorted:
    """Return a table's order; NaN is refused earlier, by `osarbench.scores.table.validate`."""
    return Sorted(scores, _curve(scores.unknown, scores.known), _curve(-scores.known, -scores.unknown))


def evaluate(table: Sorted, known: FloatArray, unknown: FloatArray, metrics: tuple[str, ...]) -> list[FloatArray]:
    """Return each metric [B] under B weightings of the known [B, N] and unknown [B, M] videos."""
    weighed = Weighed(table, known, unknown)
    return [find(name).of(weighed) for name in metrics]


def find(name: str) -> Metric:
    """Return a metric.

    Raises:
        OsarbenchError: there is none of this name; the nearest is named.
    """
    if name not in METRICS:
        raise unknown_name("metric that can be resampled", name, METRICS)
    return METRICS[name]


@dataclass(frozen=True)
class Weighed:
    """A sorted table under B weightings; what several metrics need is computed once."""

    table: Sorted
    known: FloatArray  #: [B, N]
    unknown: FloatArray  #: [B, M]

    @cached_property
    def unknown_found(self) -> Counts:
        """Unknown and known weights at or above each unknown uncertainty."""
        return _counts(self.table.unknown_positive, positives=self.unknown, negatives=self.known)

    @cached_property
    def known_found(self) -> Counts:
        """Known and unknown weights at or below each known uncertainty."""
        return _counts(self.table.known_positive, positives=self.known, negatives=self.unknown)

    @cached_property
    def correct(self) -> FloatArray:
        """Weights of the rightly classified known videos, [B, N]."""
        return self.known * self.table.scores.correct


def _curve(positive: FloatArray, negative: FloatArray) -> Curve:
    positives, negatives = np.argsort(-positive, kind="stable"), np.argsort(-negative, kind="stable")
    levels = np.unique(-positive)
    sides = [(-scores)[order] for scores, order in ((positive, positives), (negative, negatives))]
    bounds = [np.searchsorted(side, levels, way) for side in sides for way in ("left", "right")]
    return Curve(positives, negatives, *bounds)


def _counts(curve: Curve, *, positives: FloatArray, negatives: FloatArray) -> Counts:
    hits, alarms = _cumulative(positives, curve.positives), _cumulative(negatives, curve.negatives)
    return Counts(
        hits_before=hits[:, curve.hits_before],
        hits=hits[:, curve.hits],
        alarms_before=alarms[:, curve.alarms_before],
        alarms=alarms[:, curve.alarms],
        hits_total=hits[:, -1:],
        alarms_total=alarms[:, -1:],
    )


def _cumulative(weights: FloatArray, order: IndexArray) -> FloatArray:
    """Return the weight of the first 0..N videos of an order, [B, N + 1]."""
    sums = np.empty((len(weights), weights.shape[1] + 1))
    sums[:, 0] = 0
    np.cumsum(weights[:, order], axis=1, out=sums[:, 1:])
    return sums


def _area(counts: Counts) -> FloatArray:
    """Return P(positive above negative) + P(tie) / 2, [B]."""
    missed = counts.alarms_total - (counts.alarms_before + counts.alarms) / 2
    wins = np.einsum("bg,bg->b", counts.hits - counts.hits_before, missed)
    areas: FloatArray = wins / (counts.hits_total * counts.alarms_total)[:, 0]
    return areas


def _oscr(weighed: Weighed) -> FloatArray:
    """Return the area of correct accepted known against accepted unknown videos: the AUROC that errors never win."""
    counts, curve = weighed.unknown_found, weighed.table.unknown_positive
    right = _cumulative(weighed.correct, curve.negatives)
    beaten = right[:, -1:] - (right[:, curve.alarms_before] + right[:, curve.alarms]) / 2
    wins = np.einsum("bg,bg->b", counts.hits - counts.hits_before, beaten)
    areas: FloatArray = wins / (counts.hits_total * counts.alarms_total)[:, 0]
    return areas


def _precision_area(counts: Counts, *, step: bool = False, balanced: bool = False) -> FloatArray:
    weight = counts.alarms_total / counts.hits_total if balanced else np.ones(1)
    height = _precision(weight * counts.hits, counts.alarms)
    if not step:
        height = (height + _precision(weight * counts.hits_before, counts.alarms_before)) / 2
    gains = counts.hits - counts.hits_before
    areas: FloatArray = np.einsum("bg,bg->b", gains, height) / counts.hits_total[:, 0]
    return areas


def _precision(hits: FloatArray, alarms: FloatArray) -> FloatArray:
    found = hits + alarms
    # before the first video the curve stands at precision 1
    precision: FloatArray = np.divide(hits, found, out=np.ones_like(found), where=found > 0)
    return precision


def _false_alarms(counts: Counts, share: float = 0.95) -> FloatArray:
    """Return the share of negatives at the first threshold at which this share of the positives is found, [B]."""
    enough = counts.hits >= counts.hits_total * (share * (1 - _SLACK))
    first = enough.argmax(axis=1)[:, None]
    rates: FloatArray = (np.take_along_axis(counts.alarms, first, axis=1) / counts.alarms_total)[:, 0]
    return rates


def _share(weights: FloatArray, flags: npt.NDArray[np.bool_] | None) -> FloatArray:
    if flags is None:
        raise ValueError("the table has no threshold")
    shares: FloatArray = weights @ flags.astype(np.float64) / weights.sum(axis=1)
    return shares


def _accepted(weighed: Weighed) -> FloatArray:
    return _share(weighed.known, weighed.table.scores.known_accepted)


def _rejected(weighed: Weighed) -> FloatArray:
    return _share(weighed.unknown, weighed.table.scores.unknown_rejected)


#: Names as in `osarbench.scores.metrics.evaluate`; thresholds are held fixed: calibration videos are not resampled.
METRICS: dict[str, Metric] = {
    "auroc": Metric("AUROC", True, lambda w: _area(w.unknown_found)),
    "aupr_unknown": Metric("AUPR", True, lambda w: _precision_area(w.unknown_found)),
    "aupr_unknown_step": Metric("AP", True, lambda w: _precision_area(w.unknown_found, step=True)),
    "aupr_unknown_balanced": Metric(
        "AP, balanced", True, lambda w: _precision_area(w.unknown_found, step=True, balanced=True)
    ),
    "aupr_known": Metric("AUPR, known positive", True, lambda w: _precision_area(w.known_found)),
    "aupr_known_step": Metric("AP, known positive", True, lambda w: _precision_area(w.known_found, step=True)),
    "fpr95_unknown_first": Metric("FPR95", False, lambda w: _false_alarms(w.unknown_found)),
    "fpr95_known_first": Metric("FPR95, known positive", False, lambda w: _false_alarms(w.known_found)),
    "oscr": Metric("OSCR", True, _oscr),
    "closed_accuracy": Metric("closed accuracy", True, lambda w: _share(w.known, w.table.scores.correct), side="known"),
    "known_accepted": Metric("known accepted", True, _accepted, True, "known"),
    "unknown_rejected": Metric("unknown rejected", True, _rejected, True, "unknown"),
    "balanced_accuracy": Metric("balanced accuracy", True, lambda w: (_accepted(w) + _rejected(w)) / 2, True),
}
#: What is compared unless somebody says otherwise.
DEFAULT_METRICS = ("auroc", "aupr_unknown", "fpr95_unknown_first", "oscr", "closed_accuracy", "balanced_accuracy")
