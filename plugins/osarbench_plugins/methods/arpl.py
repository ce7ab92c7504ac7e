"""ARPL, adversarial reciprocal points (Chen et al., TPAMI 2021, arXiv:2103.00953), without its generated samples."""

import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._points import PointsMethod, RadiusHead, squared_distances


class ArplHead(RadiusHead):
    """Reciprocal points that differ from a class's videos in distance and direction; ``loss_open`` bounds the distance.

    As `ARPLoss.py` and `Dist.py` of iCGY96/ARPL. The images that a generator makes there ("ARPL+CS") have no
    counterpart for videos and are left out.
    """

    name = "arpl"

    def logits(self, vector: Tensor) -> Tensor:
        """Return squared distance less dot product [N, K]."""
        return squared_distances(vector, self.points) - F.linear(vector, self.points)

    def open_term(self, vector: Tensor, own: Tensor) -> Tensor:
        """Return how far the own distance exceeds the radius less a margin of 1, on average."""
        return (own - self.radius + 1).relu().mean()


class Arpl(PointsMethod):
    """Adversarial reciprocal points: a video is as unknown as its largest logit is small.

    Args:
        embedding, temperature, open_weight, dropout, init_std: as of `PointsHead`.
    """

    name = "arpl"
    head = ArplHead

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the negative largest logit [N] of the mean over views, as the authors' `test.py`."""
        return -outputs.view_logits.double().mean(dim=1).amax(dim=1)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer arpl."""
    return [Arpl]
