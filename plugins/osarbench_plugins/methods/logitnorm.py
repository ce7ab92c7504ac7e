"""LogitNorm (Wei et al., ICML 2022, arXiv:2205.09310): cross-entropy on logits of unit length."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import LinearHead, Method, Progress

from ._settings import DropoutRate, NonNegative, Positive
from ._trained import SoftmaxMethod


class LogitNormHead(LinearHead):
    """A linear layer whose logits enter cross-entropy divided by their length and a temperature.

    As `LogitNormLoss` of hongxin001/logitnorm_ood. It trains directions only, so that no logit grows without need.

    Args:
        dim, map_dim, classes, dropout, init_std: as of `LinearHead`.
        temperature: 0.04 is the paper's choice for CIFAR-10; the command in its repository has 0.01.
    """

    name = "logitnorm"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        temperature: Positive = 0.04,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(dim, map_dim, classes, dropout=dropout, init_std=init_std)
        self.temperature = temperature

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the logits as they are and the term ``loss_cls``."""
        logits = self.train_logits(features)
        directions = logits.float() / (logits.float().norm(dim=1, keepdim=True) + 1e-7)
        return logits, {"loss_cls": F.cross_entropy(directions / self.temperature, labels)}


class LogitNorm(SoftmaxMethod):
    """Softmax of a network trained on normalised logits; as in the paper they are not normalised afterwards.

    Args:
        temperature, dropout, init_std: as of `LogitNormHead`.
    """

    name = "logitnorm"
    head = LogitNormHead

    def __init__(
        self, *, temperature: Positive = 0.04, dropout: DropoutRate = 0.5, init_std: NonNegative = 0.01
    ) -> None:
        super().__init__(temperature=temperature, dropout=dropout, init_std=init_std)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer logitnorm."""
    return [LogitNorm]
