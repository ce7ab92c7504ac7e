"""SIRC: a softmax score that a second score of the features corrects where these are unlike those of training.

Xia and Bouganis, "Augmenting Softmax Information for Selective Classification with Out-of-Distribution Data", ACCV
2022, arXiv:2207.07506.
UOSR (Cen et al., ICLR 2023) compares four combinations.
"""

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method, Outputs

from ._posthoc import FeatureScore, log_entropy, log_remaining
from .posthoc_subspace import TINY, Residual


class Sirc(FeatureScore):
    """The logarithm of ``(s1max - s1) (1 + exp(-b (s2 - a)))`` for two confidences s1 and s2.

    a is three standard deviations of s2 below its mean over training videos, b one over its deviation: where s2 is as
    in training the factor is near 1 and s1 decides.
    """

    floor: Tensor  # a, []
    slope: Tensor  # b, []

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn where the second score lies over training videos."""
        self.prepare(outputs, labels)
        second = self.second(outputs.features.double())
        deviation = second.std(correction=0).clamp(min=TINY)
        self.floor, self.slope = second.mean() - 3 * deviation, 1 / deviation

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the combined uncertainty [B], as a logarithm, which does not tie for sure videos."""
        return self.first(logits) + F.softplus(self.slope * (self.floor - self.second(features)))

    def prepare(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn what the second score needs; nothing by default."""

    @abstractmethod
    def first(self, logits: Tensor) -> Tensor:
        """Return the logarithm of ``s1max - s1`` [B]."""

    @abstractmethod
    def second(self, features: Tensor) -> Tensor:
        """Return s2 [B]."""


class _Norm(Sirc):
    """The 1-norm of the feature as second confidence."""

    def second(self, features: Tensor) -> Tensor:
        """Return the 1-norm [B]."""
        return features.abs().sum(dim=1)


class _Residual(Sirc):
    """Minus the length of the feature outside the principal directions as second confidence (ViM's residual)."""

    subspace: Residual

    def prepare(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the principal directions."""
        self.subspace = Residual()
        self.subspace.name = self.name  # type: ignore[misc]  # messages name the method that was asked for
        self.subspace.fit(outputs, labels)

    def second(self, features: Tensor) -> Tensor:
        """Return minus the residual [B]."""
        return -self.subspace.residual(features)


class SircMspNorm(_Norm):
    """SIRC of the maximum softmax probability and the 1-norm of the feature (Xia and Bouganis, ACCV 2022)."""

    name = "sirc_msp_z"

    def first(self, logits: Tensor) -> Tensor:
        """Return the logarithm of one minus the largest probability [B]."""
        return log_remaining(logits)


class SircMspResidual(_Residual):
    """SIRC of the maximum softmax probability and the residual (Xia and Bouganis, ACCV 2022)."""

    name = "sirc_msp_res"

    def first(self, logits: Tensor) -> Tensor:
        """Return the logarithm of one minus the largest probability [B]."""
        return log_remaining(logits)


class SircEntropyNorm(_Norm):
    """SIRC of the entropy and the 1-norm of the feature (Xia and Bouganis, ACCV 2022)."""

    name = "sirc_h_z"

    def first(self, logits: Tensor) -> Tensor:
        """Return the logarithm of the entropy [B]."""
        return log_entropy(logits)


class SircEntropyResidual(_Residual):
    """SIRC of the entropy and the residual (Xia and Bouganis, ACCV 2022)."""

    name = "sirc_h_res"

    def first(self, logits: Tensor) -> Tensor:
        """Return the logarithm of the entropy [B]."""
        return log_entropy(logits)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the four combinations."""
    return [SircMspNorm, SircMspResidual, SircEntropyNorm, SircEntropyResidual]
