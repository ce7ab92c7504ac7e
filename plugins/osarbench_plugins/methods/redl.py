"""Relaxed evidential learning (R-EDL, Chen et al., ICLR 2024; Re-EDL, arXiv:2410.00393): a smaller prior."""

from collections.abc import Mapping

from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import LinearHead, Method, Outputs, Progress

from . import _evidential as evidential
from ._settings import DropoutRate, NonNegative, Positive
from ._trained import TrainedMethod


class RedlHead(LinearHead):
    """A linear layer under the squared error of alpha / S, with softplus evidence on a prior that is free.

    As `ModifiedEvidentialN.py` of MengyuanChen21/ICLR2024-REDL: alpha = softplus(z) + prior.

    Args:
        dim, map_dim, classes, dropout, init_std: as of `LinearHead`.
        prior: lambda_2 there, 1 in plain evidential learning.
        kl: whether to add the divergence of evidence for wrong classes from the prior, its weight growing to 1 in ten
            epochs.
    """

    name = "redl"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        prior: Positive = 0.1,
        kl: bool = True,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(dim, map_dim, classes, dropout=dropout, init_std=init_std)
        self.prior, self.kl = prior, kl

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the terms ``loss_cls`` and, with it, ``loss_kl``."""
        logits = self.train_logits(features)
        log_alpha = evidential.log_alpha(logits.float(), evidence="softplus", prior=self.prior)
        terms = {"loss_cls": evidential.squared_error(log_alpha, labels).mean()}
        if self.kl:
            weight = evidential.annealing(progress.epoch, progress.epochs, kind="step")
            terms["loss_kl"] = weight * evidential.kl_to_uniform(log_alpha, labels, prior=self.prior).mean()
        return logits, terms


class Redl(TrainedMethod):
    """R-EDL (Chen et al., ICLR 2024): evidential learning with a prior of 0.1 and without variance in its loss.

    Args:
        prior, kl, dropout, init_std: as of `RedlHead`; the defaults are the authors' for CIFAR-10.
    """

    name = "redl"
    head = RedlHead

    def __init__(
        self, *, prior: Positive = 0.1, kl: bool = True, dropout: DropoutRate = 0.5, init_std: NonNegative = 0.01
    ) -> None:
        self.prior = prior
        super().__init__(prior=prior, kl=kl, dropout=dropout, init_std=init_std)

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Return alpha / S of the mean logits over views [N, K], in float64."""
        return evidential.mean_probabilities(self._log_alpha(outputs))

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the vacuity, prior times K / S, of the mean logits over views [N], in float64."""
        return evidential.vacuity(self._log_alpha(outputs), prior=self.prior)

    def _log_alpha(self, outputs: Outputs) -> Tensor:
        logits = outputs.view_logits.double().mean(dim=1)
        return evidential.log_alpha(logits, evidence="softplus", prior=self.prior)


class ReEdl(Redl):
    """Re-EDL (Chen et al., arXiv:2410.00393): R-EDL with a prior of 0.8 and without its divergence term.

    Args:
        prior, kl, dropout, init_std: as of `RedlHead`; the defaults are the authors' for CIFAR-10.
    """

    name = "re_edl"

    def __init__(
        self, *, prior: Positive = 0.8, kl: bool = False, dropout: DropoutRate = 0.5, init_std: NonNegative = 0.01
    ) -> None:
        super().__init__(prior=prior, kl=kl, dropout=dropout, init_std=init_std)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer redl and re_edl."""
    return [Redl, ReEdl]
