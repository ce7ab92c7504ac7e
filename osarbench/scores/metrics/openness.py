"""Open macro-F1 over K known classes and "unknown", as the number of unknown classes grows.

Everything follows from per-class counts, by sums: no label array is ever rebuilt for a draw of unknown classes.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


#: Draws computed at once: few enough to stay in the processor's cache.
BLOCK = 256


class OpenCounts(NamedTuple):
    """What the decisions at one threshold come to; index K of a decision is "unknown"."""

    hits: IntArray  #: [K] known videos accepted with the right class
    support: IntArray  #: [K] known videos of the class
    decided: IntArray  #: [K + 1] decisions on the known videos
    unknown: IntArray  #: [C, K + 1] decisions on the videos of each unknown class


class OpenF1(NamedTuple):
    """Open macro-F1 and the curve it is the mean of, by number of unknown classes 1..C."""

    value: float  #: mean of the curve, weighted by openness
    std: float | None  #: mean of `stds`, weighted likewise: which classes were drawn, not training seeds
    openness: FloatArray  #: [C]
    means: FloatArray  #: [C] macro-F1, mean over draws
    stds: FloatArray | None  #: [C] population standard deviation over draws; None where all draws were counted


def openness(known_classes: int, unknown_classes: npt.ArrayLike) -> FloatArray:
    """Return 1 - sqrt(2 K / (2 K + n)): 0 if every class is known.

    Source: Scheirer et al. 2013, 1 - sqrt(2 N_train / (N_test + N_target)) with N_train = N_target = K, N_test = K + n,
    as in DEAR.

    >>> openness(101, [1, 51, 305]).round(6).tolist()
    [0.002466, 0.106457, 0.368793]
    """
    twice = 2.0 * known_classes
    return 1 - np.sqrt(twice / (twice + np.asarray(unknown_classes, np.float64)))


def open_counts(
    *,
    known_labels: npt.ArrayLike,
    known_decisions: npt.ArrayLike,
    unknown_labels: npt.ArrayLike,
    unknown_decisions: npt.ArrayLike,
    known_classes: int,
    unknown_classes: int,
) -> OpenCounts:
    """Count decisions (0..K, where K is a rejection) by true class.

    Args:
        known_labels: classes of the known videos, [N], 0..K-1.
        known_decisions: decisions on them, [N].
        unknown_labels: classes of the unknown videos, [M], 0..C-1.
        unknown_decisions: decisions on them, [M].
        known_classes: K.
        unknown_classes: C.

    >>> open_counts(known_labels=[0, 0, 1], known_decisions=[0, 2, 1], unknown_labels=[0, 1], unknown_decisions=[2, 0],
    ...             known_classes=2, unknown_classes=2).unknown.tolist()
    [[0, 0, 1], [1, 0, 0]]
    """
    labels, decisions = np.asarray(known_labels, np.int64), np.asarray(known_decisions, np.int64)
    side = known_classes + 1
    cells = np.asarray(unknown_labels, np.int64) * side + np.asarray(unknown_decisions, np.int64)
    return OpenCounts(
        hits=np.bincount(labels[labels == decisions], minlength=known_classes),
        support=np.bincount(labels, minlength=known_classes),
        decided=np.bincount(decisions, minlength=side),
        unknown=np.bincount(cells, minlength=unknown_classes * side).reshape(unknown_classes, side),
    )


def macro_f1(counts: OpenCounts, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the macro-F1 of each of D draws of unknown classes, [D]; ``chosen`` [D, C] says which are in it.

    F1_k = 2 hits / (videos of k + decisions for k), averaged over the classes that occur among labels or decisions
    (scikit-learn ``f1_score(average="macro")``). All unknown videos of a draw are one class.

    >>> counts = OpenCounts(np.array([1, 1]), np.array([2, 1]), np.array([1, 1, 1]), np.array([[0, 0, 1], [1, 0, 0]]))
    >>> macro_f1(counts, np.array([[True, False], [True, True]])).round(6).tolist()
    [0.777778, 0.666667]
    """
    # counts below 2**24 are exact in float32, whose matrix product takes half the time
    exact: npt.DTypeLike = np.float32 if counts.unknown.sum() < 2**24 else np.float64
    unknown = counts.unknown.astype(exact)
    blocks = range(0, len(chosen), BLOCK)
    return np.concatenate([_macro_f1(counts, chosen[row : row + BLOCK].astype(exact) @ unknown) for row in blocks])


