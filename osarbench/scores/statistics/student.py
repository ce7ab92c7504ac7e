"""Student's t distribution: a standard error estimated from few classes or seeds is itself unsure."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

#: Above this many degrees of freedom the normal distribution is taken; p-values differ by less than 0.0002 there.
_LARGE = 2000.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def two_sided(value: float, se: float, df: float = math.inf) -> float:
    """Return the p-value of a difference by its standard error; 1 where there is no difference at all.

    >>> round(two_sided(1.96, 1.0), 3), round(two_sided(12.706, 1.0, df=1), 3), two_sided(0.0, 0.0)
    (0.05, 0.05, 1.0)
    """
    if se == 0:
        return 1.0 if value == 0 else 0.0
    t = abs(value) / se
    if df > _LARGE:
        return 2 * NormalDist().cdf(-t)
    # with t = sqrt(df) tan(angle) the density becomes cos(angle)^(df - 1)
    return _integral(math.atan(t / math.sqrt(df)), df) / _integral(0.0, df)


def quantile(level: float, df: float = math.inf) -> float:
    """Return how many standard errors a two-sided interval of this level reaches to each side.

    >>> round(quantile(0.95), 3), round(quantile(0.95, df=3), 3)
    (1.96, 3.182)
    """
    if df > _LARGE:
        return NormalDist().inv_cdf((1 + level) / 2)
    low, high = 0.0, math.pi / 2  # angles: finite, however few the degrees of freedom
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _integral(middle, df) / _integral(0.0, df) > 1 - level else (low, middle)
    return math.sqrt(df) * math.tan(low)


def combined_df(parts: Sequence[tuple[float, float]]) -> float:
    """Return the degrees of freedom of a sum of independent variances, each (variance, its degrees of freedom).

    Source: Satterthwaite 1946 and Welch 1947, (sum v)^2 / sum(v^2 / df).

    >>> combined_df([(1.0, 4.0), (1.0, 4.0)])
    8.0
    """
    total, spread = sum(variance for variance, _ in parts), sum(variance**2 / df for variance, df in parts)
    return total**2 / spread if spread > 0 else math.inf


def _integral(begin: float, df: float) -> float:
    """Return the integral of cos^(df - 1) from ``begin`` to pi / 2."""
    half = (math.pi / 2 - begin) / 2
    return float(half * np.sum(_WEIGHTS * np.cos(begin + half * (1 + _NODES)) ** (df - 1)))
