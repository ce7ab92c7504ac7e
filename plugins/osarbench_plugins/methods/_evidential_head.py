"""What evidential methods share: a linear layer under an evidential loss, and vacuity as the uncertainty."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor

from osarbench.errors import unknown_name
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, LinearHead, Outputs, Progress

from . import _evidential as evidential
from ._settings import DropoutRate, NonNegative, Positive, StartShare
from ._trained import TrainedMethod

Kl = Literal["none", "exp", "step"]


class EvidentialHead(LinearHead):
    """A linear layer under an evidential loss.

    Args:
        dim, map_dim, classes: as of every head.
        evidence: function from logits to evidence: "exp", "relu" or "softplus".
        clamp: bound on logits before ``exp``; None is none.
        loss: "log", "digamma", "mse" or "cross_entropy", see `_evidential.classification_terms`.
        kl: how the term against evidence for wrong classes is annealed: "exp", "step" (within ten epochs); or "none".
        euc: whether to add the evidential uncertainty calibration, annealed exponentially.
        annealing_start: the coefficient of exponential annealing in the first epoch.
        dropout: rate before the linear layer.
        init_std: standard deviation of its first weights (the paper's TSM: 0.001).
    """

    name = "edl"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        evidence: evidential.Evidence = "exp",
        clamp: Positive | None = evidential.CLAMP,
        loss: evidential.Loss = "log",
        kl: Kl = "none",
        euc: bool = False,
        annealing_start: StartShare = 0.01,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(dim, map_dim, classes, dropout=dropout, init_std=init_std)
        self.evidence, self.clamp, self.loss_name = evidence, clamp, loss
        self.kl, self.euc, self.annealing_start = kl, euc, annealing_start

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the terms ``loss_cls``, ``loss_var``, ``loss_kl`` and ``loss_euc``, if there are."""
        logits = self.train_logits(features)
        log_alpha = evidential.log_alpha(logits.float(), evidence=self.evidence, clamp=self.clamp)
        terms = dict(evidential.classification_terms(log_alpha, labels, loss=self.loss_name))
        if self.kl != "none":
            weight = evidential.annealing(progress.epoch, progress.epochs, kind=self.kl, start=self.annealing_start)
            terms["loss_kl"] = weight * evidential.kl_to_uniform(log_alpha, labels)
        if self.euc:
            weight = evidential.annealing(progress.epoch, progress.epochs, start=self.annealing_start)
            terms["loss_euc"] = evidential.uncertainty_calibration(log_alpha, labels, weight=weight)
        return logits, {name: term.mean() for name, term in terms.items()}


class EvidentialMethod(TrainedMethod):
    """Probabilities alpha / S and vacuity K / S of the mean logits over views.

    **Vacuity saturates.** Logits are clamped at 10. Where one reaches it, S is e^10 + K + the evidence for the *other*
    classes, so that vacuity falls only if evidence for wrong classes grows: a cleaner prediction counts as more
    uncertain. Of the published TSM, 87 % of UCF-101's test videos, 28 % of HMDB-51's and 17 % of MiT's lie on that
    plateau (vacuity of 0.00456 and less for 101 classes), and the published thresholds too. Thresholded, the score does
    well; as a ranking it is worth less. `diagnostics` measures it, ``clamp`` moves it.

    Args:
        settings: of the head, by name.

    Raises:
        OsarbenchError: one of them is none of its choices.
    """

    head: ClassVar[type[Head]] = EvidentialHead

    def __init__(self, **settings: Any) -> None:
        for name, choices in (("evidence", evidential.Evidence), ("loss", evidential.Loss), ("kl", Kl)):
            if name in settings and settings[name] not in get_args(choices):
                raise unknown_name(f"{name} of {self.name}", settings[name], get_args(choices))
        super().__init__(**settings)
        self.evidence: evidential.Evidence = settings["evidence"]
        self.clamp: float | None = settings["clamp"]

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Return alpha / S of the mean logits [N, K], in float64."""
        return evidential.mean_probabilities(self._log_alpha(outputs))

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the vacuity K / S of the mean logits [N], in float64: float32 would round the plateau to ties."""
        return evidential.vacuity(self._log_alpha(outputs))

    def diagnostics(self, outputs: Outputs) -> Mapping[str, float]:
        """Return the mean of the largest alpha / S, and the share of videos with a logit that reaches the clamp."""
        facts = {"largest_probability": float(self.probabilities(outputs).amax(dim=1).mean())}
        if self.evidence == "exp" and self.clamp is not None:
            facts["saturated"] = evidential.saturated_share(_mean_logits(outputs), clamp=self.clamp)
        return facts

    def _log_alpha(self, outputs: Outputs) -> Tensor:
        return evidential.log_alpha(_mean_logits(outputs), evidence=self.evidence, clamp=self.clamp)


def _mean_logits(outputs: Outputs) -> Tensor:
    return outputs.view_logits.double().mean(dim=1)
