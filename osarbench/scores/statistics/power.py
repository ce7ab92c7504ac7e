"""The smallest difference that a protocol can be expected to show."""

import math

from osarbench.scores.statistics.student import quantile


def detectable(se: float, *, level: float = 0.95, power: float = 0.8, df: float = math.inf) -> float:
    """Return the true difference that a two-sided test at 1 - ``level`` finds with probability ``power`` (> 0.5).

    (z_(1 - alpha / 2) + z_power) se, with the standard error of the difference; t instead of z where it is known with
    few degrees of freedom. For two methods on the same videos the error is that of the paired replicates, small if they
    find the same videos hard; for two papers, of which only the intervals are known, see `unpaired`.

    >>> round(detectable(0.01), 4)  # of methods whose difference has a standard error of one point
    0.028
    """
    return (quantile(level, df) + quantile(2 * power - 1, df)) * se


def unpaired(first_se: float, second_se: float) -> float:
    """Return the standard error of the difference of two numbers that do not share videos.

    >>> unpaired(0.03, 0.04)
    0.05
    """
    return math.hypot(first_se, second_se)
