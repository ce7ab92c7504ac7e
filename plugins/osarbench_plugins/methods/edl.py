"""Evidential deep learning, plain and with DEAR's calibration: the rungs below dear."""

from collections.abc import Mapping
from typing import Any

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method

from . import _evidential as evidential
from ._evidential_head import EvidentialMethod, Kl
from ._settings import DropoutRate, NonNegative, Positive, StartShare


class Edl(EvidentialMethod):
    """Evidential deep learning (Sensoy et al., NeurIPS 2018, arXiv:1806.01768) with DEAR's loss and evidence.

    The defaults are the first rung of DEAR's ablation, "EDLNoKL": log loss, exp evidence. What Sensoy's experiments
    used is ``loss=mse``, ``evidence=relu``, ``kl=step``. DEAR's own ``cross_entropy`` never came without ``kl``.

    Its settings are those of `EvidentialHead`.

    Raises:
        OsarbenchError: an unknown evidence function, loss or annealing.
    """

    name = "edl"

    def __init__(
        self,
        *,
        evidence: evidential.Evidence = "exp",
        clamp: Positive | None = evidential.CLAMP,
        loss: evidential.Loss = "log",
        kl: Kl = "none",
        annealing_start: StartShare = 0.01,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(
            evidence=evidence, clamp=clamp, loss=loss, kl=kl, annealing_start=annealing_start, dropout=dropout,
            init_std=init_std,
        )  # fmt: skip


class EdlEuc(Edl):
    """EDL with evidential uncertainty calibration (DEAR, ICCV 2021): dear without its debiasing."""

    name = "edl_euc"

    def head_settings(self) -> Mapping[str, Any]:
        """Return the settings that differ from the head's defaults, the calibration among them."""
        return {**super().head_settings(), "euc": True}


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer edl and edl_euc."""
    return [Edl, EdlEuc]
