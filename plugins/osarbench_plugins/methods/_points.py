"""Heads with one learned point of feature space for every class: reciprocal points and prototypes."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.interfaces.backbone import Features, FrameFeatures
from osarbench.interfaces.method import Head, Progress

from ._settings import DropoutRate, NonNegative, Positive, Width
from ._trained import SoftmaxMethod


class PointsHead(Head):
    """One point a class, cross-entropy on logits made of features and points, and a term on the own class's point.

    Distances are means over dimensions, as in iCGY96/ARPL, where features have 128 of them. A linear layer leaves no
    more of a backbone's: in 2048 dimensions gradients are so small that a fine-tuning's learning rate trains nothing.

    Args:
        dim, map_dim, classes: as of every head.
        embedding: E, dimensions that features of more are mapped to; None leaves them as they are, E = D.
        temperature: divides the logits in cross-entropy, and there only.
        open_weight: weight of the term on the own class's point.
        dropout: rate on the features; it inflates distances.
        init_std: standard deviation of the first points.
    """

    with_radius: ClassVar[bool] = False

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        embedding: Width | None = 128,
        temperature: Positive = 1.0,
        open_weight: NonNegative = 0.1,
        dropout: DropoutRate = 0.0,
        init_std: NonNegative = 0.1,
    ) -> None:
        super().__init__(dim, map_dim, classes)
        self.temperature, self.open_weight = temperature, open_weight
        self.dropout = nn.Dropout(dropout)
        width = dim if embedding is None else min(embedding, dim)
        self.embed = nn.Linear(dim, width) if width < dim else nn.Identity()
        self.points = nn.Parameter(init_std * torch.randn(classes, width))
        if self.with_radius:
            self.radius = nn.Parameter(torch.zeros(1))

    @abstractmethod
    def logits(self, vector: Tensor) -> Tensor:
        """Return logits [N, K] of embedded features [N, E]."""

    @abstractmethod
    def open_term(self, vector: Tensor, own: Tensor) -> Tensor:
        """Return the scalar term of embedded features [N, E] and their distances from the own class's point [N]."""

    def forward(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to logits [N, K]; dropout acts in training mode only."""
        return self._logits(self.embed(self.dropout(vector)).float())

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the terms ``loss_cls`` and ``loss_open``."""
        vector = self.embed(self._dropped(features)).float()
        logits = self._logits(vector)
        own = (vector - self.points[labels]).square().mean(dim=1)
        closed = F.cross_entropy(logits / self.temperature, labels)
        return logits, {"loss_cls": closed, "loss_open": self.open_weight * self.open_term(vector, own)}

    def _dropped(self, features: Features) -> Tensor:
        """Return the vectors [N, D] after dropout, which acts on each frame's where these are at hand."""
        if isinstance(features, FrameFeatures):
            return torch.mean(self.dropout(features.frames), dim=1)
        vector: Tensor = self.dropout(features.vector)
        return vector

    def _logits(self, vector: Tensor) -> Tensor:
        with torch.autocast(vector.device.type, enabled=False):  # half precision would cancel in the distances
            return self.logits(vector)


class RadiusHead(PointsHead):
    """The same with a learned radius, for terms that compare distances with it; it begins at 0."""

    with_radius = True


def squared_distances(vector: Tensor, points: Tensor) -> Tensor:
    """Return the mean over dimensions of the squared difference [N, K] of features [N, E] and points [K, E]."""
    squares = vector.square().sum(dim=1, keepdim=True) + points.square().sum(dim=1)
    return (squares - 2 * vector @ points.T) / vector.shape[1]


class PointsMethod(SoftmaxMethod):
    """Softmax of the logits, and the probability of all classes but the likeliest as uncertainty.

    Args:
        embedding, temperature, open_weight, dropout, init_std: as of `PointsHead`.
    """

    def __init__(
        self,
        *,
        embedding: Width | None = 128,
        temperature: Positive = 1.0,
        open_weight: NonNegative = 0.1,
        dropout: DropoutRate = 0.0,
        init_std: NonNegative = 0.1,
    ) -> None:
        super().__init__(
            embedding=embedding, temperature=temperature, open_weight=open_weight, dropout=dropout, init_std=init_std
        )
