"""Boxes [N, 4] as x1, y1, x2, y2, in shares of the frame."""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
COLUMNS = ["x1", "y1", "x2", "y2"]


def paired_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the intersection over union of boxes [..., 4] and [..., 4], pair by pair.

    >>> paired_iou([[0, 0, 1, 1]], [[0, 0.5, 1, 1]]).tolist()
    [0.5]
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0.0, None).prod(axis=-1)
    union = area(a) + area(b) - shared
    found: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return found


def area(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Return the areas [...] of boxes [..., 4]."""
    areas: npt.NDArray[np.float64] = (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)
    return areas
