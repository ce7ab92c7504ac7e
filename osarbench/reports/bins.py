"""The bins of uncertainty histograms: one scale for known and unknown videos, whatever the scale of the method."""

from collections.abc import Sequence

import numpy as np

from osarbench.scores.metrics.outcome import FloatArray

BINS = 40
#: Share of the test videos at either end that may be beyond a histogram's range, counted in its outermost bins.
_TAIL = 0.002
#: Share of a group in one of 40 equal bins from which on a histogram says little.
_CROWDED = 0.5


def bin_edges(*groups: FloatArray) -> FloatArray:
    """Return the edges of the bins that all groups of videos share, [BINS + 1].

    A few outliers do not press all others into one bin: they are counted in the outermost bins. Where an equal
    bin would hold most of a group, the bins are equal on a logarithmic scale, if that is any better.
    """
    uncertainty = np.concatenate(groups)
    low, high = np.quantile(uncertainty, [_TAIL, 1 - _TAIL], method="nearest")
    if not low < high:
        low, high = uncertainty.min(), uncertainty.max()
    if not low < high:
        low, high = low - 0.5, high + 0.5
    equal = np.linspace(low, high, BINS + 1)
    crowd = _crowd(groups, equal)
    if low > 0 and crowd > _CROWDED:
        growing = np.geomspace(low, high, BINS + 1)
        return growing if _crowd(groups, growing) < crowd / 2 else equal
    return equal


def _crowd(groups: Sequence[FloatArray], edges: FloatArray) -> float:
    """Return the largest share of a group that one bin holds."""
    return max(float(np.histogram(group, edges)[0].max() / max(len(group), 1)) for group in groups)
