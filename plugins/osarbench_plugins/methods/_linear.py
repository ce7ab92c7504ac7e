"""The weights of a linear head, for scores that look at them or re-apply them to altered features."""

from typing import NamedTuple

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head


class Linear(NamedTuple):
    """The last layer of a network, in float64."""

    weight: Tensor  #: [K, D]
    bias: Tensor  #: [K]

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits [N, K] of features [N, D]."""
        return features @ self.weight.T + self.bias


def linear(head: Head, who: str) -> Linear:
    """Return the linear layer ``fc`` of a head.

    Raises:
        OsarbenchError: the head has none; the message names the method ``who``.
    """
    layer = getattr(head, "fc", None)
    if not isinstance(layer, nn.Linear):
        raise OsarbenchError(
            f"{who} needs the weights of a linear last layer, and the head '{head.name}' has no linear layer 'fc'. "
            "Use it with a method whose head has one, such as 'linear'."
        )
    weight = layer.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
    return Linear(weight, bias)
