"""Several networks' logits as one: weighted sums of logits, of probabilities or of their logarithms."""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, LinearHead, Progress

Of = Literal["logits", "probabilities", "log-probabilities"]
KINDS: tuple[str, ...] = get_args(Of)
PULL = 1e-3  #: of fitted weights towards 1: without it they grow for ever where held-out videos are all classified


def combine(logits: Sequence[Tensor], weights: Sequence[float], of: Of) -> Tensor:
    """Return the logits [N, K] of several networks together, in float64.

    ``logits``: sum of w z, as two streams are fused in TSN (Wang et al., ECCV 2016). ``log-probabilities``: sum of
    w log softmax(z), whose softmax is the same as that of the sum of logits. ``probabilities``: log of the weighted
    mean of the softmax, so that its softmax is that mean.

    Args:
        logits: of each network, [N, K].
        weights: of each network, not negative.
        of: what is summed.
    """
    each = torch.stack([part.double() for part in logits])  # [P, N, K]
    factors = torch.as_tensor(weights, dtype=torch.float64)[:, None, None]
    if of == "logits":
        return (factors * each).sum(dim=0)
    logs = each.log_softmax(dim=-1)
    if of == "log-probabilities":
        return (factors * logs).sum(dim=0)
    return torch.logsumexp(logs + factors.log(), dim=0) - factors.sum().log()


def check_weights(weights: Sequence[float], parts: int) -> tuple[float, ...]:
    """Return weights as numbers.

    Raises:
        OsarbenchError: they are not as many as the networks, negative, not finite, or all zero.
    """
    if len(weights) != parts:
        stated = ",".join(f"{weight:g}" for weight in weights)
        raise OsarbenchError(
            f"--weights {stated}: {len(weights)} weights for {parts} runs. Give one for each run, in their order."
        )
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        raise OsarbenchError("Weights of a fusion are 0 or more, finite, and not all 0.")
    return tuple(float(weight) for weight in weights)


def fit(logits: Sequence[Tensor], labels: Tensor, of: Of) -> tuple[float, ...]:
    """Return the weights under which held-out videos are likeliest, to six digits.

    Logits: a convex problem; `PULL` keeps the weights finite. Probabilities: the shares of a mixture, by expectation
    maximisation. Only their ratio counts there, and they sum to 1.

    Args:
        logits: of each network, [N, K].
        labels: int64 [N].
        of: what is summed.

    Raises:
        OsarbenchError: there is no video.
    """
    if not len(labels):
        raise OsarbenchError(
            "--weights fit learns from held-out known videos, and the protocol holds none out (calibration = 0). "
            "State the weights."
        )
    found = _shares(logits, labels) if of == "probabilities" else _factors(logits, labels, of)
    return tuple(float(f"{weight:.6g}") for weight in found)


def _shares(logits: Sequence[Tensor], labels: Tensor, steps: int = 500) -> list[float]:
    right = torch.stack([part.double().log_softmax(dim=-1).gather(1, labels[:, None])[:, 0] for part in logits])
    shares = torch.full((len(logits),), 1 / len(logits), dtype=torch.float64)
    for _ in range(steps):
        shares = (right + shares.log()[:, None]).softmax(dim=0).mean(dim=1)
    found: list[float] = shares.tolist()
    return found


def _factors(logits: Sequence[Tensor], labels: Tensor, of: Of) -> list[float]:
    from scipy.optimize import minimize

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        each = torch.stack([part.double() for part in logits])
        summed = (weights[:, None, None] * (each if of == "logits" else each.log_softmax(dim=-1))).sum(dim=0)
        value = F.cross_entropy(summed, labels) + PULL * ((weights - 1) ** 2).sum()
        (slope,) = torch.autograd.grad(value, weights)
        return value.item(), slope.numpy()

    start = np.ones(len(logits))
    found: list[float] = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(logits)).x.tolist()
    return found


class FusedHead(LinearHead):
    """The linear layers of several networks side by side, weighted: features [N, sum of D] to the sum of logits."""

    name = "fused"


class FusedOutputs(Head):
    """Of networks whose classifiers are not all linear: there are logits, and no weights to look at."""

    name = "fused_outputs"

    def forward(self, vector: Tensor) -> Tensor:
        """Refuse to map features to logits."""
        raise OsarbenchError("The fused classifiers are not all linear, so their features alone give no logits.")

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> Any:
        """Refuse to be trained."""
        raise OsarbenchError("A fusion is made of trained networks and is not trained itself.")


def fused_head(heads: Sequence[Head], weights: Sequence[float]) -> FusedHead | FusedOutputs:
    """Return the head of features side by side: linear if all heads are.

    Args:
        heads: of the networks.
        weights: of their logits.
    """
    dim, classes = sum(head.dim for head in heads), heads[0].classes
    layers = [_linear(head) for head in heads]
    if any(layer is None for layer in layers):
        return FusedOutputs(dim, dim, classes)
    made = FusedHead(dim, dim, classes)
    with torch.no_grad():
        pairs = [(weight, layer) for weight, layer in zip(weights, layers, strict=True) if layer is not None]
        made.fc.weight.copy_(torch.cat([weight * layer.weight for weight, layer in pairs], dim=1))
        made.fc.bias.copy_(torch.stack([weight * _bias(layer) for weight, layer in pairs]).sum(dim=0))
    return made


def _linear(head: Head) -> nn.Linear | None:
    """Return the linear layer that makes a head's logits, if there is one."""
    layer = getattr(head, "fc", None)
    if not isinstance(layer, nn.Linear):
        return None
    some = torch.randn(4, head.dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return layer if torch.allclose(head.eval()(some), layer(some), atol=1e-5) else None


def _bias(layer: nn.Linear) -> Tensor:
    return torch.zeros(layer.out_features) if layer.bias is None else layer.bias
