"""Holm's correction: many tests, and still a 5 % chance of even one false alarm."""

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """Return adjusted p-values, in the given order; reject those below 0.05.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure". The smallest of m is multiplied by m,
    the next by m - 1 and so on; none may fall below the one before it, nor rise above 1. It assumes nothing about how
    the tests depend on each other.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, largest = [0.0] * len(p), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = largest
    return adjusted
