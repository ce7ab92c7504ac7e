"""Methods that draw the classifier several times and ask whether its predictions agree."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head, Outputs

from ._trained import TrainedMethod
from ._uncertainty import decomposition, mutual_information


class Classifiers(NamedTuple):
    """The linear layers of S passes."""

    weight: Tensor  #: [S, K, D]
    bias: Tensor  #: [S, K]


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
    def draw(self, head: Head, views: int, generator: torch.Generator) -> Iterable[Classifiers]:
        """Return the classifiers of all passes for each view of a video, in float64."""

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
        videos, views, _ = outputs.view_features.shape
        mean = torch.zeros(self.passes, videos, outputs.view_logits.shape[-1], dtype=torch.float64)
        generator = torch.Generator().manual_seed(self.seed)
        for view, (weight, bias) in enumerate(self.draw(outputs.head, views, generator)):
            features = outputs.view_features[:, view].double()
            logits = F.linear(features, weight.flatten(0, 1), bias.flatten())  # [N, S * K]
            mean += logits.view(videos, self.passes, -1).softmax(dim=-1).transpose(0, 1) / views
        return mean
