"""MC dropout (Gal and Ghahramani, ICML 2016, arXiv:1506.02142): disagreement of predictions with dropout left on."""

import torch

from osarbench.errors import OsarbenchError
from osarbench.hookspecs import hookimpl
from osarbench.method import Head, LinearHead, Method

from ._sampled import Classifier, SampledMethod


class McDropout(SampledMethod):
    """Mutual information (BALD) of ten predictions of a plain network, each with a dropout mask before its last layer.

    As in DEAR the dropout of the classifier is the only one, so that features are computed once; it is dnn's network.

    Args:
        passes: predictions of each video.
        seed: of the masks.
        dropout: rate, in training and after it.

    Raises:
        OsarbenchError: there is no dropout, or fewer than two passes.
    """

    name = "mc_dropout"
    posthoc = True

    def __init__(self, *, passes: int = 10, seed: int = 0, dropout: float = 0.5) -> None:
        if not 0 < dropout < 1:
            raise OsarbenchError(
                f"mc_dropout compares predictions with different dropout masks, so dropout={dropout} leaves nothing to "
                "compare. Take a rate between 0 and 1."
            )
        super().__init__(passes=passes, seed=seed, dropout=dropout)
        self.dropout = dropout

    def draw(self, head: Head, generator: torch.Generator) -> Classifier:
        """Return the classifier without the weights of dropped features, and the others larger for it."""
        assert isinstance(head, LinearHead)
        kept = torch.rand(head.dim, generator=generator) >= self.dropout
        return Classifier(head.fc.weight.double() * kept / (1 - self.dropout), head.fc.bias.double())


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer mc_dropout."""
    return [McDropout]
