"""A linear layer with a distribution over its weights (Bayes by backprop; Blundell et al., ICML 2015)."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, Progress

from ._settings import NonNegative, Passes

PRIOR_STDS = (1.0, math.exp(-6))  #: of the two equal parts of the prior


class Sample(NamedTuple):
    """A classifier drawn from the posterior."""

    weight: Tensor  #: [K, D]
    bias: Tensor  #: [K]


class BnnHead(Head):
    """A linear layer with a Gaussian for every weight, trained on samples of it (DEAR's `bnn.py` and `bnn_loss.py`).

    Logits outside of training are those of the mean weights. Parameters have the names of DEAR's checkpoints.

    Args:
        dim, map_dim, classes: as of every head.
        train_passes: samples of a training step; the loss is that of their mean logits.
        complexity_weight: weight of ``log q(w) - log p(w)``, summed over weights, not divided by the number of batches.
    """

    name = "bnn"

    def __init__(
        self, dim: int, map_dim: int, classes: int, *, train_passes: Passes = 2, complexity_weight: NonNegative = 1e-6
    ) -> None:
        super().__init__(dim, map_dim, classes)
        self.train_passes, self.complexity_weight = train_passes, complexity_weight
        self.weight_mu = nn.Parameter(torch.empty(classes, dim).uniform_(-0.2, 0.2))
        self.weight_rho = nn.Parameter(torch.empty(classes, dim).uniform_(-5, -4))
        self.bias_mu = nn.Parameter(torch.empty(classes).uniform_(-0.2, 0.2))
        self.bias_rho = nn.Parameter(torch.empty(classes).uniform_(-5, -4))

    def forward(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to the logits of the mean weights [N, K]."""
        return F.linear(vector, self.weight_mu, self.bias_mu)

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the mean logits of sampled weights, and ``loss_cls`` and ``loss_complexity``."""
        samples = [
            self.sample(torch.randn_like(self.weight_mu), torch.randn_like(self.bias_mu))
            for _ in range(self.train_passes)
        ]
        return self.loss_of(samples, features.vector, labels)

    def sample(self, weight_noise: Tensor, bias_noise: Tensor) -> Sample:
        """Return the classifier that standard normal noise [K, D] and [K] stands for."""
        weight = self.weight_mu + F.softplus(self.weight_rho) * weight_noise
        return Sample(weight, self.bias_mu + F.softplus(self.bias_rho) * bias_noise)

    def loss_of(self, samples: list[Sample], vector: Tensor, labels: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return mean logits [N, K] and terms of given samples."""
        logits = torch.stack([F.linear(vector, *sample) for sample in samples]).mean(dim=0)
        complexity = torch.stack([self.log_posterior(sample) - log_prior(sample) for sample in samples]).mean()
        terms = {"loss_cls": F.cross_entropy(logits, labels), "loss_complexity": self.complexity_weight * complexity}
        return logits, terms

    def log_posterior(self, sample: Sample) -> Tensor:
        """Return log q(w) of a sample, a scalar."""
        weight = log_normal(sample.weight - self.weight_mu, F.softplus(self.weight_rho)).sum()
        return weight + log_normal(sample.bias - self.bias_mu, F.softplus(self.bias_rho)).sum()


def log_prior(sample: Sample) -> Tensor:
    """Return log p(w) of a sample, a scalar: an even mixture of a wide and a narrow Gaussian for every weight."""
    wide, narrow = ([log_normal(part, torch.tensor(std)) for part in sample] for std in PRIOR_STDS)
    parts = [torch.logaddexp(first, second).sum() for first, second in zip(wide, narrow, strict=True)]
    return torch.stack(parts).sum() - math.log(2) * sum(part.numel() for part in sample)


def log_normal(difference: Tensor, std: Tensor) -> Tensor:
    """Return the log density of a difference from the mean of a Gaussian."""
    return -0.5 * math.log(2 * math.pi) - std.log() - difference.square() / (2 * std.square())
