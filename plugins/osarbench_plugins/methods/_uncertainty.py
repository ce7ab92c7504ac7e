"""Uncertainty of class probabilities: of one prediction, and of several of the same video."""

from typing import NamedTuple

import torch
from torch import Tensor


class Decomposition(NamedTuple):
    """Where the spread of several predictions comes from (Kwon et al., 2020; traces of the covariances)."""

    aleatoric: Tensor  #: [N] within each prediction
    epistemic: Tensor  #: [N] between predictions


def remaining_probability(probabilities: Tensor) -> Tensor:
    """Return the probability [N] of all classes but the likeliest, of [N, K].

    As a sum it stays exact where one minus the largest would round to 0, so that sure videos do not tie.
    """
    return probabilities.sort(dim=1).values[:, :-1].sum(dim=1)


def mutual_information(passes: Tensor) -> Tensor:
    """Return the mutual information between class and model [N] of S predictions [S, N, K] of each video.

    It is ``H[mean p] - mean H[p]``, in nats, as the mean divergence of the predictions from their mean (BALD; Houlsby
    et al., 2011; DEAR's `ood_detection.py`).
    """
    mean = passes.mean(dim=0)
    divergence = (torch.xlogy(passes, passes) - torch.xlogy(passes, mean)).sum(dim=2)  # [S, N]
    return divergence.mean(dim=0).clamp(min=0)


def decomposition(passes: Tensor) -> Decomposition:
    """Return aleatoric and epistemic uncertainty of S predictions [S, N, K] of each video."""
    aleatoric = 1 - passes.square().sum(dim=2).mean(dim=0)
    epistemic = (passes - passes.mean(dim=0)).square().sum(dim=2).mean(dim=0)
    return Decomposition(aleatoric, epistemic)