def dear_open_macro_f1(counts: OpenCounts, *, draws: int = 10, seed: int = 123, position: int = 0) -> OpenF1 | None:
    """Return DEAR's open macro-F1, with its own draws: sum of openness_n F1_n / sum of openness_n over n = 1..C.

    Source: DEAR ``experiments/compare_openness.py``. F1_n is the mean over 10 draws of n unknown classes from numpy's
    legacy generator, seeded once with 123 and used up by one method after the other: ``position`` is how many methods
    come before this one on the command line, so the number depends on the order of methods. (It keeps F1 in float32,
    which changes the eighth digit.) None without unknown classes.

    Args:
        counts: decisions by class.
        draws: of each number of unknown classes.
        seed: of the generator.
        position: how many methods used the generator before.

    >>> counts = OpenCounts(np.array([1, 1]), np.array([2, 1]), np.array([1, 1, 1]), np.array([[0, 0, 1], [1, 0, 0]]))
    >>> result = dear_open_macro_f1(counts)
    >>> round(result.value, 6), round(result.std, 6)
    (0.636233, 0.046489)
    """
    return _over_draws(counts, dear_draws(len(counts.unknown), draws, seed, position), draws)


def seeded_open_macro_f1(counts: OpenCounts, *, draws: int = 10, seed: int = 0) -> OpenF1 | None:
    """Return the same with draws that depend on nothing but the seed, so all methods are given the same ones.

    Each draw is one random order of the unknown classes; its first n are the draw of n classes.

    >>> counts = OpenCounts(np.array([1, 1]), np.array([2, 1]), np.array([1, 1, 1]), np.array([[0, 0, 1], [1, 0, 0]]))
    >>> round(seeded_open_macro_f1(counts, draws=1000).value, 2)
    0.66
    """
    return _over_draws(counts, nested_draws(len(counts.unknown), draws, seed), draws)


@lru_cache(maxsize=8)
def dear_draws(unknown_classes: int, draws: int = 10, seed: int = 123, position: int = 0) -> npt.NDArray[np.bool_]:
    """Return which unknown classes are in each of DEAR's draws, [C * draws, C], ``draws`` rows for each n = 1..C.

    Args:
        unknown_classes: C.
        draws: of each number of classes.
        seed: of numpy's legacy generator.
        position: how many methods used the generator before.

    >>> dear_draws(3, draws=2).sum(axis=1).tolist()
    [1, 1, 2, 2, 3, 3]
    """
    generator = np.random.RandomState(seed)
    # the cells of one n by draw and class; choice(C, n, replace=False) takes the first n of a shuffled range
    cells = np.arange(draws * unknown_classes).reshape(draws, unknown_classes)
    orders = cells.copy()
    for _ in range(position * unknown_classes * draws):
        generator.shuffle(orders[0])  # earlier methods use up the generator
    chosen = np.zeros((unknown_classes, draws * unknown_classes), bool)
    for count, row in enumerate(chosen, start=1):
        orders[:] = cells
        for order in orders:
            generator.shuffle(order)
        row[orders[:, :count].ravel()] = True
    return _frozen(chosen.reshape(-1, unknown_classes))


@lru_cache(maxsize=8)
def nested_draws(unknown_classes: int, draws: int, seed: int) -> npt.NDArray[np.bool_]:
    """Return draws as `dear_draws` does, from ``draws`` random orders of the classes.

    >>> nested_draws(3, draws=2, seed=0).sum(axis=1).tolist()
    [1, 1, 2, 2, 3, 3]
    """
    ranks = np.tile(np.arange(unknown_classes), (draws, 1))
    ranks = np.random.default_rng(seed).permuted(ranks, axis=1)  # [draws, C]
    counts = np.arange(1, unknown_classes + 1)
    return _frozen((ranks < counts[:, None, None]).reshape(-1, unknown_classes))


def weighted(known_classes: int, means: FloatArray, stds: FloatArray | None) -> OpenF1:
    """Return the open macro-F1 of a curve: its mean over n = 1..C, weighted by openness."""
    weights = openness(known_classes, np.arange(1, len(means) + 1))
    std = None if stds is None else float(np.sum(weights * stds) / weights.sum())
    return OpenF1(float(np.sum(weights * means) / weights.sum()), std, weights, means, stds)


def _macro_f1(counts: OpenCounts, extra: npt.NDArray[np.floating]) -> FloatArray:
    """Return the macro-F1 [D] of draws whose unknown videos add the decisions ``extra`` [D, K + 1]."""
    fixed = counts.support + counts.decided[:-1]  # [K]
    rejected = extra[:, -1].astype(np.float64)
    total = extra.sum(axis=1, dtype=np.float64) + counts.decided[-1] + rejected
    f1 = np.divide(2 * rejected, total, out=np.zeros_like(total), where=total > 0)
    f1 += (2.0 * counts.hits / np.maximum(fixed + extra[:, :-1], 1)).sum(axis=1)
    occurring = np.count_nonzero(fixed) + (extra[:, :-1][:, fixed == 0] > 0).sum(axis=1) + (total > 0)
    means: FloatArray = f1 / occurring
    return means


def _frozen(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    chosen.flags.writeable = False  # it is remembered, so nobody may change it
    return chosen


def _over_draws(counts: OpenCounts, chosen: npt.NDArray[np.bool_], draws: int) -> OpenF1 | None:
    if not len(counts.unknown) or not counts.support.sum():
        return None
    scores = macro_f1(counts, chosen).reshape(-1, draws)  # [C, draws]
    return weighted(len(counts.support), scores.mean(axis=1), scores.std(axis=1))
