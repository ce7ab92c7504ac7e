"""Student's t distribution: a standard error estimated from few classes or seeds is itself unsure."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]


def two_sided(value: float, se: float, df: float = math.inf) -> float:
    """Return the p-value of a difference by its standard error; 1 where there is no difference at all.

    >>> round(two_sided(1.96, 1.0), 3), round(two_sided(12.706, 1.0, df=1), 3), two_sided(0.0, 0.0)
    (0.05, 0.05, 1.0)
    """
    return float(two_sided_of(np.float64(value), np.float64(se), np.float64(df)))


def two_sided_of(value: Any, se: Any, df: Any) -> FloatArray:
    """Return the p-values of differences [...] by their standard errors and degrees of freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(value) / se  # infinite, or NaN where there is no difference at all
    p = 2 * np.where(np.isinf(df), special.ndtr(-t), special.stdtr(df, -t))
    return np.asarray(np.where(se == 0, np.where(value == 0, 1.0, 0.0), p), np.float64)


def quantile(level: float, df: float = math.inf) -> float:
    """Return how many standard errors a two-sided interval of this level reaches to each side.

    >>> round(quantile(0.95), 3), round(quantile(0.95, df=3), 3)
    (1.96, 3.182)
    """
    upper = (1 + level) / 2
    return float(special.ndtri(upper) if math.isinf(df) else special.stdtrit(df, upper))


def combined_df(parts: Sequence[tuple[float, float]]) -> float:
    """Return the degrees of freedom of a sum of independent variances, each (variance, its degrees of freedom).

    Source: Satterthwaite 1946 and Welch 1947, (sum v)^2 / sum(v^2 / df).

    >>> combined_df([(1.0, 4.0), (1.0, 4.0)])
    8.0
    """
    total, spread = sum(variance for variance, _ in parts), sum(variance**2 / df for variance, df in parts)
    return total**2 / spread if spread > 0 else math.inf
