"""CAC, class anchor clustering (Miller et al., WACV 2021, arXiv:2004.02434): logits near anchors fixed in advance."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import LinearHead, Method, Outputs, Progress

from ._settings import DropoutRate, NonNegative, Positive
from ._trained import TrainedMethod


class CacHead(LinearHead):
    """A linear layer whose outputs lie near the anchor of their class, ``magnitude`` on its own axis.

    Logits are negative distances from the anchors. The loss is that of dimitymiller/cac-openset: the log of 1 plus the
    sum of ``exp(own - other)``, which is the cross-entropy of these logits, and the own distance.

    Args:
        dim, map_dim, classes, dropout, init_std: as of `LinearHead`.
        magnitude: of the anchors.
        anchor_weight: weight of the own distance.
    """

    name = "cac"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        magnitude: Positive = 10.0,
        anchor_weight: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(dim, map_dim, classes, dropout=dropout, init_std=init_std)
        self.magnitude, self.anchor_weight = magnitude, anchor_weight

    def embed(self, vector: Tensor) -> Tensor:
        """Map feature vectors [..., D] to points [..., K] of the space of anchors."""
        points: Tensor = self.fc(self.dropout(vector))
        return points

    def anchors(self) -> Tensor:
        """Return the anchors [K, K]."""
        return self.magnitude * torch.eye(self.classes, device=self.fc.weight.device)

    def forward(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to logits [N, K]."""
        return -distances(self.embed(vector).float(), self.anchors())

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the terms ``loss_cls`` (the tuplet loss) and ``loss_anchor``."""
        logits = self(features.vector)
        own = -logits.gather(1, labels[:, None]).mean()
        return logits, {"loss_cls": F.cross_entropy(logits, labels), "loss_anchor": self.anchor_weight * own}


class Cac(TrainedMethod):
    """Anchors: a video is as unknown as it is far from all class means, weighted by how undecided it is.

    After training the anchors give way to the mean of the rightly classified training videos of each class.

    Args:
        magnitude, anchor_weight, dropout, init_std: as of `CacHead`.
    """

    name = "cac"
    head = CacHead

    def __init__(
        self,
        *,
        magnitude: Positive = 10.0,
        anchor_weight: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(magnitude=magnitude, anchor_weight=anchor_weight, dropout=dropout, init_std=init_std)

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Take the mean of each class; a class of which no video is classified rightly keeps its anchor."""
        points, predicted = _points(outputs), outputs.logits.argmax(dim=1)
        self.centres = _head(outputs).anchors().double()
        for position in range(len(self.centres)):
            right = (labels == position) & (predicted == position)
            if right.any():
                self.centres[position] = points[right].mean(dim=0)

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Return the softmax of negative distances from the class means [N, K], in float64."""
        return (-distances(_points(outputs), self.centres)).softmax(dim=1)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the smallest over classes of the distance times one less its probability [N]."""
        away = distances(_points(outputs), self.centres)
        return (away * -(-away).log_softmax(dim=1).expm1()).amin(dim=1)


def distances(points: Tensor, anchors: Tensor) -> Tensor:
    """Return the Euclidean distances [N, K] of points [N, K] from anchors [K, K]."""
    return torch.cdist(points, anchors, compute_mode="donot_use_mm_for_euclid_dist")  # exact, and 0 has a gradient


@torch.no_grad()
def _points(outputs: Outputs) -> Tensor:
    """Return the points of the videos [N, K], the mean over views."""
    return _head(outputs).embed(outputs.view_features).double().mean(dim=1)


def _head(outputs: Outputs) -> CacHead:
    assert isinstance(outputs.head, CacHead)
    return outputs.head


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer cac."""
    return [Cac]
