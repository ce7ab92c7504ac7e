"""Post-hoc scores of Gaussians around the training features: Mahalanobis distances and densities.

Covariances are shrunk as little as an inverse needs, see `_whitening.whitening`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method, Outputs

from ._posthoc import FeatureScore, centred, class_means, unit
from ._settings import Positive, Share
from ._whitening import Whitening, whitening


class Tied(NamedTuple):
    """A Gaussian a class, all of one covariance."""

    whiten: Whitening
    means: Tensor  #: [K, D], whitened


class GaussianScore(FeatureScore):
    """What the scores of this file share.

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    def __init__(self, *, shrinkage: Share | None = None) -> None:
        self.shrinkage = shrinkage

    def prepare(self, features: Tensor) -> Tensor:
        """Return the features [N, D] that the Gaussians are of; as they are by default."""
        return features

    def tied(self, outputs: Outputs, labels: Tensor) -> Tied:
        """Fit a Gaussian a class with a shared covariance."""
        features = self.prepare(outputs.features.double())
        means = class_means(features, labels, classes=outputs.view_logits.shape[-1], who=self.name)
        middle = means.mean(dim=0)
        deviations = centred(features, means, labels)
        whiten = whitening(deviations, middle, shrinkage=self.shrinkage, groups=len(means))
        return Tied(whiten, whiten(means))

    def single(self, outputs: Outputs) -> Whitening:
        """Fit one Gaussian to all classes together."""
        features = self.prepare(outputs.features.double())
        mean = features.mean(dim=0)
        return whitening(features - mean, mean, shrinkage=self.shrinkage)

    def distances(self, features: Tensor, tied: Tied) -> Tensor:
        """Return the squared Mahalanobis distance [B, K] of features [B, D] to every class."""
        whitened = tied.whiten(self.prepare(features))
        squares = whitened.square().sum(dim=1, keepdim=True) + tied.means.square().sum(dim=1)
        return (squares - 2 * whitened @ tied.means.T).clamp(min=0)


class Mds(GaussianScore):
    """Mahalanobis distance to the nearest class (MDS; Lee et al., NeurIPS 2018), of these features alone.

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    name = "mds"
    classes: Tied

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the means of the classes and the covariance they share."""
        self.classes = self.tied(outputs, labels)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the smallest squared distance [B]."""
        return self.distances(features, self.classes).amin(dim=1)


class MdsNormalized(Mds):
    """mds of features of length 1 (Mahalanobis++; Müller and Hein, ICML 2025).

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    name = "mds_pp"

    def prepare(self, features: Tensor) -> Tensor:
        """Return the features at length 1."""
        return unit(features)


class Rmds(GaussianScore):
    """mds less the distance to all training videos as one (relative Mahalanobis; Ren et al., 2021, arXiv:2106.09022).

    The covariance of the whole is that within classes plus that between them, of rank K - 1, so that what is common to
    both distances cancels and K directions are left to look at.

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    name = "rmds"
    mean: Tensor  # [D]
    directions: Tensor  # [D, K]
    squares: Tensor  # [K] of the lengths of the whitened class means
    roots: Tensor  # [K] of the shares of the classes
    between: Tensor  # [K, K]: lower factor of I + A A', A the whitened class means times these roots

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the means of the classes, their frequency, and the covariance they share."""
        tied = self.tied(outputs, labels)
        shares = torch.bincount(labels).double() / len(labels)
        means = tied.means - shares @ tied.means
        self.mean = outputs.features.double().mean(dim=0)
        self.directions = torch.linalg.solve_triangular(tied.whiten.factor.T, means.T, upper=True)
        self.squares = means.square().sum(dim=1)
        self.roots = shares.sqrt()
        away = self.roots[:, None] * means  # [K, D]
        self.between = torch.linalg.cholesky(torch.eye(len(away)).double() + away @ away.T)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the smallest squared distance to a class, less that to the whole [B]."""
        along = (features - self.mean) @ self.directions  # [B, K]
        common: Tensor = torch.linalg.solve_triangular(self.between, (along * self.roots).T, upper=False)  # [K, B]
        nearest: Tensor = (self.squares - 2 * along).amin(dim=1)
        return nearest + common.square().sum(dim=0)


class MdsSingle(GaussianScore):
    """Mahalanobis distance to all training videos as one Gaussian.

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    name = "mds_single"
    whole: Whitening

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn one mean and one covariance."""
        self.whole = self.single(outputs)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the squared distance [B]."""
        return self.whole(self.prepare(features)).square().sum(dim=1)


class Ssd(MdsSingle):
    """mds_single of features of length 1 (SSD; Sehwag et al., ICLR 2021): PSL's score, on a network of any training.

    PSL standardises each feature as well, which leaves a Mahalanobis distance as it is.

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    name = "ssd"

    def prepare(self, features: Tensor) -> Tensor:
        """Return the features at length 1."""
        return unit(features)


class Gmm(Mds):
    """Density of a mixture of the classes' Gaussians, of one covariance, weighted by frequency (discriminant analysis).

    Args:
        shrinkage: share of the scaled identity in the covariance; None is as little as it takes.
    """

    name = "gmm"
    log_weights: Tensor  # [K]

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the Gaussians, and how frequent the classes are."""
        super().fit(outputs, labels)
        self.log_weights = (torch.bincount(labels).double() / len(labels)).log()

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the log density [B], up to a constant."""
        return -(self.log_weights - self.distances(features, self.classes) / 2).logsumexp(dim=1)


class GmmDiagonal(FeatureScore):
    """Density of a mixture of the classes' Gaussians, each with variances of its own and no covariance.

    Args:
        prior: how many videos the variances of all classes together count for, beside those of a class.
    """

    name = "gmm_diag"
    means: Tensor  # [K, D]
    precisions: Tensor  # [K, D]
    log_scales: Tensor  # [K]

    def __init__(self, *, prior: Positive = 10.0) -> None:
        self.prior = prior

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn mean, variances and frequency of each class."""
        features, classes = outputs.features.double(), outputs.view_logits.shape[-1]
        self.means = class_means(features, labels, classes=classes, who=self.name)
        squares = centred(features, self.means, labels).square()
        counts = torch.bincount(labels)[:, None]
        together = squares.mean(dim=0)
        sums = torch.zeros_like(self.means).index_add_(0, labels, squares)
        variances = (sums + self.prior * together) / (counts + self.prior)
        variances += max(1e-6 * float(together.mean()), torch.finfo(torch.float32).tiny)
        self.precisions = 1 / variances
        self.log_scales = (counts.squeeze(1) / len(labels)).log() - variances.log().sum(dim=1) / 2

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the log density [B], up to a constant."""
        middle = self.means.mean(dim=0)
        away, means = features - middle, self.means - middle
        distances = away.square() @ self.precisions.T - 2 * away @ (means * self.precisions).T
        distances += (means.square() * self.precisions).sum(dim=1)
        return -(self.log_scales - distances / 2).logsumexp(dim=1)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of Gaussians."""
    return [Mds, MdsNormalized, Rmds, MdsSingle, Ssd, Gmm, GmmDiagonal]
