"""Thresholds learnt from known videos only, and what a threshold does to the test videos.

A video is rejected as unknown if its uncertainty is *above* the threshold.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt


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
