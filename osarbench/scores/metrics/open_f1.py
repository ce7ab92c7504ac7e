"""The metrics of K + 1 classes at the threshold: open macro-F1 and its curve, and the confusion matrix."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from osarbench.scores.metrics import closed, openness
from osarbench.scores.metrics.expectation import expected_open_macro_f1
from osarbench.scores.metrics.metric import Metric

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Tested

#: The name of the last row and column of the confusion matrix.
UNKNOWN = "(unknown)"


def decisions(tested: "Tested") -> tuple[openness.IntArray, openness.IntArray]:
    """Return the decisions on known [N] and unknown [M] videos: 0..K-1, or K for a rejection."""
    rejection, known, unknown = len(tested.outcome.known_names), tested.known, tested.unknown
    return (
        np.where(tested.known_accepted, known.predicted, rejection),
        np.where(tested.unknown_rejected, rejection, unknown.predicted),
    )


def open_counts(tested: "Tested") -> openness.OpenCounts:
    """Return the decisions by true class."""
    known_decisions, unknown_decisions = tested.shared(decisions)
    return openness.open_counts(
        known_labels=tested.known.labels,
        known_decisions=known_decisions,
        unknown_labels=tested.unknown.labels,
        unknown_decisions=unknown_decisions,
        known_classes=len(tested.outcome.known_names),
        unknown_classes=len(tested.outcome.unknown_names),
    )


def _expected(tested: "Tested") -> openness.OpenF1 | None:
    return expected_open_macro_f1(tested.shared(open_counts))


def _band(tested: "Tested") -> openness.OpenF1 | None:
    return openness.seeded_open_macro_f1(tested.shared(open_counts), draws=tested.draws, seed=tested.seed)


def _dear(tested: "Tested") -> openness.OpenF1 | None:
    return openness.dear_open_macro_f1(tested.shared(open_counts))


def _curve(tested: "Tested") -> dict[str, list[float] | list[int] | None] | None:
    expected, band = tested.shared(_expected), tested.shared(_band)
    if expected is None:
        return None
    return {
        "unknown_classes": list(range(1, len(expected.means) + 1)),
        "openness": expected.openness.tolist(),
        "macro_f1": expected.means.tolist(),
        "std": None if band is None or band.stds is None else band.stds.tolist(),
    }


def _confusion(tested: "Tested") -> dict[str, dict[str, int]]:
    """Return videos by true class and decision, without the empty cells."""
    names = [*tested.outcome.known_names, UNKNOWN]
    known_decisions, unknown_decisions = tested.shared(decisions)
    matrix = closed.confusion_matrix(
        known_labels=tested.known.labels,
        known_predicted=known_decisions,
        unknown_predicted=unknown_decisions,
        classes=len(names) - 1,
    )
    return {names[i]: {names[j]: int(matrix[i, j]) for j in np.flatnonzero(matrix[i])} for i in range(len(names))}


def _f1_by_class(tested: "Tested") -> dict[str, openness.FloatArray]:
    if not tested.has_threshold:
        return {}
    counts = tested.shared(open_counts)
    decided = counts.decided + counts.unknown.sum(axis=0)
    return {"known": 2 * counts.hits / np.maximum(counts.support + decided[:-1], 1)}


def _of(
    make: "Callable[[Tested], openness.OpenF1 | None]", read: Callable[[openness.OpenF1], float | None]
) -> "Callable[[Tested], float | None]":
    def of(tested: "Tested") -> float | None:
        found = tested.shared(make)
        return None if found is None else read(found)

    return of


def _metric(
    name: str, label: str, convention: str, of: "Callable[[Tested], Any]", *, direction: Any = "higher"
) -> Metric:
    return Metric(
        name=name,
        label=label,
        convention=convention,
        direction=direction,
        block="thresholded",
        of=of,
        needs_threshold=True,
    )


METRICS = (
    _metric(
        "open_macro_f1",
        "open macro-F1",
        "macro-F1 of the known classes with test videos and unknown, over 1..C unknown classes "
        "weighted by openness 1 - sqrt(2K / (2K + n)); exact mean over all draws, whatever the order of methods",
        _of(_expected, lambda its: its.value),
    ),
    _metric(
        "open_macro_f1_std",
        "open macro-F1, std",
        "weighted std over `draws` seeded draws of unknown classes: not over training seeds",
        _of(_band, lambda its: its.std),
        direction="none",
    ),
    _metric(
        "open_macro_f1_dear",
        "open macro-F1, DEAR",
        "the same with DEAR's ten draws (numpy seed 123), as its script gives the first method",
        _of(_dear, lambda its: its.value),
    ),
    _metric(
        "open_macro_f1_all",
        "open macro-F1, all classes",
        "the point of the curve with every unknown video (all C classes)",
        _of(_expected, lambda its: float(its.means[-1])),
    ),
    _metric(
        "openness_curve",
        "openness curve",
        "macro-F1 by number of unknown classes: exact mean over draws, std over seeded draws",
        _curve,
        direction="none",
    ),
    _metric(
        "confusion",
        "confusion",
        "videos by true class and decision at the threshold, empty cells left out",
        _confusion,
        direction="none",
    ),
    Metric(
        name="f1",
        label="F1",
        convention="F1 of a class at the threshold, with all known and unknown test videos",
        block="per_class",
        by_class=_f1_by_class,
        needs_threshold=True,
    ),
)
