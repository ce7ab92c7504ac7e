"""PSL, prototypical similarity learning (Cen et al., CVPR 2023, arXiv:2303.15467): similar, but not the same."""

import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._settings import Cosine, Positive, Width
from ._similarity import PslHead
from ._trained import TrainedMethod


class Psl(TrainedMethod):
    """Distance of a video's vector from those of all training videos, as if these were one Gaussian.

    Args:
        temperature, similarity, shuffled_similarity, hidden, embedding: as of `PslHead`.
    """

    name = "psl"
    head = PslHead

    def __init__(
        self,
        *,
        temperature: Positive = 0.2,
        similarity: Cosine = 0.7,
        shuffled_similarity: Cosine = 0.7,
        hidden: Width = 1024,
        embedding: Width = 128,
    ) -> None:
        super().__init__(
            temperature=temperature, similarity=similarity, shuffled_similarity=shuffled_similarity, hidden=hidden,
            embedding=embedding,
        )  # fmt: skip

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Take mean, spread and covariance of all training videos' vectors."""
        vectors = _vectors(outputs)
        self.mean, self.std = vectors.mean(dim=0), vectors.std(dim=0, correction=0)
        self.precision = torch.linalg.pinv(torch.cov(self._standard(vectors).T, correction=0), hermitian=True)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the squared Mahalanobis distance from the mean training video [N] (`compute_openness.py` there)."""
        standard = self._standard(_vectors(outputs))
        distances: Tensor = ((standard @ self.precision) * standard).sum(dim=1)
        return distances

    def _standard(self, vectors: Tensor) -> Tensor:
        return (vectors - self.mean) / (self.std + 1e-10)


@torch.no_grad()
def _vectors(outputs: Outputs) -> Tensor:
    """Return the unit vectors of the videos [N, E], those of the mean over views, in float64."""
    head = outputs.head
    assert isinstance(head, PslHead)
    videos, views, _ = outputs.view_features.shape
    embedded = head.embed(outputs.view_features.flatten(0, 1)).view(videos, views, -1)
    return F.normalize(embedded.double().mean(dim=1), dim=1)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer psl."""
    return [Psl]
