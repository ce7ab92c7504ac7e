"""Holm's correction: many tests, and still a 5 % chance of even one false alarm."""

import numpy as np
import numpy.typing as npt


def holm(p: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return adjusted p-values [m], in the given order; reject those below 0.05.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure". The smallest of m is multiplied by m,
    the next by m - 1 and so on; none may fall below the one before it, nor rise above 1. It assumes nothing about how
    the tests depend on each other.

    >>> holm([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    p = np.asarray(p, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum((len(p) - np.arange(len(p))) * p[order], 1.0))
    return adjusted
