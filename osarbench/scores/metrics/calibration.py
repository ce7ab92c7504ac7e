"""Calibration: does a confidence say how often the decision is right? ECE and Brier, and DEAR's three variants."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.metric import Metric

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Tested

#: How far beyond [0, 1] a confidence may be by rounding.
CONFIDENCE_SLACK = 1e-5


class Bins(NamedTuple):
    """A reliability diagram; each [M], NaN in an empty bin."""

    videos: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]  #: mean confidence of the bin
    accuracy: npt.NDArray[np.float64]  #: share of right decisions of the bin


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15) -> Bins:
    """Return the reliability diagram over M equal bins (l, r] of [0, 1]; 0 belongs to the first bin.

    >>> reliability([0.2, 0.9, 1.0], [False, True, False], bins=2).accuracy.tolist()
    [0.0, 0.5]
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    edges = np.arange(1, bins) / bins
    index = np.searchsorted(edges, confidence, side="left")
    videos = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(index, weights=values, minlength=bins) / videos for values in (confidence, correct)]
    return Bins(videos, means[0], means[1])


def ece(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 15) -> float | None:
    """Return the expected calibration error: sum over bins of (videos / N) |accuracy - mean confidence|.

    Source: Guo et al. 2017, with 15 equal bins (l, r]. ``confidence`` [N] is a probability; lower is better.

    >>> ece([0.75, 0.75, 0.75, 0.75], [True, True, True, False])
    0.0
    """
    diagram = reliability(confidence, correct, bins)
    total = diagram.videos.sum()
    gaps = np.nan_to_num(np.abs(diagram.accuracy - diagram.confidence))
    return float(np.sum(gaps * diagram.videos) / total) if total else None


def brier(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float | None:
    """Return the multi-class Brier score: the mean over videos of the squared distance of [N, K] to one-hot labels.

    Source: Brier 1950. 0 is perfect, 2 the worst.

    >>> brier([[1.0, 0.0], [0.5, 0.5]], [0, 1])
    0.25
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    if not labels.size:
        return None
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return float(np.mean(np.sum(probabilities**2, axis=1) - 2 * own + 1))


def decision_brier(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> float | None:
    """Return the Brier score of "this decision is right": the mean of (confidence - correct)^2.

    All that can be had from a scores table, which holds one confidence a video. 0 is perfect, 1 the worst.

    >>> decision_brier([1.0, 0.5], [True, False])
    0.125
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    return float(np.mean((confidence - correct) ** 2)) if confidence.size else None


class Decisions(NamedTuple):
    """Confidences and whether the decisions they belong to are right, [N] each."""

    confidence: npt.NDArray[np.float64]
    correct: npt.NDArray[np.bool_]


def dear_decisions(
    *,
    known: npt.ArrayLike,
    unknown: npt.ArrayLike,
    known_correct: npt.ArrayLike,
    threshold: float | None,
) -> dict[str, Decisions | None]:
    """Return DEAR's three views of calibration, to give to `ece` and `decision_brier`.

    Source: DEAR ``experiments/evaluate_calibration.py``; confidence is 1 - uncertainty, whatever the method's own is.
    ``closed``: known videos, K classes, none rejected. ``open``: K + 1 classes, right means the class of an accepted
    known video or the rejection of an unknown one. ``binary``: right means known accepted or unknown rejected. As
    there, 1 - uncertainty is taken in float32 and videos outside (0, 1] are left out: those whose BALD is below 0 by
    rounding. (Their script marks an unknown video exactly on the threshold with its class number; here it is
    accepted.) None without a threshold, or where an uncertainty is above 1, so that 1 - uncertainty is no confidence.

    Args:
        known: uncertainties of the known videos, [N].
        unknown: of the unknown videos, [M].
        known_correct: whether the predicted class of each known video is right, [N].
        threshold: above which a video is rejected.

    >>> views = dear_decisions(known=[0.1, 0.6], unknown=[0.9], known_correct=[True, True], threshold=0.5)
    >>> {name: view.correct.tolist() for name, view in views.items()}
    {'closed': [True, True], 'open': [True, False, True], 'binary': [True, False, True]}
    """
    known, unknown = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    right = np.asarray(known_correct, bool)
    both = np.concatenate([known, unknown])
    if not both.size or both.max() > 1 or both.min() < -1e-5:
        return {"closed": None, "open": None, "binary": None}
    closed = _decisions(known, right)
    if threshold is None:
        return {"closed": closed, "open": None, "binary": None}
    accepted, rejected = known <= threshold, unknown > threshold
    return {
        "closed": closed,
        "open": _decisions(both, np.concatenate([right & accepted, rejected])),
        "binary": _decisions(both, np.concatenate([accepted, rejected])),
    }


def _decisions(uncertainty: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]) -> Decisions:
    confidence = 1 - uncertainty.astype(np.float32)
    inside = (confidence > 0) & (confidence <= 1)
    return Decisions(confidence[inside].astype(np.float64), correct[inside])


def _own(tested: "Tested") -> Decisions | None:
    """Return the method's own confidences of the known videos, None unless all are probabilities."""
    confidence = tested.known.confidence
    clipped = np.clip(confidence, 0, 1)
    # some published files hold logits or nothing; a softmax averaged in float32 may exceed 1 by rounding
    complete = bool(np.all(np.abs(confidence - clipped) < CONFIDENCE_SLACK))
    return Decisions(clipped, tested.correct) if complete else None


def _views(tested: "Tested") -> dict[str, Decisions | None]:
    return dear_decisions(
        known=tested.known.uncertainty,
        unknown=tested.unknown.uncertainty,
        known_correct=tested.correct,
        threshold=tested.outcome.threshold,
    )


def _of_own(error: Callable[..., float | None]) -> "Callable[[Tested], float | None]":
    def of(tested: "Tested") -> float | None:
        decisions = tested.shared(_own)
        return None if decisions is None else error(*decisions)

    return of


def _of_view(view: str, error: Callable[..., float | None]) -> "Callable[[Tested], float | None]":
    def of(tested: "Tested") -> float | None:
        decisions = tested.shared(_views)[view]
        return None if decisions is None else error(*decisions)

    return of


def _metric(name: str, label: str, convention: str, of: "Callable[[Tested], float | None]") -> Metric:
    return Metric(
        name=name, label=label, convention=convention, direction="lower", block="calibration", of=of, side="known"
    )


METRICS = (
    _metric(
        "ece_closed",
        "ECE",
        "15 equal bins (l, r]; the method's own confidence, known videos, none rejected; null without one",
        _of_own(ece),
    ),
    _metric(
        "brier_closed",
        "Brier",
        "mean (confidence - correct)^2 of the method's own confidence, as ece_closed",
        _of_own(decision_brier),
    ),
    _metric(
        "dear_ece_closed",
        "DEAR ECE, closed",
        "ECE with confidence 1 - uncertainty: known videos, none rejected; null if one is above 1",
        _of_view("closed", ece),
    ),
    _metric(
        "dear_ece_open",
        "DEAR ECE, open",
        "ECE with confidence 1 - uncertainty: K + 1 classes at the threshold",
        _of_view("open", ece),
    ),
    _metric(
        "dear_ece_binary",
        "DEAR ECE, binary",
        "ECE with confidence 1 - uncertainty: known or unknown at the threshold",
        _of_view("binary", ece),
    ),
    *(
        _metric(
            f"dear_brier_{view}",
            f"DEAR Brier, {view}",
            f"mean (1 - uncertainty - correct)^2 of the same decisions as dear_ece_{view}",
            _of_view(view, decision_brier),
        )
        for view in ("closed", "open", "binary")
    ),
)
