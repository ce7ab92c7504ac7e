"""Alternative tests of the same pairs, next to the bootstrap's: DeLong's of AUROC, and the permutation test."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from osarbench.scores.statistics import delong, permutation
from osarbench.scores.statistics.align import Scores
from osarbench.scores.statistics.holm import holm
from osarbench.scores.statistics.intervals import Interval
from osarbench.scores.statistics.resample import Sides
from osarbench.scores.statistics.student import quantile, two_sided

Pairs = dict[tuple[str, str], float]
#: The tables of each method, by seed and view.
Methods = Mapping[str, Sequence[Sequence[Scores]]]


class DeLong(NamedTuple):
    """The difference of two AUROCs by DeLong, which takes videos for independent."""

    difference: Interval  #: with a normal interval
    p: float


def by_delong(methods: Methods, level: float) -> dict[tuple[str, str], DeLong]:
    """Return DeLong's test of every pair of methods; a method's AUROC is the mean over its seeds and views."""
    every = [scores for its in methods.values() for views in its for scores in views]
    sizes = [sum(len(views) for views in its) for its in methods.values()]
    owner = np.repeat(np.arange(len(methods)), sizes)
    areas = delong.delong([scores.known for scores in every], [scores.unknown for scores in every])
    z, found = quantile(level), {}
    for (i, first), (j, second) in combinations(enumerate(methods), 2):
        contrast = (owner == i) / sizes[i] - (owner == j) / sizes[j]
        value, se = delong.difference(areas, contrast)
        found[first, second] = DeLong(Interval(value, value - z * se, value + z * se, se), two_sided(value, se))
    return found


def by_permutation(
    methods: Methods, sides: Sides, metrics: tuple[str, ...], *, swaps: int, seed: int
) -> dict[str, Pairs]:
    """Return the permutation p-values by metric, of every pair of methods that have one table each.

    Several seeds are no pair that could be swapped, so they have none.
    """
    found: dict[str, Pairs] = {metric: {} for metric in metrics}
    for first, second in combinations(methods, 2):
        tables = [scores for name in (first, second) for views in methods[name] for scores in views]
        if swaps and len(tables) == 2:
            one, other = tables
            for metric, p in permutation.swap_test(one, other, sides, metrics, swaps=swaps, seed=seed).items():
                found[metric][first, second] = p
    return found


def adjusted(pairs: Pairs) -> Pairs:
    """Return Holm's adjustment of the p-values of all pairs."""
    return dict(zip(pairs, holm(list(pairs.values())).tolist(), strict=True))
