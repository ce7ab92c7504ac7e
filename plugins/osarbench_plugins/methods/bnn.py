"""Bayes by backprop on the classifier (Blundell et al., ICML 2015, arXiv:1505.05424), as DEAR compares with it."""

from collections.abc import Iterable
from itertools import repeat

import torch

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Head, Method

from ._bayes import BnnHead
from ._sampled import Classifiers, SampledMethod
from ._settings import NonNegative, Passes, Seed


class Bnn(SampledMethod):
    """Bayes by backprop (Blundell et al., ICML 2015): mutual information of ten draws of the classifier's weights.

    Args:
        passes: predictions of each video.
        seed: of the draws.
        train_passes, complexity_weight: as of `BnnHead`.

    Raises:
        OsarbenchError: there are fewer than two passes.
    """

    name = "bnn"
    head = BnnHead
    mean_share = 0.0  #: of the mean weights in every draw

    def __init__(
        self, *, passes: Passes = 10, seed: Seed = 0, train_passes: Passes = 2, complexity_weight: NonNegative = 1e-6
    ) -> None:
        super().__init__(passes=passes, seed=seed, train_passes=train_passes, complexity_weight=complexity_weight)

    def draw(self, head: Head, views: int, generator: torch.Generator) -> Iterable[Classifiers]:
        """Return classifiers of the posterior, mixed with the mean weights by their share, the same for all views."""
        assert isinstance(head, BnnHead)
        drawn = []
        for _ in range(self.passes):
            noise = [torch.randn(mean.shape, generator=generator) for mean in (head.weight_mu, head.bias_mu)]
            drawn.append(head.sample(*((1 - self.mean_share) * part for part in noise)))
        weights, biases = (torch.stack(parts).double() for parts in zip(*drawn, strict=True))
        return repeat(Classifiers(weights, biases), views)


class BnnLegacy(Bnn):
    """bnn as DEAR evaluated it: every prediction is averaged with that of the mean weights.

    Its test mode adds a pass with the mean weights to the one that is asked for and averages their logits, which halves
    the spread of the weights and deflates the mutual information. The trained network is that of bnn.
    """

    name = "bnn_legacy"
    mean_share = 0.5


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer bnn and bnn_legacy."""
    return [Bnn, BnnLegacy]
