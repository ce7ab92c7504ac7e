"""OpenMax (Bendale and Boult, CVPR 2016, arXiv:1511.06233) on pooled features, as DEAR and PSL compare with it."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._openmax import Tail, eucos, fit_tail, revise
from ._posthoc import PostHoc, class_means, in_blocks
from ._settings import TailSize


class Openmax(PostHoc):
    """OpenMax: a softmax with one more class, unknown, that gains where the predicted class's mean feature is far.

    How far is too far is learnt from the largest distances of each class's training videos, those alone that the
    network is right about (or all, if fewer than two are). The probability of the unknown class is the uncertainty, as
    in PSL; predictions are the network's.

    Args:
        tail: how many of the largest distances of a class count; at most a third of them.
    """

    name = "openmax"
    means: Tensor  # [K, D]
    tails: Tail

    def __init__(self, *, tail: TailSize = 20) -> None:
        self.tail = tail

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn the mean feature of each class, and the tail of its distances.

        Raises:
            OsarbenchError: a class has fewer than two training videos that differ.
        """
        features, classes = outputs.features.double(), outputs.view_logits.shape[-1]
        right = outputs.logits.argmax(dim=1) == labels
        enough = torch.bincount(labels[right], minlength=classes) > 1
        usable = right | ~enough[labels]
        features, labels = features[usable], labels[usable]
        self.means = class_means(features, labels, classes=classes, who=self.name)
        own = eucos(features, self.means).gather(1, labels[:, None]).squeeze(1)
        fitted = torch.tensor([self._tail(own[labels == label], label) for label in range(classes)]).double()
        self.tails = Tail(fitted[:, 0], fitted[:, 1])

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the probability of the unknown class [N]."""
        return self.open_probabilities(outputs)[:, -1]

    def open_probabilities(self, outputs: Outputs) -> Tensor:
        """Return the probabilities of K known classes and of an unknown one, [N, K + 1], in float64."""

        def opened(features: Tensor, logits: Tensor) -> Tensor:
            weights = self.tails.weight(eucos(features.double(), self.means))
            return revise(logits.double(), weights).softmax(dim=1)

        return in_blocks(opened, outputs.features, outputs.logits)

    def _tail(self, distances: Tensor, label: int) -> tuple[float, float]:
        if len(distances) < 2 or float(distances.max() - distances.min()) <= 1e-12:
            raise OsarbenchError(
                f"{self.name} fits the largest distances of each class, and class number {label} (the first is 0) has "
                f"{len(distances)} training videos, too few that differ. Take more videos of it, or another method."
            )
        return fit_tail(distances.topk(max(2, min(self.tail, len(distances) // 3))).values)


class OpenmaxLegacy(Openmax):
    """OpenMax as in DEAR's tables: the uncertainty is 1 where the unknown class is the likeliest, and 0 elsewhere.

    DEAR's first script took known class 1 for the unknown one as well, which its second (2022) and this one do not.

    Args:
        tail: how many of the largest distances of a class count; at most a third of them.
    """

    name = "openmax_legacy"
    posthoc = False
    expected_failures: ClassVar[Mapping[str, str]] = {"sure_videos_do_not_tie": "its uncertainty is a decision"}

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return 1 for an unknown video and 0 for a known one [N]."""
        opened = self.open_probabilities(outputs)
        return (opened.argmax(dim=1) == opened.shape[1] - 1).double()


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer openmax and openmax_legacy."""
    return [Openmax, OpenmaxLegacy]
