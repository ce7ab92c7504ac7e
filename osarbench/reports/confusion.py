"""The confusion matrix of a report: as an array, its most confused part, and the pairs that are confused most."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from osarbench.scores.metrics.evaluation import UNKNOWN
from osarbench.scores.metrics.outcome import IntArray

#: What a smaller matrix calls the decisions that its columns leave out.
OTHER = "(other)"


class Matrix(NamedTuple):
    """Videos by true class (rows) and decision (columns); the last true class is "(unknown)"."""

    names: list[str]  #: of the rows; the columns begin with the same
    counts: IntArray  #: [rows, columns]


class Pair(NamedTuple):
    """How often one known class was taken for another."""

    label: str
    decision: str
    videos: int
    of: int  #: videos of the class


def matrix(metrics: Mapping[str, Any]) -> Matrix | None:
    """Return the confusion matrix at the threshold, [K + 1, K + 1], from what `evaluate` returned; None without one."""
    cells = metrics["thresholded"]["confusion"]
    if cells is None:
        return None
    names = list(cells)
    positions = {name: position for position, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    for label, row in cells.items():
        for decision, videos in row.items():
            counts[positions[label], positions[decision]] = videos
    return Matrix(names, counts)


def most_confused(whole: Matrix, size: int) -> Matrix:
    """Return the part with the ``size`` known classes that have most wrong decisions, theirs or for them.

    Decisions for the classes that are left out are in a last column, after "(unknown)".
    """
    wrong = whole.counts - np.diag(np.diag(whole.counts))
    errors = (wrong.sum(axis=0) + wrong.sum(axis=1))[:-1]
    kept = np.sort(np.argsort(-errors, kind="stable")[:size])
    chosen = np.append(kept, len(whole.names) - 1)
    rows = whole.counts[chosen]
    others = rows.sum(axis=1) - rows[:, chosen].sum(axis=1)
    return Matrix([whole.names[position] for position in chosen], np.column_stack([rows[:, chosen], others]))


def confused_pairs(whole: Matrix, limit: int) -> list[Pair]:
    """Return the pairs of known classes with most videos of the one accepted as the other, most first."""
    known = whole.counts[:-1, :-1]
    support = whole.counts.sum(axis=1)
    wrong = known - np.diag(np.diag(known))
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    cells = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [
        Pair(whole.names[row], whole.names[column], int(wrong[row, column]), int(support[row]))
        for row, column in cells
        if wrong[row, column]
    ]


def is_unknown(name: str) -> bool:
    """Return whether a name is that of the unknown row or column."""
    return name == UNKNOWN
