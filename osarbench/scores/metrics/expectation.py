"""Open macro-F1 without draws: its expectation over all equally likely draws of n unknown classes, for every n."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.openness import FloatArray, OpenCounts, OpenF1, weighted

#: Step of the quadrature of 1/D; its relative error is below 1e-11 (the trapezoid rule converges geometrically here).
STEP = 0.3


def expected_open_macro_f1(counts: OpenCounts) -> OpenF1 | None:
    """Return open macro-F1 with each point of the curve the exact mean over every draw of n of the C unknown classes.

    It is what DEAR's ten draws estimate, without a seed, without noise, and independent of the order of methods. The
    mean is over the known classes that have test videos and "unknown"; with test videos for every class, that is
    scikit-learn's label set too.

    An F1 is a ratio whose denominator D sums over the drawn classes. With 1/D = integral of exp(-D s) ds it becomes a
    product over classes, whose mean over all draws is an elementary symmetric polynomial: C^2 steps, not 2^C draws.

    >>> counts = OpenCounts(np.array([1, 1]), np.array([2, 1]), np.array([1, 1, 1]), np.array([[0, 0, 1], [1, 0, 0]]))
    >>> expected_open_macro_f1(counts).means.round(6).tolist()  # of one class: (0.777778 + 0.5) / 2
    [0.638889, 0.666667]
    """
    classes = len(counts.unknown)
    present = np.flatnonzero(counts.support)
    if not classes or not present.size:
        return None
    total = np.zeros(classes)
    nothing = np.zeros(classes)
    for k in present[counts.hits[present] > 0]:
        fixed = float(counts.support[k] + counts.decided[k])
        total += 2.0 * counts.hits[k] * _expected_ratio(fixed, 1.0, nothing, counts.unknown[:, k].astype(float))
    rejected = counts.unknown[:, -1].astype(float)
    videos = counts.unknown.sum(axis=1).astype(float)
    total += 2.0 * _expected_ratio(float(counts.decided[-1]), 0.0, rejected, videos + rejected)
    return weighted(len(counts.support), total / (len(present) + 1), None)


def _expected_ratio(fixed: float, top: float, tops: FloatArray, bottoms: FloatArray) -> FloatArray:
    """Return E[(top + sum tops) / (fixed + sum bottoms)] over draws of n of C classes, for n = 1..C.

    Classes that change neither sum need no step: how many of the others a draw holds is hypergeometric.
    """
    active = np.flatnonzero((tops > 0) | (bottoms > 0))
    if not active.size:
        return np.full(len(tops), top / fixed if fixed else 0.0)
    smallest = fixed if fixed else float(bottoms[active].min())
    nodes, weights = _quadrature(smallest, fixed + float(bottoms.sum()))
    plain = np.zeros((len(active) + 1, len(nodes)))  # mean over draws of j active classes of exp(-s sum bottoms)
    plain[0] = 1.0
    marked = np.zeros_like(plain)  # mean of the same times sum tops
    counts = np.arange(1, len(active) + 1, dtype=float)[:, None]
    needs_tops = bool(tops.any())
    for seen, item in enumerate(active, start=1):
        share = counts[:seen] / seen  # that the newest class is among j of those seen so far
        factor = share * np.exp(-bottoms[item] * nodes)
        if needs_tops:
            marked[1 : seen + 1] = (1 - share) * marked[1 : seen + 1] + factor * (
                marked[:seen] + tops[item] * plain[:seen]
            )
        plain[1 : seen + 1] = (1 - share) * plain[1 : seen + 1] + factor * plain[:seen]
    ratios = (top * plain + marked) @ (weights * np.exp(-fixed * nodes))  # [m + 1]
    if not fixed:
        ratios[0] = 0.0  # an empty draw of active classes has no videos at all
    return _hypergeometric(len(tops), len(active)) @ ratios


def _quadrature(smallest: float, largest: float) -> tuple[FloatArray, FloatArray]:
    """Return nodes s and weights w with 1/D = sum of w exp(-s D) for D in [smallest, largest].

    Source: Beylkin and Monzon 2005. s = exp(u - exp(-u)) makes the integrand die doubly exponentially on both sides.
    """
    lower, upper = -4.0, np.log(36.0 * largest / smallest)
    u = np.arange(lower, upper + STEP, STEP)
    scale = 1.0 / largest
    nodes = scale * np.exp(u - np.exp(-u))
    return nodes, STEP * nodes * (1 + np.exp(-u))


@lru_cache(maxsize=512)
def _hypergeometric(classes: int, active: int) -> FloatArray:
    """Return P(j of the active classes are among n of all), [C, active + 1], for n = 1..C."""
    n = np.arange(1, classes + 1)[:, None]
    j = np.arange(active + 1)[None]
    possible = (j <= n) & (n - j <= classes - active)
    others = np.where(possible, n - j, 0)
    logs = _log_choose(active, j) + _log_choose(classes - active, others) - _log_choose(classes, n)
    return np.where(possible, np.exp(logs), 0.0)


def _log_choose(n: int, k: npt.NDArray[np.int64]) -> FloatArray:
    from scipy.special import gammaln  # listing metrics does without it

    chosen: FloatArray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return chosen
