"""RPL, reciprocal point learning (Chen et al., ECCV 2020, arXiv:2011.00178), and DEAR's version of it."""

import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method

from ._points import PointsMethod, RadiusHead, squared_distances
from ._settings import DropoutRate, NonNegative, Positive
from ._trained import SoftmaxMethod


class RplHead(RadiusHead):
    """A reciprocal point for every class, from which its videos are far; ``loss_open`` keeps them at one radius.

    As `RPLoss.py` and `Dist.py` of iCGY96/ARPL, with one point a class.
    """

    name = "rpl"

    def logits(self, vector: Tensor) -> Tensor:
        """Return the squared distances from the points [N, K]."""
        return squared_distances(vector, self.points)

    def open_term(self, vector: Tensor, own: Tensor) -> Tensor:
        """Return the mean squared difference of the own distance and the radius."""
        return (own - self.radius).square().mean()


class RplLegacyHead(RadiusHead):
    """DEAR's version: the distance is a dot product, so that the points are an ordinary linear layer without bias.

    Its ``loss_open`` computes the distance from the own point and leaves it unused: it draws every component of the
    features to the radius instead (`rpl_loss.py` and `i3d_rpl_head.py` of Cogito2012/DEAR).
    """

    name = "rpl_legacy"

    def __init__(
        self,
        dim: int,
        map_dim: int,
        classes: int,
        *,
        temperature: Positive = 1.0,
        open_weight: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(
            dim, map_dim, classes, embedding=None, temperature=temperature, open_weight=open_weight, dropout=dropout,
            init_std=init_std,
        )  # fmt: skip

    def logits(self, vector: Tensor) -> Tensor:
        """Return the dot products with the points [N, K]."""
        return F.linear(vector, self.points)

    def open_term(self, vector: Tensor, own: Tensor) -> Tensor:
        """Return half the mean squared difference of features and radius."""
        return (vector - self.radius).square().mean() / 2


class Rpl(PointsMethod):
    """RPL (Chen et al., ECCV 2020): softmax of distances from reciprocal points, from which a class's videos are far.

    Args:
        embedding, temperature, open_weight, dropout, init_std: as of `PointsHead`.
    """

    name = "rpl"
    head = RplHead


class RplLegacy(SoftmaxMethod):
    """RPL as DEAR compares with it: a linear layer, and features drawn to a constant.

    Args:
        temperature, open_weight, dropout, init_std: as of `PointsHead`; the defaults are DEAR's.
    """

    name = "rpl_legacy"
    head = RplLegacyHead

    def __init__(
        self,
        *,
        temperature: Positive = 1.0,
        open_weight: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__(temperature=temperature, open_weight=open_weight, dropout=dropout, init_std=init_std)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer rpl and rpl_legacy."""
    return [Rpl, RplLegacy]
