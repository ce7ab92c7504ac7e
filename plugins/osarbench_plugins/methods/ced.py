"""DEAR's debiasing (CED) with plain cross-entropy: what it does without evidential learning, in its three versions."""

from typing import ClassVar

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method

from ._ced import DebiasedHead, Debiasing, Version
from ._settings import DropoutRate, NonNegative
from ._trained import SoftmaxMethod


class CedHead(DebiasedHead):
    """A linear layer under cross-entropy, with DEAR's debiasing branches on the maps, themselves under their own loss.

    Args:
        dim, map_dim, classes, dropout, init_std: as of `LinearHead`.
        version: of the branches, see `Debiasing`.
        loss_factor: weight of all losses of the branches.
    """

    name = "ced"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        version: Version = "corrected",
        loss_factor: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(dim, map_dim, classes, dropout=dropout, init_std=init_std)
        self.debiasing = Debiasing(map_dim, classes, version=version, loss_factor=loss_factor, dropout=dropout)


class Ced(SoftmaxMethod):
    """Softmax with debiasing as DEAR's paper describes it: branches that see time, and a dependence made smaller.

    Args:
        loss_factor, dropout, init_std: as of `CedHead`.
    """

    name = "ced"
    head = CedHead
    version: ClassVar[Version] = "corrected"

    def __init__(
        self, *, loss_factor: NonNegative = 0.1, dropout: DropoutRate = 0.5, init_std: NonNegative = 0.01
    ) -> None:
        super().__init__(loss_factor=loss_factor, dropout=dropout, init_std=init_std, version=self.version)


class CedHeadVersion(Ced):
    """Softmax with debiasing as DEAR's repository has it: branches made more dependent on each other."""

    name = "ced_head"
    version = "head"


class CedLegacy(Ced):
    """Softmax with debiasing as behind DEAR's tables: as the repository has it, and blind to the order of frames."""

    name = "ced_legacy"
    version = "legacy"


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer ced, ced_head and ced_legacy."""
    return [Ced, CedHeadVersion, CedLegacy]
