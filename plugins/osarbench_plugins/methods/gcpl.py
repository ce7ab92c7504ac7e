"""GCPL, convolutional prototype learning (Yang et al., CVPR 2018, arXiv:1805.03438), as ARPL compares with it."""

from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method

from ._points import PointsHead, PointsMethod, squared_distances


class GcplHead(PointsHead):
    """A prototype for every class, to which its videos are near (`GCPLoss.py` of iCGY96/ARPL)."""

    name = "gcpl"

    def logits(self, vector: Tensor) -> Tensor:
        """Return the negative squared distances from the prototypes [N, K]."""
        return -squared_distances(vector, self.points)

    def open_term(self, vector: Tensor, own: Tensor) -> Tensor:
        """Return half the mean squared distance from the own prototype."""
        return own.mean() / 2


class Gcpl(PointsMethod):
    """Prototypes: a video is as unknown as the softmax of its negative distances from them is undecided.

    The paper also rejects by the distance from the nearest prototype. That takes a long training: until videos have
    come to their prototypes, what lies between two of these is nearer to one than its own videos are.

    Args:
        embedding, temperature, open_weight, dropout, init_std: as of `PointsHead`.
    """

    name = "gcpl"
    head = GcplHead


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer gcpl."""
    return [Gcpl]
