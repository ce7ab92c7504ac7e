"""DEAR, deep evidential action recognition (Bao et al., ICCV 2021, arXiv:2107.10161): as released, printed, corrected.

The released code maximises a dependence that the paper minimises, and until 2023 its branches could not see the order
of frames that they were meant to unlearn. So there are three methods, not a setting: whoever names one says which.
"""

from typing import ClassVar

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method

from . import _evidential as evidential
from ._ced import DebiasedHead, Debiasing, Version
from ._evidential_head import EvidentialHead, EvidentialMethod
from ._settings import DropoutRate, NonNegative, Positive, StartShare


class DearHead(DebiasedHead, EvidentialHead):
    """A linear layer under the evidential log loss, with uncertainty calibration and debiasing branches on the maps.

    Args:
        dim, map_dim, classes: as of every head.
        evidence, clamp, euc, annealing_start, dropout, init_std: as of `EvidentialHead`.
        version: of the branches, see `Debiasing`.
        loss_factor: weight of all losses of the branches.
    """

    name = "dear"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        evidence: evidential.Evidence = "exp",
        clamp: Positive | None = evidential.CLAMP,
        euc: bool = True,
        annealing_start: StartShare = 0.01,
        version: Version = "head",
        loss_factor: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        EvidentialHead.__init__(
            self, dim, map_dim, classes, evidence=evidence, clamp=clamp, euc=euc, annealing_start=annealing_start,
            dropout=dropout, init_std=init_std,
        )  # fmt: skip
        self.debiasing = Debiasing(map_dim, classes, version=version, loss_factor=loss_factor, dropout=dropout)


class Dear(EvidentialMethod):
    """DEAR as released: evidential log loss, calibrated uncertainty, debiasing; a video's uncertainty is its vacuity.

    Its settings are those of `DearHead`; without debiasing it is edl_euc.

    Raises:
        OsarbenchError: an unknown evidence function.
    """

    name = "dear"
    head = DearHead
    version: ClassVar[Version] = "head"

    def __init__(
        self,
        *,
        evidence: evidential.Evidence = "exp",
        clamp: Positive | None = evidential.CLAMP,
        euc: bool = True,
        annealing_start: StartShare = 0.01,
        loss_factor: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(
            evidence=evidence, clamp=clamp, euc=euc, annealing_start=annealing_start, loss_factor=loss_factor,
            dropout=dropout, init_std=init_std, version=self.version,
        )  # fmt: skip


class DearLegacy(Dear):
    """DEAR as in the paper's tables: its debiasing branches are blind to the order of frames."""

    name = "dear_legacy"
    version = "legacy"


class DearCorrected(Dear):
    """DEAR as the paper describes it: debiasing branches that see time, and a dependence made smaller, not larger."""

    name = "dear_corrected"
    version = "corrected"


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer dear, dear_legacy and dear_corrected."""
    return [Dear, DearLegacy, DearCorrected]
