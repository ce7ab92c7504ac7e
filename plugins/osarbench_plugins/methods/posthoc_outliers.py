"""Classical outlier detectors on the training features, labels hardly used: a second opinion, mostly by scikit-learn.

They do not stand 2,048 dimensions, so features are reduced to their principal coordinates and, as one more coordinate,
the length of the rest; without it whatever is new in direction would be lost.
"""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._posthoc import PostHoc, in_blocks, no_more_than_a_class
from ._settings import Count, Positive, Seed, Trees


class OutlierScore(PostHoc):
    """What the detectors share.

    Args:
        components: principal coordinates, at most.
    """

    mean: Tensor  # [D]
    principal: Tensor  # [D, d]

    def __init__(self, *, components: Count = 64) -> None:
        self.components = components

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the principal coordinates, and then the detector."""
        from sklearn.decomposition import PCA  # scikit-learn takes as long to import as torch

        features = outputs.features
        kept = max(1, min(self.components, features.shape[1] - 1, len(features) - 1))
        found = PCA(kept, svd_solver="randomized", random_state=0).fit(features.numpy())
        self.mean = torch.from_numpy(found.mean_.copy()).double()
        self.principal = torch.from_numpy(found.components_.T.copy()).double()
        self.learn(in_blocks(self._reduced, features), labels)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return `judge` of each video's coordinates [N]."""
        return self.judge(in_blocks(self._reduced, outputs.features))

    @abstractmethod
    def learn(self, coordinates: Tensor, labels: Tensor) -> None:
        """Learn from the coordinates [N, d + 1] of training videos."""

    @abstractmethod
    def judge(self, coordinates: Tensor) -> Tensor:
        """Return the uncertainty [N] of videos by their coordinates [N, d + 1]."""

    def _reduced(self, features: Tensor) -> Tensor:
        away = features.double() - self.mean
        along = away @ self.principal
        rest = away.square().sum(dim=1) - along.square().sum(dim=1)
        return torch.cat([along, rest.clamp(min=0).sqrt()[:, None]], dim=1)


class Lof(OutlierScore):
    """Local outlier factor (Breunig et al., SIGMOD 2000): how much sparser it is around a video.

    Args:
        components: principal coordinates, at most.
        neighbours: that are looked at; at most three quarters of the training videos of a class.
    """

    name = "lof"
    detector: Any

    def __init__(self, *, components: Count = 64, neighbours: Count = 20) -> None:
        super().__init__(components=components)
        self.neighbours = neighbours

    def learn(self, coordinates: Tensor, labels: Tensor) -> None:
        """Keep the training videos and their densities."""
        from sklearn.neighbors import LocalOutlierFactor

        neighbours = min(no_more_than_a_class(self.neighbours, labels), len(coordinates) - 1)
        self.detector = LocalOutlierFactor(n_neighbors=neighbours, algorithm="brute", novelty=True)
        self.detector.fit(coordinates.numpy())

    def judge(self, coordinates: Tensor) -> Tensor:
        """Return the factor [N], around 1 for a training video."""
        return torch.from_numpy(-self.detector.score_samples(coordinates.numpy()))


class Iforest(OutlierScore):
    """Isolation forest (Liu et al., ICDM 2008): how few random cuts set a video apart.

    It cuts one coordinate at a time, so that it sees little of a video that is new in the midst of many classes.

    Args:
        components: principal coordinates, at most.
        trees: in the forest.
        seed: of the cuts.
    """

    name = "iforest"
    detector: Any

    def __init__(self, *, components: Count = 64, trees: Trees = 100, seed: Seed = 0) -> None:
        super().__init__(components=components)
        self.trees, self.seed = trees, seed

    def learn(self, coordinates: Tensor, labels: Tensor) -> None:
        """Grow the forest."""
        from sklearn.ensemble import IsolationForest

        self.detector = IsolationForest(n_estimators=self.trees, random_state=self.seed).fit(coordinates.numpy())

    def judge(self, coordinates: Tensor) -> Tensor:
        """Return the anomaly score [N], in 0 to 1."""
        return torch.from_numpy(-self.detector.score_samples(coordinates.numpy()))


class Kde(OutlierScore):
    """Density by a Gaussian kernel around every training video (Parzen, 1962).

    Args:
        components: principal coordinates, at most.
        bandwidth: standard deviation of the kernel, in units of the features; None is Scott's rule.
    """

    name = "kde"
    bank: Tensor  # [N, d + 1], in bandwidths

    def __init__(self, *, components: Count = 64, bandwidth: Positive | None = None) -> None:
        super().__init__(components=components)
        self.bandwidth = bandwidth

    def learn(self, coordinates: Tensor, labels: Tensor) -> None:
        """Keep the training videos, and choose the bandwidth."""
        videos, dim = coordinates.shape
        scott = float(coordinates.var(dim=0, correction=0).mean().sqrt()) * videos ** (-1 / (dim + 4))
        self.width = self.bandwidth or scott or 1.0
        self.bank = coordinates / self.width

    def judge(self, coordinates: Tensor) -> Tensor:
        """Return minus the log density [N]."""
        return in_blocks(self._log_density, coordinates / self.width).neg()

    def _log_density(self, away: Tensor) -> Tensor:
        videos, dim = self.bank.shape
        squares = torch.cdist(away, self.bank).square_()  # [B, N]
        kernel = squares.mul_(-0.5).logsumexp(dim=1)
        return kernel - math.log(videos) - dim * (math.log(self.width) + 0.5 * math.log(2 * math.pi))


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the classical detectors."""
    return [Lof, Iforest, Kde]
