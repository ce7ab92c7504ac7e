"""Post-hoc scores of how features lie to the weights of the last layer: angles, boundaries, and closed-form gradients.

Gradients are those of the last layer alone, where they have a closed form; scores that need them for the backbone or
the input (ODIN's and MDS's perturbation, GradNorm of inner layers, GROOD, AdaSCALE) are not here.
"""

import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method, Outputs

from ._linear import linear
from ._posthoc import FeatureScore, class_means, in_blocks, length, unit
from ._settings import Bins, Count, NonNegative, Positive

TINY = torch.finfo(torch.float64).tiny


class Fdbd(FeatureScore):
    """Distance to the decision boundaries, relative to that from the training mean (fDBD; Liu and Qin, ICML 2024)."""

    name = "fdbd"
    mean: Tensor  # [D]
    apart: Tensor  # [K, K] distances of the classes' weights

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the mean of the training features."""
        weight = linear(outputs.head, self.name).weight
        self.mean = outputs.features.double().mean(dim=0)
        self.apart = torch.cdist(weight, weight, compute_mode="donot_use_mm_for_euclid_dist").clamp(min=TINY)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the mean relative distance to the boundaries of the other classes [B]."""
        largest, predicted = logits.max(dim=1, keepdim=True)
        boundaries = ((largest - logits) / self.apart[predicted.squeeze(1)]).sum(dim=1) / (logits.shape[1] - 1)
        return -boundaries / length(features - self.mean).clamp(min=TINY)


class Nci(FeatureScore):
    """Nearness of the centred feature to its class's weights (NCI; Liu and Qin, CVPR 2025, arXiv:2311.01479).

    Args:
        alpha: weight of the length of the feature; OpenOOD's.
    """

    name = "nci"
    mean: Tensor  # [D]

    def __init__(self, *, alpha: NonNegative = 0.0001) -> None:
        self.alpha = alpha

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the mean of the training features."""
        self.mean = outputs.features.double().mean(dim=0)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the length of the weights along the feature, and minus alpha times its 1-norm [B]."""
        weight = linear(head, self.name).weight[logits.argmax(dim=1)]
        along = (unit(features - self.mean) * weight).sum(dim=1)
        return -along - self.alpha * features.abs().sum(dim=1)


class GradNorm(FeatureScore):
    """Length of the last layer's gradient towards the uniform prediction (GradNorm; Huang et al., NeurIPS 2021).

    It is the product of the 1-norms of the feature and of the softmax less 1 / K.
    """

    name = "gradnorm"

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the 1-norm of the gradient [B]."""
        towards = logits.softmax(dim=1) - 1 / logits.shape[1]
        return -features.abs().sum(dim=1) * towards.abs().sum(dim=1)


class Nac(FeatureScore):
    """Coverage of neuron states by training videos (NAC-UE; Liu et al., ICLR 2024, arXiv:2306.02879), last layer only.

    A neuron's state is the sigmoid of its activation times the gradient of ``KL(uniform || softmax)``. Coverage is
    counted, so videos can tie.

    Args:
        steepness: of the sigmoid. The paper chooses it by data set and layer, with the help of unknown images; None
            makes the mean argument of the sigmoid 10 in size on training videos, whatever the scale of the features.
        bins: of each neuron's histogram.
        full: training videos that cover a bin fully.
    """

    name = "nac"
    coverage: Tensor  # [D * bins], 0 to 1
    slope: float

    def __init__(self, *, steepness: Positive | None = None, bins: Bins = 50, full: Count = 50) -> None:
        self.steepness = steepness
        self.bins = bins
        self.full = full

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Count the training videos in every bin of every neuron."""

        def states(features: Tensor, logits: Tensor) -> Tensor:
            return self._states(features.double(), logits.double(), outputs.head)

        dim, self.slope = outputs.head.dim, self.steepness or self._slope(outputs)
        counts = torch.zeros(dim * self.bins, dtype=torch.int64)
        features, logits = outputs.features, outputs.logits
        for begin in range(0, len(features), 2048):
            part = in_blocks(states, features[begin : begin + 2048], logits[begin : begin + 2048])
            counts += torch.bincount(part.flatten(), minlength=dim * self.bins)
        self.coverage = (counts.double() / self.full).clamp(max=1)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the mean coverage of a video's neuron states [B]."""
        return -self.coverage[self._states(features, logits, head)].mean(dim=1)

    def _states(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the place of each neuron's bin in `coverage`, [B, D]."""
        state = (self.slope * self._products(features, logits, head)).sigmoid()
        within = (state * self.bins).long().clamp(max=self.bins - 1)
        return within + torch.arange(features.shape[1]) * self.bins

    def _products(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return activation times gradient [B, D]."""
        towards = logits.softmax(dim=1) - 1 / logits.shape[1]
        return features * (towards @ linear(head, self.name).weight)

    def _slope(self, outputs: Outputs) -> float:
        def size(features: Tensor, logits: Tensor) -> Tensor:
            return self._products(features.double(), logits.double(), outputs.head).abs().mean(dim=1)

        return 10 / max(float(in_blocks(size, outputs.features, outputs.logits).mean()), 10 * TINY)  # finite


class MaxCosine(FeatureScore):
    """Largest cosine of feature and weights, the angle in the largest logit (Zhang and Xiang, CVPR 2023)."""

    name = "maxcosine"

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return one minus the largest cosine [B]."""
        return 1 - (unit(features) @ unit(linear(head, self.name).weight).T).amax(dim=1)


class FeatureNorm(FeatureScore):
    """Length of the feature, the other part of the largest logit (Vaze et al., ICLR 2022)."""

    name = "feature_norm"

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the 2-norm of the feature [B]."""
        return -length(features)


class NuSa(FeatureScore):
    """Share of the feature that the last layer is blind to (NuSA; Cook et al., 2020): in the weights' null space."""

    name = "nusa"

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the length of the feature in the null space, over its whole length [B].

        Raises:
            OsarbenchError: there is no null space, for there are no fewer classes than features.
        """
        weight = linear(head, self.name).weight
        if weight.shape[0] >= weight.shape[1]:
            raise OsarbenchError(
                f"nusa looks where the last layer is blind, but a layer from {weight.shape[1]} features to "
                f"{weight.shape[0]} classes sees everything. Take a backbone of more features, or another method."
            )
        _, sizes, rows = torch.linalg.svd(weight, full_matrices=False)
        seen = rows[sizes > 1e-7 * sizes[0]]  # [rank, D]
        squares = features.square().sum(dim=1)
        share: Tensor = (features @ seen.T).square().sum(dim=1) / squares.clamp(min=TINY)
        return (1 - share).clamp(min=0).sqrt()


class She(FeatureScore):
    """Inner product with the mean feature of the predicted class (SHE; Zhang et al., ICLR 2023).

    The mean is over the training videos of the class that the network is right about, or all if it is right about none.
    """

    name = "she"
    patterns: Tensor  # [K, D]

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Average the features of each class."""
        features, right = outputs.features, outputs.logits.argmax(dim=1) == labels
        classes = outputs.view_logits.shape[-1]
        usable = right | ~torch.isin(labels, labels[right])
        self.patterns = class_means(features[usable], labels[usable], classes=classes, who=self.name)

    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return minus the inner product [B]."""
        return -(features * self.patterns[logits.argmax(dim=1)]).sum(dim=1)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of features and weights."""
    return [Fdbd, Nci, GradNorm, Nac, MaxCosine, FeatureNorm, NuSa, She]
