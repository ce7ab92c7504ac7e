"""OpenMax's arithmetic: a distance, the tail of a distribution of distances, and revised logits."""

from typing import NamedTuple

import torch
from torch import Tensor

STEPS = 200  # halvings and doublings of an interval in float64: it cannot shrink further


class Tail(NamedTuple):
    """A Gumbel distribution of minima for each of K classes."""

    location: Tensor  #: [K]
    scale: Tensor  #: [K]

    def weight(self, distances: Tensor) -> Tensor:
        """Return the share of the distribution below distances [..., K], in 0 to 1."""
        return -(-((distances - self.location) / self.scale).exp()).expm1()


def eucos(features: Tensor, means: Tensor) -> Tensor:
    """Return Euclidean distance / 200 + cosine distance [N, K] of features [N, D] to class means [K, D].

    Both keep the length of features, so this is not symmetric in scale (DEAR's `baseline_openmax.py`).
    """
    unit = torch.nn.functional.normalize
    euclidean = torch.cdist(features, means, compute_mode="use_mm_for_euclid_dist")
    return euclidean / 200 + 1 - unit(features, dim=1) @ unit(means, dim=1).T


def fit_tail(distances: Tensor) -> tuple[float, float]:
    """Return location and scale of the likeliest Gumbel distribution of minima, for distances [n] that differ.

    libMR moves the tail to 10,000 before it fits a Weibull distribution, whose shape then is so high that it is a
    Gumbel distribution of minima to four digits and more. The likeliest scale is the root of
    ``b = sum(x exp(x / b)) / sum(exp(x / b)) - mean(x)``, of which the right side falls as b grows.
    """
    away = distances.double() - distances.max()  # so that no exponential overflows
    low, high = 0.0, float(-away.min())
    for _ in range(STEPS):
        scale = (low + high) / 2
        if not low < scale < high:
            break
        excess = float(((away / scale).softmax(dim=0) * away).sum() - away.mean())
        low, high = (scale, high) if excess > scale else (low, scale)
    location = high * float((away / high).exp().mean().log()) + float(distances.max())
    return location, high


def revise(logits: Tensor, weights: Tensor) -> Tensor:
    """Return K + 1 logits [N, K + 1] of K [N, K]; the last is that of an unknown class.

    Only the largest logit is revised (rank 1, as in DEAR): the share ``weights`` [N, K] of it goes to the unknown.
    """
    largest, predicted = logits.max(dim=1, keepdim=True)
    moved = largest * weights.gather(1, predicted)
    return torch.cat([logits.scatter(1, predicted, largest - moved), moved], dim=1)
