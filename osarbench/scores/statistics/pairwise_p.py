"""The p-values of all pairs of methods at once: a thousand methods are half a million pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from osarbench.scores.statistics.align import FloatArray
from osarbench.scores.statistics.holm import holm
from osarbench.scores.statistics.student import two_sided_of


class Drawn(NamedTuple):
    """A metric of one method, resampled."""

    values: FloatArray  #: [S] by seed
    replicates: FloatArray  #: [draws] of the mean over seeds, which are drawn too
    of_videos: FloatArray  #: [draws] of the mean over these very seeds


def p_values(methods: Sequence[Drawn], classes: float, *, paired_seeds: bool) -> FloatArray:
    """Return the two-sided p-values [methods, methods] of all differences of one metric, NaN on the diagonal.

    The difference over its standard error by Student's t, with the degrees of freedom of
    `osarbench.scores.statistics.intervals.freedom`.

    Args:
        methods: values and replicates of each, of the same draws.
        classes: degrees of freedom of the resampled classes.
        paired_seeds: seed i of every method belongs together, so the variance of seeds is that of their differences.
    """
    p = np.full((len(methods), len(methods)), np.nan)
    replicates = np.array([its.replicates for its in methods])
    means = np.array([its.values.mean() for its in methods])
    for i in range(len(methods) - 1):
        variance = _variance(replicates[i] - replicates[i + 1 :])
        parts = _seed_parts(methods, i, paired_seeds=paired_seeds)
        rest = np.maximum(variance - sum(part for part, _ in parts), 0.0)
        parts.append((rest, np.full(len(rest), classes)))
        total, spread = sum(part for part, _ in parts), sum(part**2 / df for part, df in parts)
        df = np.divide(np.square(total), spread, out=np.full(len(rest), np.inf), where=np.asarray(spread) > 0)
        p[i, i + 1 :] = p[i + 1 :, i] = two_sided_of(means[i] - means[i + 1 :], np.sqrt(variance), df)
    return p


def corrected(p: FloatArray) -> FloatArray:
    """Return the p-values [methods, methods] of all pairs, adjusted by Holm for their number."""
    upper = np.triu_indices(len(p), k=1)
    adjusted = np.full_like(p, np.nan)
    adjusted[upper] = holm(p[upper])
    adjusted.T[upper] = adjusted[upper]
    return adjusted


def _variance(differences: FloatArray) -> FloatArray:
    """Return the variance of each row [n, B]; the rows are overwritten."""
    differences -= differences.mean(axis=1, keepdims=True)
    found: FloatArray = np.einsum("nb,nb->n", differences, differences) / differences.shape[1]
    return found


def _seed_parts(methods: Sequence[Drawn], i: int, *, paired_seeds: bool) -> list[tuple[FloatArray, FloatArray]]:
    """Return the variances of the means over seeds of method i and of those after it, and their degrees of freedom."""
    one, others = methods[i].values, [its.values for its in methods[i + 1 :]]
    if paired_seeds:
        return [_of_seeds([one - other for other in others])]
    return [_of_seeds([one] * len(others)), _of_seeds(others)]


def _of_seeds(values: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    variances = [its.var(ddof=1) / len(its) if len(its) > 1 else 0.0 for its in values]
    return np.array(variances), np.array([max(len(its) - 1.0, 1.0) for its in values])
