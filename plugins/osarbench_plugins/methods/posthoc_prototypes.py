"""Post-hoc scores of the mean training feature of each class."""

from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method, Outputs

from ._posthoc import FeatureScore, class_means, log_remaining, unit
from ._settings import Positive


class NearestMean(FeatureScore):
    """Euclidean distance to the nearest class mean."""

    name = "nearest_mean"
    means: Tensor  # [K, D]

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the means of the classes."""
        classes = outputs.view_logits.shape[-1]
        self.means = class_means(outputs.features, labels, classes=classes, who=self.name)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the smallest distance [B]."""
        middle = self.means.mean(dim=0)
        away, means = features - middle, self.means - middle
        squares = away.square().sum(dim=1, keepdim=True) + means.square().sum(dim=1) - 2 * away @ means.T
        return squares.amin(dim=1).clamp(min=0).sqrt()


class CosinePrototype(FeatureScore):
    """Angle to the nearest class mean."""

    name = "cosine_prototype"
    directions: Tensor  # [K, D]

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the directions of the class means."""
        classes = outputs.view_logits.shape[-1]
        self.directions = unit(class_means(outputs.features, labels, classes=classes, who=self.name))

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return one minus the largest cosine [B]."""
        return 1 - self.cosines(features).amax(dim=1)

    def cosines(self, features: Tensor) -> Tensor:
        """Return the cosines [B, K] of features and class means."""
        return unit(features) @ self.directions.T


class Mcm(CosinePrototype):
    """Softmax of the cosines (MCM; Ming et al., NeurIPS 2022), with class means in the place of text embeddings.

    Args:
        temperature: of the softmax.
    """

    name = "mcm"

    def __init__(self, *, temperature: Positive = 1.0) -> None:
        self.temperature = temperature

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return one minus the largest probability [B]."""
        return log_remaining(self.cosines(features) / self.temperature).exp()


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of class means."""
    return [NearestMean, CosinePrototype, Mcm]
