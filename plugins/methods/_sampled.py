"""Methods that draw the classifier several times and ask whether its predictions agree."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.method import Head, Outputs

from ._trained import TrainedMethod
from ._uncertainty import decomposition, mutual_information


class Classifier(NamedTuple):
    """A linear layer."""

    weight: Tensor  #: [K, D]
    bias: Tensor  #: [K]


class SampledMethod(TrainedMethod):
    """Mutual information (BALD) of predictions by classifiers drawn from a seed.

    A draw is the same for all videos, so that a score depends on no other video.

    Args:
        passes: predictions of each video.
        seed: of the draws.
        settings: of the head, by name.

    Raises:
        OsarbenchError: there are fewer than two passes.
    """

    def __init__(self, *, passes: int, seed: int, **settings: Any) -> None:
        if passes < 2:
            raise OsarbenchError(f"{self.name} compares predictions, so passes={passes} is too few. Take two or more.")
        super().__init__(**settings)
        self.passes, self.seed = passes, seed

    @abstractmethod
    def draw(self, head: Head, generator: torch.Generator) -> Classifier:
        """Return a classifier, in float64."""

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Return the mean over passes and views of the softmax [N, K], in float64."""
        return self.predictions(outputs).mean(dim=0)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the mutual information of the passes [N], in nats."""
        return mutual_information(self.predictions(outputs))

    def diagnostics(self, outputs: Outputs) -> Mapping[str, float]:
        """Return the mean uncertainty within the passes (aleatoric) and between them (epistemic)."""
        parts = decomposition(self.predictions(outputs))
        return {name: float(part.mean()) for name, part in parts._asdict().items()}

    @torch.no_grad()
    def predictions(self, outputs: Outputs) -> Tensor:
        """Return the softmax of every pass, averaged over views, [S, N, K]."""
        generator = torch.Generator().manual_seed(self.seed)
        draws = [self.draw(outputs.head, generator) for _ in range(self.passes)]
        weight, bias = (torch.cat(parts) for parts in zip(*draws, strict=True))  # [S * K, D], [S * K]
        logits = F.linear(outputs.view_features.double(), weight, bias)  # [N, V, S * K]
        return logits.view(*logits.shape[:2], self.passes, -1).softmax(dim=-1).mean(dim=1).transpose(0, 1)
