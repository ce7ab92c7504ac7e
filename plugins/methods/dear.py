"""DEAR, deep evidential action recognition (Bao et al., ICCV 2021, arXiv:2107.10161), as its repository releases it."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from osarbench.backbone import Features
from osarbench.errors import OsarbenchError, unknown_name
from osarbench.hookspecs import hookimpl
from osarbench.method import LinearHead, Method, Outputs, Progress

from . import _evidential as evidential
from ._debias import DebiasBranches, joint_terms

Debias = Literal["head", "legacy", "none"]
KERNELS: Mapping[str, int] = {"head": 3, "legacy": 1}  #: temporal kernel of the debiasing branches


class DearHead(LinearHead):
    """A linear layer under the evidential log loss, with uncertainty calibration and debiasing branches on the maps.

    The branches are for training only and never change a logit; with 2048 channels they are 530 million parameters.
    Their shuffling is drawn from a seed, which is taken from torch's when the head is made and kept with its state,
    and from the training step alone, so that a resumed training goes on as the unbroken one would.

    Args:
        dim, map_dim, classes: as of every head.
        evidence: function from logits to evidence.
        clamp: bound on logits before ``exp``; None is none.
        euc: whether to add the evidential uncertainty calibration, annealed exponentially.
        annealing_start: its coefficient in the first epoch.
        debias: "head" has the branches of the repository as it stands (temporal kernel 3, unpadded), "legacy" those
            behind the paper's numbers (kernel 1: no branch sees the order of frames), "none" none.
        loss_factor: weight of all losses of the branches.
        dropout: rate before every linear layer.
        init_std: standard deviation of the classifier's first weights (the paper's TSM: 0.001); in the branches 0.01.
    """

    name = "dear"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        evidence: evidential.Evidence = "exp",
        clamp: float | None = evidential.CLAMP,
        euc: bool = True,
        annealing_start: float = 0.01,
        debias: Debias = "head",
        loss_factor: float = 0.1,
        dropout: float = 0.5,
        init_std: float = 0.01,
    ) -> None:
        super().__init__(dim, map_dim, classes, dropout=dropout, init_std=init_std)
        self.evidence, self.clamp = evidence, clamp
        self.euc, self.annealing_start = euc, annealing_start
        self.loss_factor = loss_factor
        self.shuffle_seed = torch.initial_seed() % 2**63
        self.branches: DebiasBranches | None = None
        if debias != "none":
            self.branches = DebiasBranches(
                map_dim, classes, temporal_kernel=KERNELS[debias], dropout=dropout, init_std=0.01
            )

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the terms ``loss_cls``, ``loss_euc`` and, of the branches, ``loss_unbias_cls`` and others.

        Raises:
            OsarbenchError: the maps have too few frames for the branches' temporal kernel.
        """
        logits = self(features.vector)
        log_alpha = evidential.log_alpha(logits.float(), evidence=self.evidence, clamp=self.clamp)
        terms = {"loss_cls": evidential.log_loss(log_alpha, labels).mean()}
        if self.euc:
            weight = evidential.annealing(progress.epoch, progress.epochs, start=self.annealing_start)
            terms["loss_euc"] = evidential.uncertainty_calibration(log_alpha, labels, weight=weight).mean()
        if self.branches is not None:
            terms.update(self._debias_terms(self.branches, features.maps, labels, progress))
        return logits, terms

    def _debias_terms(
        self, branches: DebiasBranches, maps: Tensor, labels: Tensor, progress: Progress
    ) -> Mapping[str, Tensor]:
        frames = maps.shape[2]
        if frames < branches.least_frames:
            raise OsarbenchError(
                f"DEAR's debiasing needs feature maps of {branches.least_frames} frames or more; this backbone gives "
                f"{frames}. Take more frames, or debias='legacy' (no temporal kernel) or 'none'."
            )
        outputs = branches(maps, shuffled_frames(frames, seed=self.shuffle_seed, step=progress.step))
        terms = joint_terms(outputs, labels, clamp=evidential.CLAMP)
        return {name: self.loss_factor * term for name, term in terms.items()}

    def strip(self) -> None:
        """Forget the debiasing branches."""
        self.branches = None

    def get_extra_state(self) -> Tensor:
        """Return the seed of the shuffling, for the head's state dict."""
        return torch.tensor(self.shuffle_seed)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the seed of the shuffling from a state dict."""
        self.shuffle_seed = int(state)


def shuffled_frames(frames: int, *, seed: int, step: int) -> list[int]:
    """Return the random order of frames of one training step, the same for all clips of its batch."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    order: list[int] = torch.randperm(frames, generator=generator).tolist()
    return order


class Dear(Method):
    """Evidential log loss with calibrated uncertainty and debiasing; a video's uncertainty is its vacuity.

    **Vacuity saturates.** Logits are clamped at 10. Where one reaches it, S is e^10 + K + the evidence for the *other*
    classes, so that vacuity falls only if evidence for wrong classes grows: a cleaner prediction counts as more
    uncertain. Of the published TSM, 87 % of UCF-101's test videos, 28 % of HMDB-51's and 17 % of MiT's lie on that
    plateau (vacuity of 0.00456 and less for 101 classes), and the published thresholds too. Thresholded, the score does
    well; as a ranking it is worth less. `_evidential.saturated_share` measures it, ``clamp`` moves it.

    Its settings are those of `DearHead`.

    Raises:
        OsarbenchError: an unknown evidence function or debiasing.
    """

    name = "dear"
    head = DearHead

    def __init__(
        self,
        *,
        evidence: evidential.Evidence = "exp",
        clamp: float | None = evidential.CLAMP,
        euc: bool = True,
        annealing_start: float = 0.01,
        debias: Debias = "head",
        loss_factor: float = 0.1,
        dropout: float = 0.5,
        init_std: float = 0.01,
    ) -> None:
        for kind, value, known in (("evidence", evidence, evidential.Evidence), ("debias", debias, Debias)):
            if value not in get_args(known):
                raise unknown_name(f"{kind} of dear", value, get_args(known))
        self.evidence, self.clamp = evidence, clamp
        self.settings: Mapping[str, Any] = {
            "evidence": evidence,
            "clamp": clamp,
            "euc": euc,
            "annealing_start": annealing_start,
            "debias": debias,
            "loss_factor": loss_factor,
            "dropout": dropout,
            "init_std": init_std,
        }

    def head_settings(self) -> Mapping[str, Any]:
        """Return the settings that differ from the head's defaults."""
        defaults = inspect.signature(self.head).parameters
        return {name: value for name, value in self.settings.items() if value != defaults[name].default}

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Return alpha / S of the mean logits [N, K], in float64."""
        return evidential.mean_probabilities(self._log_alpha(outputs))

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the vacuity K / S of the mean logits [N], in float64: float32 would round the plateau to ties."""
        return evidential.vacuity(self._log_alpha(outputs))

    def _log_alpha(self, outputs: Outputs) -> Tensor:
        return evidential.log_alpha(outputs.view_logits.double().mean(dim=1), evidence=self.evidence, clamp=self.clamp)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer dear."""
    return [Dear]
