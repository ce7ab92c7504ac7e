"""Post-hoc scores of the training videos that are nearest to a video, among all of them.

Neighbours are looked for in float32, where nearly all the time goes; distances to them are then taken in float64.
"""

import torch
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._posthoc import PostHoc, energy, in_blocks, length, no_more_than_a_class, unit
from ._settings import Count, Finite, Positive


class Knn(PostHoc):
    """Distance to the k-th nearest training video, features at length 1 (Sun et al., ICML 2022, arXiv:2204.06507).

    That is the distance of angles. Each training video is its own nearest neighbour, which a threshold from training
    videos would have to mind.

    Args:
        neighbours: k; at most three quarters of the training videos of a class, see `no_more_than_a_class`.
    """

    name = "knn"
    bank: Tensor  # [N, D]
    squares: Tensor  # [N]
    origin: Tensor  # [D]
    nearest: int

    def __init__(self, *, neighbours: Count = 50) -> None:
        self.neighbours = neighbours

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Keep the training features."""
        features = self.prepare(outputs.features)
        self.origin = features.mean(dim=0)  # lengths cancel least around it
        self.bank = features - self.origin
        self.squares = self.bank.square().sum(dim=1)
        self.nearest = no_more_than_a_class(self.neighbours, labels)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the distance to the k-th nearest training video [N], in float64."""
        return in_blocks(self._distance, self.prepare(outputs.features))

    def prepare(self, features: Tensor) -> Tensor:
        """Return the features that are compared, [N, D]."""
        return unit(features)

    def _distance(self, features: Tensor) -> Tensor:
        away = features - self.origin
        nearness = torch.addmm(self.squares, away, self.bank.T, beta=-0.5)  # [B, N], higher is nearer
        last = nearness.topk(self.nearest, dim=1).indices[:, -1]
        return length(away.double() - self.bank[last].double())


class KnnEuclidean(Knn):
    """Distance to the k-th nearest training video, features as they are.

    Args:
        neighbours: k, as of knn.
    """

    name = "knn_euclidean"

    def prepare(self, features: Tensor) -> Tensor:
        """Return the features as they are."""
        return features


class NnGuide(PostHoc):
    """Energy, guided by that of the nearest training videos (NNGuide; Park et al., ICCV 2023, arXiv:2309.14888).

    Args:
        neighbours: k; all of them, if there are fewer.
    """

    name = "nnguide"
    bank: Tensor  # [N, D]

    def __init__(self, *, neighbours: Count = 10) -> None:
        self.neighbours = neighbours

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Keep the directions of the training features, each times the log-sum-exp of its logits."""
        self.bank = unit(outputs.features) * -energy(outputs.logits)[:, None]

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return minus the mean guided cosine of the nearest, times the log-sum-exp of the logits [N]."""
        return in_blocks(self._guided, outputs.features, outputs.logits)

    def _guided(self, features: Tensor, logits: Tensor) -> Tensor:
        guided = unit(features) @ self.bank.T  # [B, N]
        nearest = guided.topk(min(self.neighbours, len(self.bank)), dim=1).values
        return nearest.double().mean(dim=1) * energy(logits.double())


class Relation(PostHoc):
    """Sum of relations to training videos, alike in feature and prediction (Kim et al., NeurIPS 2023).

    Args:
        power: of a relation.
        cutoff: a relation of no more counts for nothing.
    """

    name = "relation"
    bank: Tensor  # [N, D]
    softmax: Tensor  # [N, K]

    def __init__(self, *, power: Positive = 1.0, cutoff: Finite = 0.03) -> None:
        self.power, self.cutoff = power, cutoff

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Keep directions and predictions of the training videos."""
        self.bank, self.softmax = unit(outputs.features), outputs.logits.softmax(dim=1)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return minus the sum of relations [N]."""
        return in_blocks(self._relations, unit(outputs.features), outputs.logits.softmax(dim=1))

    def _relations(self, features: Tensor, softmax: Tensor) -> Tensor:
        relations = (features @ self.bank.T).clamp_(min=0).mul_(softmax @ self.softmax.T)  # [B, N]
        relations.mul_(relations > self.cutoff)
        if self.power != 1:
            relations.pow_(self.power)
        return -relations.sum(dim=1, dtype=torch.float64)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of neighbours."""
    return [Knn, KnnEuclidean, NnGuide, Relation]
