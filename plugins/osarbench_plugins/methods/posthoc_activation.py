"""Post-hoc scores that prune, clip or scale the features, or the weights, and take the energy of the new logits.

They were made for features that are not negative, as after a ReLU; where a sum of features decides (ASH, SCALE, LTS),
negative features count as 0.
"""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method, Outputs

from ._linear import Linear, linear
from ._posthoc import FeatureScore, energy, percentile
from ._settings import Percent


class Shaped(FeatureScore):
    """The energy of the logits of altered features."""

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the energy [B] of the logits of `shape`'s features."""
        return energy(linear(head, self.name).logits(self.shape(features)))

    @abstractmethod
    def shape(self, features: Tensor) -> Tensor:
        """Return the altered features [B, D]."""


class React(Shaped):
    """Features clipped from above (ReAct; Sun et al., NeurIPS 2021, arXiv:2111.12797).

    Args:
        clip: percentile of all training features to clip at.
    """

    name = "react"
    threshold: float

    def __init__(self, *, clip: Percent = 90.0) -> None:
        self.clip = clip

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Find the percentile of the training features."""
        self.threshold = percentile(outputs.features, self.clip)

    def shape(self, features: Tensor) -> Tensor:
        """Return the clipped features [B, D]."""
        return features.clamp(max=self.threshold)


class Vra(Shaped):
    """Low features set to zero, high ones clipped (VRA-P; Xu et al., NeurIPS 2023, arXiv:2302.11716).

    Args:
        low, high: percentiles of all training features, OpenOOD's.
    """

    name = "vra"
    floor: float
    ceiling: float

    def __init__(self, *, low: Percent = 10.0, high: Percent = 90.0) -> None:
        self.high = high
        if low > high:
            raise OsarbenchError(f"vra: low is a percentile not above high, and {low:g} is above {high:g}.")
        self.low = low

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Find the percentiles of the training features."""
        features = outputs.features
        self.floor, self.ceiling = percentile(features, self.low), percentile(features, self.high)

    def shape(self, features: Tensor) -> Tensor:
        """Return the rectified features [B, D]."""
        return features.clamp(max=self.ceiling).masked_fill(features < self.floor, 0)


class AshP(Shaped):
    """Only the largest features kept (ASH-P; Djurisic et al., ICLR 2023, arXiv:2209.09858).

    Args:
        prune: percentage of a video's features to set to zero.
    """

    name = "ash_p"

    def __init__(self, *, prune: Percent = 60.0) -> None:
        self.prune = prune

    def shape(self, features: Tensor) -> Tensor:
        """Return the pruned features [B, D]."""
        return features * largest(features, self.prune)


class AshB(Shaped):
    """The largest features made equal, with the sum of all (ASH-B; Djurisic et al., ICLR 2023, arXiv:2209.09858).

    Args:
        prune: percentage of a video's features to set to zero.
    """

    name = "ash_b"

    def __init__(self, *, prune: Percent = 65.0) -> None:
        self.prune = prune

    def shape(self, features: Tensor) -> Tensor:
        """Return the binary features [B, D]; those that are not positive stay zero."""
        kept = largest(features, self.prune) & (features > 0)
        equal = features.clamp(min=0).sum(dim=1, keepdim=True) / count(features, self.prune)
        return kept * equal


class AshS(Shaped):
    """The largest features, scaled up by what the others summed to (ASH-S; Djurisic et al., ICLR 2023).

    Args:
        prune: percentage of a video's features to set to zero.
    """

    name = "ash_s"

    def __init__(self, *, prune: Percent = 90.0) -> None:
        self.prune = prune

    def shape(self, features: Tensor) -> Tensor:
        """Return the pruned and scaled features [B, D]."""
        kept = features * largest(features, self.prune)
        return kept * concentration(features, kept).exp()


class Scale(Shaped):
    """All features scaled by how much of their sum the largest lack (SCALE; Xu et al., ICLR 2024, arXiv:2310.00227).

    Args:
        prune: percentage of a video's features that are not among the largest.
    """

    name = "scale"

    def __init__(self, *, prune: Percent = 85.0) -> None:
        self.prune = prune

    def shape(self, features: Tensor) -> Tensor:
        """Return the scaled features [B, D]."""
        kept = features * largest(features, self.prune)
        return features * concentration(features, kept).exp()


class Lts(FeatureScore):
    """SCALE's factor, squared and applied to the logits (LTS; Djurisic et al., 2024, arXiv:2409.01175).

    Args:
        top: percentage of a video's features that are the largest.
    """

    name = "lts"

    def __init__(self, *, top: Percent = 5.0) -> None:
        self.top = top

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the energy [B] of the scaled logits."""
        kept = features * largest(features, 100 - self.top)
        return energy(logits * concentration(features, kept).square())


class Dice(FeatureScore):
    """Only the weights that contribute most (DICE; Sun and Li, ECCV 2022, arXiv:2111.09805).

    Args:
        prune: percentage of the weights to set to zero; 70 was best for 2,048 features, 90 on CIFAR.
    """

    name = "dice"
    sparse: Linear

    def __init__(self, *, prune: Percent = 70.0) -> None:
        self.prune = prune

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn which products of weight and mean training feature are large, over all classes together."""
        self.sparse = self._sparse(linear(outputs.head, self.name), outputs.features.double())

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the energy [B] under the remaining weights."""
        return energy(self.sparse.logits(features))

    def _sparse(self, layer: Linear, features: Tensor) -> Linear:
        contribution = features.mean(dim=0) * layer.weight  # [K, D]
        return layer._replace(weight=layer.weight * (contribution > percentile(contribution, self.prune)))


class DiceReact(Dice):
    """DICE on features that ReAct clipped (Sun and Li, ECCV 2022).

    Args:
        prune: percentage of the weights to set to zero.
        clip: percentile of all training features to clip at.
    """

    name = "dice_react"
    threshold: float

    def __init__(self, *, prune: Percent = 70.0, clip: Percent = 90.0) -> None:
        super().__init__(prune=prune)
        self.clip = clip

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn where to clip, and which weights contribute to the logits of clipped features."""
        features = outputs.features
        self.threshold = percentile(features, self.clip)
        self.sparse = self._sparse(linear(outputs.head, self.name), features.double().clamp(max=self.threshold))

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the energy [B] of clipped features under the remaining weights."""
        return energy(self.sparse.logits(features.clamp(max=self.threshold)))


def count(features: Tensor, prune: float) -> int:
    """Return how many of the features [B, D] of a video are left without ``prune`` per cent of them."""
    dim = features.shape[1]
    return max(1, dim - round(dim * prune / 100))


def largest(features: Tensor, prune: float) -> Tensor:
    """Return which features [B, D] are among each video's largest, ``prune`` per cent of them left out."""
    position = features.shape[1] - count(features, prune)
    least = np.partition(features.numpy(), position, axis=1)[:, position]
    return features >= torch.from_numpy(least)[:, None]


def concentration(features: Tensor, kept: Tensor) -> Tensor:
    """Return the sum of a video's features over that of its largest [B, 1]: 1 or more, 1 if nothing is positive."""
    ratio = features.clamp(min=0).sum(dim=1, keepdim=True) / kept.clamp(min=0).sum(dim=1, keepdim=True)
    return ratio.nan_to_num(nan=1.0, posinf=1.0)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of altered features."""
    return [React, Vra, AshP, AshB, AshS, Scale, Lts, Dice, DiceReact]
