"""The head of PSL: unit vectors, prototypes, and a loss that wants videos of a class similar but not the same."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.method import Head, Progress

from ._settings import Cosine, Positive, Width


class PslHead(Head):
    """Two layers to a unit vector, and a unit prototype for every class; logits are similarities over a temperature.

    A video's vector is drawn to its prototype and to videos of its class up to a similarity, not to 1, and to that of
    the same clip with its frames shuffled up to another: what a class shares is not all that its videos keep.
    As `nce_prototype_thre_double_4` of Jun-CEN/PSL, `contrastive_losses.py`, with one difference: there, the shuffled
    clip is a second, independently augmented clip of the video; here it is the same clip. Either way a step takes the
    time and memory of two.

    Args:
        dim, map_dim, classes: as of every head.
        hidden, embedding: widths of the two layers.
        temperature: divides similarities.
        similarity: with the own prototype and videos of the own class.
        shuffled_similarity: with the shuffled clip. The released configurations have 0.7 for both; the names of the
            published score files say 0.8.
    """

    name = "psl"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        hidden: Width = 1024,
        embedding: Width = 128,
        temperature: Positive = 0.2,
        similarity: Cosine = 0.7,
        shuffled_similarity: Cosine = 0.7,
    ) -> None:
        super().__init__(dim, map_dim, classes)
        self.temperature = temperature
        self.similarity, self.shuffled_similarity = similarity, shuffled_similarity
        self.first, self.norm = nn.Linear(dim, hidden), nn.BatchNorm1d(hidden)
        self.second = nn.Linear(hidden, embedding)
        self.prototypes = nn.Parameter(0.005 + 0.005 * torch.randn(classes, embedding))

    def embed(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to unit vectors [N, E]."""
        hidden = self.first(vector)
        if self.training and len(hidden) == 1:  # one sample has no variance
            norm = self.norm
            hidden = F.batch_norm(hidden, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        else:
            hidden = self.norm(hidden)
        return F.normalize(self.second(hidden.relu()).float(), dim=1)

    def forward(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to logits [N, K]."""
        return self._similarities(self.embed(vector)) / self.temperature

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the term ``loss_cls``, without shuffled clips."""
        return self._loss(self.embed(features.vector), None, labels)

    def clip_loss(
        self, backbone: Backbone, clips: Tensor, labels: Tensor, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits of the clips and the term ``loss_cls``; clips and shuffled clips are one batch."""
        order = torch.randperm(clips.shape[2]).to(clips.device)
        embedded = self.embed(backbone(torch.cat([clips, clips[:, :, order]])).vector)  # [2N, E]
        return self._loss(embedded[: len(clips)], embedded[len(clips) :], labels)

    def _similarities(self, embedded: Tensor) -> Tensor:
        with torch.autocast(embedded.device.type, enabled=False):
            return embedded @ F.normalize(self.prototypes, dim=1).T

    def _loss(self, embedded: Tensor, shuffled: Tensor | None, labels: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        similarities = self._similarities(embedded)
        term = similarity_loss(
            embedded, shuffled, similarities, labels,
            temperature=self.temperature, similarity=self.similarity, shuffled_similarity=self.shuffled_similarity,
        )  # fmt: skip
        return similarities / self.temperature, {"loss_cls": term}


def similarity_loss(
    embedded: Tensor,
    shuffled: Tensor | None,
    similarities: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    similarity: float,
    shuffled_similarity: float,
) -> Tensor:
    """Return the scalar loss of unit vectors [N, E], those of shuffled clips, and similarities to prototypes [N, K].

    It is the cross-entropy of the own prototype among all prototypes, all other videos and the own shuffled clip, where
    a similarity that is wanted enters by how far it is from its target: 1 less that for the own prototype.
    """
    with torch.autocast(embedded.device.type, enabled=False):
        others = embedded @ embedded.T  # [N, N]
    own = F.one_hot(labels, similarities.shape[1]).bool()
    to_prototypes = torch.where(own, 1 - (similarities - similarity).abs(), similarities)
    same = labels[:, None] == labels
    to_videos = torch.where(same, (others - similarity).abs(), others)
    to_videos = to_videos.masked_fill(torch.eye(len(labels), dtype=torch.bool, device=labels.device), -torch.inf)
    candidates = [to_prototypes, to_videos]
    if shuffled is not None:
        candidates.append(((embedded * shuffled).sum(dim=1, keepdim=True) - shuffled_similarity).abs())
    return F.cross_entropy(torch.cat(candidates, dim=1) / temperature, labels)
