"""What post-hoc scores share: numbers of logits or of features, one video at a time, and the means of the classes."""

from abc import abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head, Method, Outputs

#: Rows multiplied at once. It is the same for every video, and the last block is filled up with zeros, because a matrix
#: product of another shape may round otherwise: a video's score then does not depend on those scored with it.
BLOCK = 512


class PostHoc(Method):
    """A score of the features and logits of a network that was trained with cross-entropy."""

    posthoc = True


class LogitScore(PostHoc):
    """A score of the logits, averaged over views."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return `score` of each video [N], in float64."""
        return self.score(outputs.logits.double())

    @abstractmethod
    def score(self, logits: Tensor) -> Tensor:
        """Return the uncertainty [N] of float64 logits [N, K]."""


class FeatureScore(PostHoc):
    """A score of the features and logits, each averaged over views."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return `score` of each video [N], in float64."""

        def score(features: Tensor, logits: Tensor) -> Tensor:
            return self.score(features.double(), logits.double(), outputs.head)

        return in_blocks(score, outputs.features, outputs.logits)

    @abstractmethod
    def score(self, features: Tensor, logits: Tensor, head: Head) -> Tensor:
        """Return the uncertainty [B] of float64 features [B, D] with their logits [B, K]."""


def in_blocks(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """Return a function of rows [N, ...], given `BLOCK` of them at a time, as one tensor [N, ...]."""
    count = len(rows[0])
    parts = [function(*block)[: count - begin] for begin, block in _blocks(rows)]
    return torch.cat(parts) if parts else rows[0].new_zeros(0, dtype=torch.float64)


def _blocks(rows: tuple[Tensor, ...]) -> Iterator[tuple[int, list[Tensor]]]:
    for begin in range(0, len(rows[0]), BLOCK):
        yield begin, [_filled(part[begin : begin + BLOCK]) for part in rows]


def _filled(block: Tensor) -> Tensor:
    missing = BLOCK - len(block)
    return torch.cat([block, block.new_zeros(missing, *block.shape[1:])]) if missing else block


def log_remaining(logits: Tensor) -> Tensor:
    """Return the logarithm of the probability [N] of all classes but the likeliest, for logits [N, K].

    It orders videos as one minus the largest softmax does, and never rounds to a tie, however sure the network is.
    """
    rest = logits.scatter(1, logits.argmax(dim=1, keepdim=True), -torch.inf)
    return rest.logsumexp(dim=1) - logits.logsumexp(dim=1)


def log_entropy(logits: Tensor) -> Tensor:
    """Return the logarithm of the entropy [N] of the softmax of logits [N, K], finite however sure the network is.

    With r the probability of all classes but the likeliest and q what it leaves each of them, the entropy over r is
    ``-(1 - r) log(1 - r) / r - log r - sum q log q``, in which nothing cancels.
    """
    log_r = log_remaining(logits)
    log_q = logits.scatter(1, logits.argmax(dim=1, keepdim=True), -torch.inf).log_softmax(dim=1)
    others = torch.special.entr(log_q.exp()).sum(dim=1)
    r = log_r.exp()
    likeliest = torch.where(log_r < -30, 1.0, -(1 - r) * torch.log1p(-r) / r.clamp(min=torch.finfo(r.dtype).tiny))
    entropy: Tensor = log_r + (likeliest - log_r + others).log()
    return entropy


def energy(logits: Tensor) -> Tensor:
    """Return minus the log-sum-exp [N] of logits [N, K]."""
    return -logits.logsumexp(dim=1)


def length(features: Tensor) -> Tensor:
    """Return the 2-norm [N] of features [N, D]."""
    norms: Tensor = torch.linalg.vector_norm(features, dim=1)
    return norms


def unit(features: Tensor) -> Tensor:
    """Return features [N, D] at length 1; a zero vector stays zero."""
    return torch.nn.functional.normalize(features, dim=1)


def class_means(features: Tensor, labels: Tensor, *, classes: int, who: str) -> Tensor:
    """Return the mean [K, D] of the features [N, D] of each class, in float64.

    Raises:
        OsarbenchError: a class has no training video; the message names it and the method ``who``.
    """
    counts = torch.bincount(labels, minlength=classes)
    absent = (counts == 0).nonzero().flatten().tolist()
    if absent:
        named = ", ".join(str(label) for label in absent[:10])
        raise OsarbenchError(
            f"{who} learns from training videos of every known class, and there is none of {len(absent)} of {classes} "
            f"classes (number {named}; the first is 0). Add training videos of them, or take the classes out."
        )
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64)
    return sums.index_add_(0, labels, features.double()) / counts[:, None]


def centred(features: Tensor, means: Tensor, labels: Tensor) -> Tensor:
    """Return features [N, D] less the mean [K, D] of their class."""
    return features - means[labels]


def no_more_than_a_class(neighbours: int, labels: Tensor) -> int:
    """Return a number of neighbours, but no more than three quarters of the median number of training videos a class.

    Beyond its class, the distance to a neighbour says how far classes lie apart. The largest share in "Out-of-
    distribution detection with deep nearest neighbors" (ICML 2022) is 1,000 of the 1,300 images a class of ImageNet.
    """
    counts = torch.bincount(labels)
    return max(1, min(neighbours, 3 * int(counts[counts > 0].median()) // 4))


def percentile(values: Tensor, percent: float) -> float:
    """Return the percentile of all values, interpolated linearly; torch.quantile takes no more than 2 ** 24 of them."""
    return float(np.percentile(values.numpy(), percent))
