"""Post-hoc scores of the directions that training features take, and of those that they do not."""

import torch
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method, Outputs

from ._linear import linear
from ._posthoc import FeatureScore, energy, length, unit
from ._settings import Count
from ._whitening import Whitening, directions, whitening

TINY = torch.finfo(torch.float64).tiny


class Residual(FeatureScore):
    """Length of the feature outside the principal directions of training features (Wang et al., CVPR 2022).

    Directions are counted from where the logits are zero. By default 1,000 are principal for 2,048 features or more,
    512 for 768 or more, half of them for fewer, as in ViM; but never more than half of the training videos.

    Args:
        components: how many directions are principal.
    """

    name = "residual"
    origin: Tensor  # [D]
    principal: Tensor  # [D, d]

    def __init__(self, *, components: Count | None = None) -> None:
        self.components = components

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the principal directions."""
        features, layer = outputs.features.double(), linear(outputs.head, self.name)
        self.origin = -torch.linalg.pinv(layer.weight) @ layer.bias
        videos, dim = features.shape
        wanted = self.components or (1000 if dim >= 2048 else 512 if dim >= 768 else dim // 2)
        kept = max(1, min(wanted, dim - 1, videos // 2))
        self.principal = directions(features - self.origin)[:, :kept].contiguous()

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the length of the residual [B]."""
        return self.residual(features)

    def residual(self, features: Tensor) -> Tensor:
        """Return the length of the residual [N] of features [N, D]."""
        away = features - self.origin
        squares = away.square().sum(dim=1)
        return (squares - (away @ self.principal).square().sum(dim=1)).clamp(min=0).sqrt()


class Vim(Residual):
    """The residual as one more logit, beside the energy of the others (ViM; Wang et al., CVPR 2022, arXiv:2203.10807).

    Args:
        components: how many directions are principal, as of residual.
    """

    name = "vim"
    scale: float

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the principal directions, and what makes the mean residual as large as the mean largest logit."""
        super().fit(outputs, labels)
        residual = self.residual(outputs.features.double()).mean()
        self.scale = float(outputs.logits.double().amax(dim=1).mean() / residual.clamp(min=TINY))

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the scaled residual plus the energy [B]."""
        return self.scale * self.residual(features) + energy(logits)


class Neco(FeatureScore):
    """Share of the feature in the principal directions, times the largest logit (NECO; Ammar et al., ICLR 2024).

    The paper chooses the number of directions by data set. Here it is K - 1, in which classes collapse, or less for few
    features or videos.

    Args:
        components: how many directions are principal; None is K - 1.
    """

    name = "neco"
    mean: Tensor  # [D]
    deviation: Tensor
    principal: Tensor  # [D, d]

    def __init__(self, *, components: Count | None = None) -> None:
        self.components = components

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the principal directions of standardised features."""
        features = outputs.features.double()
        self.mean, deviation = features.mean(dim=0), features.std(dim=0, correction=0)
        self.deviation = torch.where(deviation > 0, deviation, 1.0)
        wanted = self.components or outputs.view_logits.shape[-1] - 1
        kept = max(1, min(wanted, features.shape[1] - 1, len(features) - 1))
        self.principal = directions((features - self.mean) / self.deviation)[:, :kept].contiguous()

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the share, times the largest logit [B]."""
        standard = (features - self.mean) / self.deviation
        share = length(standard @ self.principal) / length(standard).clamp(min=TINY)
        return -share * logits.amax(dim=1)


class Pnml(FeatureScore):
    """Regret of the predictive normalised maximum likelihood learner (pNML; Bibas et al., NeurIPS 2021).

    Features are of length 1, for the softmax as well. Their correlation is shrunk as a covariance is.
    """

    name = "pnml"
    correlation: Whitening

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the correlation matrix of the training features."""
        features = unit(outputs.features.double())
        whiten = whitening(features, torch.zeros(features.shape[1], dtype=torch.float64), groups=0)
        self.correlation = whiten._replace(factor=whiten.factor * len(features) ** 0.5)  # of a sum, not of a mean

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the logarithm of the normaliser [B]."""
        short = unit(features)
        away = self.correlation(short).square().sum(dim=1, keepdim=True)
        log = linear(head, self.name).logits(short).log_softmax(dim=1)
        odds = (log * (away / (1 + away) - 1)).exp() * -log.expm1()
        return (1 / (1 + odds)).sum(dim=1).log()


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of subspaces."""
    return [Residual, Vim, Neco, Pnml]
