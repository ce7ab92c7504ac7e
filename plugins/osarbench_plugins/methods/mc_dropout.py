"""MC dropout (Gal and Ghahramani, ICML 2016, arXiv:1506.02142): disagreement of predictions with dropout left on."""

from collections.abc import Iterator

import torch

from osarbench.errors import OsarbenchError
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, LinearHead, Method

from ._sampled import Classifiers, SampledMethod
from ._settings import DropoutRate, Passes, Seed


class McDropout(SampledMethod):
    """Mutual information (BALD) of ten predictions of a plain network, each with a dropout mask before its last layer.

    As in DEAR the dropout of the classifier is the only one, so that features are computed once; it is dnn's network.
    As there, each view of a video has masks of its own, so that the mean over views hides much of the disagreement.
    DEAR's TSM moreover has masks of its own for each frame, before their mean; here a view has one vector and one mask.

    Args:
        passes: predictions of each video.
        seed: of the masks.
        dropout: rate, in training and after it.

    Raises:
        OsarbenchError: there is no dropout, or fewer than two passes.
    """

    name = "mc_dropout"
    posthoc = True

    def __init__(self, *, passes: Passes = 10, seed: Seed = 0, dropout: DropoutRate = 0.5) -> None:
        if not 0 < dropout < 1:
            raise OsarbenchError(
                f"mc_dropout compares predictions with different dropout masks, so dropout={dropout} leaves nothing to "
                "compare. Take a rate between 0 and 1."
            )
        super().__init__(passes=passes, seed=seed, dropout=dropout)
        self.dropout = dropout

    def draw(self, head: Head, views: int, generator: torch.Generator) -> Iterator[Classifiers]:
        """Yield the classifier without the weights of dropped features, and the others larger for it."""
        assert isinstance(head, LinearHead)
        kept = torch.rand(self.passes, views, 1, head.dim, generator=generator) >= self.dropout
        for view in range(views):
            weight = head.fc.weight.double() * kept[:, view] / (1 - self.dropout)  # [S, K, D]
            yield Classifiers(weight, head.fc.bias.double().expand(self.passes, -1))


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer mc_dropout."""
    return [McDropout]
