"""Thresholds learnt from known videos only, and what a threshold does to the test videos.

A video is rejected as unknown if its uncertainty is *above* the threshold.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.closed import class_recalls
from osarbench.scores.metrics.metric import Metric

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Sample, Tested


def quantile_threshold(uncertainty: npt.ArrayLike, quantile: float = 0.95) -> float | None:
    """Return the lowest uncertainty that accepts at least the share ``quantile`` of these known videos.

    The ceil(quantile N)-th smallest value, at full precision and without interpolation. Ties may accept more.

    >>> quantile_threshold([0.1, 0.2, 0.3, 0.4], quantile=0.75)
    0.3
    """
    ordered = np.sort(np.asarray(uncertainty, np.float64))
    if not ordered.size:
        return None
    rank = math.ceil(quantile * len(ordered) - 1e-9)  # 0.55 * 100 is 55.00000000000001
    return float(ordered[max(rank, 1) - 1])


def dear_threshold(uncertainty: npt.ArrayLike, quantile: float = 0.95) -> float | None:
    """Return DEAR's threshold: of N values sorted downwards, the (N - int(quantile N))-th.

    Source: DEAR ``experiments/get_threshold.py``. It accepts one video more than `quantile_threshold` where quantile N
    is whole. The published values are rounded to six decimals and come from the training videos.

    >>> dear_threshold([0.1, 0.2, 0.3, 0.4], quantile=0.75)
    0.4
    """
    ordered = np.sort(np.asarray(uncertainty, np.float64))
    return float(ordered[min(int(quantile * len(ordered)), len(ordered) - 1)]) if ordered.size else None


#: How a threshold is taken from known videos: by a protocol's name for it.
RULES: Mapping[str, Callable[[npt.ArrayLike, float], float | None]] = {
    "quantile": quantile_threshold,
    "dear": dear_threshold,
}


def accepted_share(uncertainty: npt.ArrayLike, threshold: float | None) -> float | None:
    """Return the share of videos whose uncertainty is at or below the threshold.

    On known test videos this is what a threshold set for 95 % of other known videos really accepts.

    >>> accepted_share([0.1, 0.2, 0.3, 0.4], 0.2)
    0.5
    """
    uncertainty = np.asarray(uncertainty, np.float64)
    return None if threshold is None or not uncertainty.size else float((uncertainty <= threshold).mean())


def balanced_accuracy(*, known: npt.ArrayLike, unknown: npt.ArrayLike, threshold: float | None) -> float | None:
    """Return (known accepted + unknown rejected) / 2 at a threshold.

    DEAR prints it as "Open Set AUC" (``experiments/compare_openness.py``: the ROC-AUC of the binary decisions, which is
    this number). It measures one operating point, so it says as much about the threshold as about the uncertainty.

    >>> balanced_accuracy(known=[0.1, 0.3], unknown=[0.2, 0.8], threshold=0.1)
    0.75
    """
    accepted, passed = accepted_share(known, threshold), accepted_share(unknown, threshold)
    return None if accepted is None or passed is None else (accepted + 1 - passed) / 2


def _accepted(sample: "Sample") -> Any:
    return sample.known_share(sample.known_accepted)


def _passed(sample: "Sample") -> Any:
    return sample.unknown_share(~sample.unknown_rejected)


def _accepted_by_class(tested: "Tested") -> dict[str, Any]:
    if not tested.has_threshold:
        return {}
    return {"known": class_recalls(tested.known.labels, tested.known_accepted, len(tested.outcome.known_names))}


def _rejected_by_class(tested: "Tested") -> dict[str, Any]:
    if not tested.has_threshold:
        return {}
    return {"unknown": class_recalls(tested.unknown.labels, tested.unknown_rejected, len(tested.outcome.unknown_names))}


#: Resampled, the threshold is held fixed: the videos it is learnt from are not resampled.
METRICS = (
    Metric(
        name="threshold",
        label="threshold",
        convention="reject if uncertainty is above it: lowest that accepts the share `quantile` of `threshold_from`",
        direction="none",
        block="thresholded",
        of=lambda tested: tested.threshold,
        needs_threshold=True,
    ),
    Metric(
        name="known_accepted",
        label="known accepted",
        convention="share of these known test videos that the threshold really accepts",
        direction="none",
        of=_accepted,
        by_class=_accepted_by_class,
        resampled=True,
        needs_threshold=True,
        side="known",
    ),
    Metric(
        name="transfer_gap",
        label="gap",
        convention="known_accepted - quantile: how the threshold transfers to test; negative: rejects too many known",
        direction="none",
        of=lambda tested: _accepted(tested) - tested.outcome.quantile,
        needs_threshold=True,
        side="known",
    ),
    Metric(
        name="unknown_rejected",
        label="unknown rejected",
        convention="share of these unknown videos that the threshold rejects",
        of=lambda sample: 1 - _passed(sample),
        by_class=_rejected_by_class,
        resampled=True,
        needs_threshold=True,
        side="unknown",
    ),
    Metric(
        name="balanced_accuracy",
        label="balanced accuracy",
        convention="(known_accepted + unknown_rejected) / 2 at the threshold; DEAR calls it Open Set AUC",
        of=lambda sample: (_accepted(sample) + 1 - _passed(sample)) / 2,
        resampled=True,
        needs_threshold=True,
        compared=6,
    ),
)
