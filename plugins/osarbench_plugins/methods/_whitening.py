"""Covariances that can always be inverted, and the distances and directions that follow from them."""

from typing import NamedTuple

import torch
from torch import Tensor

FLOOR = 1e-6  #: share of the scaled identity in every covariance


class Whitening(NamedTuple):
    """A linear map after which features have mean zero and the identity as covariance."""

    mean: Tensor  #: [D]
    factor: Tensor  #: [D, D] lower Cholesky factor of the covariance

    def __call__(self, features: Tensor) -> Tensor:
        """Return whitened features [N, D]; their squared length is the squared Mahalanobis distance."""
        solved: Tensor = torch.linalg.solve_triangular(self.factor, (features - self.mean).T, upper=False)
        return solved.T


def whitening(deviations: Tensor, mean: Tensor, *, shrinkage: float | None = None, groups: int = 1) -> Whitening:
    """Return the whitening of a covariance, estimated from deviations [N, D] from the means of some groups.

    The covariance is ``(1 - s) S + s tr(S) / D I`` for the maximum-likelihood estimate S, so that it has an inverse
    where features are constant, dependent, or more than there are videos. If no s is given it is 1e-6, which changes
    a well-determined covariance in no digit that matters; with fewer videos than features it is that of the
    oracle-approximating shrinkage (OAS; Chen et al., 2010).

    Args:
        deviations: features less the mean of their group, float64.
        mean: what whitened features are centred on, [D].
        shrinkage: s, in 0 to 1.
        groups: means that were estimated.
    """
    videos, dim = deviations.shape
    covariance = deviations.T @ deviations / videos
    if shrinkage is None:
        shrinkage = FLOOR if videos - groups >= dim else max(FLOOR, oas(covariance, videos))
    size = float(covariance.diagonal().mean()) or 1.0
    covariance.mul_(1 - shrinkage).diagonal().add_(max(shrinkage, FLOOR) * size)
    return Whitening(mean, torch.linalg.cholesky(covariance))


def oas(covariance: Tensor, videos: int) -> float:
    """Return the oracle-approximating shrinkage of a covariance [D, D] (Chen et al., 2010; as in scikit-learn)."""
    dim = len(covariance)
    square, trace = float(covariance.square().mean()), float(covariance.diagonal().mean())
    spread = square - trace**2 / dim
    return 1.0 if spread <= 0 else min(1.0, (square + trace**2) / ((videos + 1) * spread))


def directions(deviations: Tensor) -> Tensor:
    """Return the principal directions [D, D] of deviations [N, D] from some origin, the strongest first."""
    vectors: Tensor = torch.linalg.eigh(deviations.T @ deviations).eigenvectors
    return vectors.flip(1)
