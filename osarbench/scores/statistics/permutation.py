"""A permutation test of two methods on the same videos: swap them class by class, and see how often it matters as much.

Under the null hypothesis it is arbitrary, for each class (or group of clips), which of the two methods' results is
called the first and which the second: their joint distribution is the same with the names swapped, for each class
independently of the others. So each swap of some classes is as likely as what was observed. This is more than equal
AUROCs; two methods of equal AUROC with differently shaped curves are not exchangeable, and the test may then reject a
little too often or too seldom. Uncertainties of different methods have different units, so each method's are replaced
by their midranks among all its test videos first; decisions (predicted class, threshold) move with them.

Source: Venkatraman and Begg 1996, "A distribution-free procedure for comparing receiver operating characteristic curves
from a paired experiment"; Bandos, Rockette and Gur 2005, "A permutation test sensitive to differences in areas for
comparing ROC curves from a paired design". Swapping whole clusters instead of videos keeps it valid where the videos of
a class move together.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from osarbench.scores.statistics.align import BoolArray, FloatArray, Scores
from osarbench.scores.statistics.resample import Clusters, Sides
from osarbench.scores.statistics.weighted import STEPS, Sorted, batches, evaluate, sort

#: Swaps are drawn so many videos at a time (it decides which random numbers go into which swap).
_CHUNK = 2**16
#: A swap that gives the observed difference up to rounding counts as equal to it.
_SLACK = 1e-12


def swap_test(
    first: Scores, second: Scores, sides: Sides, metrics: tuple[str, ...], *, swaps: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Return the two-sided p-value of the difference in each metric.

    (1 + swaps with a difference at least as large) / (1 + swaps), so that it is never 0 (Phipson and Smyth 2010).

    Args:
        first: one method's table.
        second: the other's, of the same videos in the same order.
        sides: what is swapped as a whole, of the videos of the two tables.
        metrics: names of metrics that can be resampled.
        swaps: how many random swaps.
        seed: of the swaps.
    """
    both = sorted_together(first, second, sides)
    generator = np.random.default_rng([seed, 1])
    as_they_are = [np.zeros((1, side.number), bool) for side in (sides.known, sides.unknown)]
    observed = _differences(both, as_they_are, metrics)[:, 0]
    as_large = np.ones(len(metrics))
    size = max(_CHUNK // (len(both.scores.known) + len(both.scores.unknown)), 1)
    drawn = [
        [_swaps(side, min(size, swaps - begin), generator) for side in (sides.known, sides.unknown)]
        for begin in range(0, swaps, size)
    ]
    known, unknown = (np.concatenate(side) for side in zip(*drawn, strict=True)) if drawn else as_they_are
    for positions, step in batches(both, metrics):
        names, least = [metrics[j] for j in positions], np.abs(observed[positions])[:, None] - _SLACK
        for begin in range(0, swaps, step):
            part = slice(begin, begin + step)
            as_large[positions] += (np.abs(_differences(both, [known[part], unknown[part]], names)) >= least).sum(
                axis=1
            )
    return dict(zip(metrics, (as_large / (1 + swaps)).tolist(), strict=True))


def midranks(scores: Scores) -> Scores:
    """Return scores whose uncertainties are their ranks among all test videos, from 1; ties have the mean rank.

    >>> known, unknown = np.array([0.1, 0.3]), np.array([0.3, 0.8])
    >>> ranked = midranks(Scores(known, unknown, np.ones(2, bool), None, None))
    >>> ranked.known.tolist(), ranked.unknown.tolist()
    ([1.0, 2.5], [2.5, 4.0])
    """
    every = np.sort(np.concatenate([scores.known, scores.unknown]))

    def rank(uncertainty: FloatArray) -> FloatArray:
        ranks: FloatArray = (
            np.searchsorted(every, uncertainty, "left") + np.searchsorted(every, uncertainty, "right") + 1
        ) / 2
        return ranks

    return scores._replace(known=rank(scores.known), unknown=rank(scores.unknown))


def sorted_together(first: Scores, second: Scores, sides: Sides) -> Sorted:
    """Return the videos of both methods in one order; clusters 0..k-1 are the first's, k..2k-1 the second's."""
    codes = [np.concatenate([side.codes, side.codes + side.number]) for side in (sides.known, sides.unknown)]
    return sort(_together(first, second), *codes, steps=STEPS)


def _together(first: Scores, second: Scores) -> Scores:
    """Return one list of both methods' ranked videos, [2N] and [2M]: choosing one of the two is then a weighting."""
    pairs = zip(midranks(first), midranks(second), strict=True)
    return Scores(*(None if one is None or other is None else np.concatenate([one, other]) for one, other in pairs))  # type: ignore[arg-type]


def _differences(both: Sorted, swapped: Sequence[BoolArray], metrics: Sequence[str]) -> FloatArray:
    """Return the metrics' differences [metrics, B] where some known [B, k] and unknown [B, c] clusters are swapped."""
    known, unknown = (np.concatenate([~its, its], axis=1).astype(np.float64) for its in swapped)
    one, other = evaluate(both, known, unknown, metrics), evaluate(both, 1 - known, 1 - unknown, metrics)
    return np.array(one) - np.array(other)


def _swaps(side: Clusters, count: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    return generator.random((count, side.number)) < 0.5
