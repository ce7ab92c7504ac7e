"""Margin: the difference of the two largest logits (an example of a plugin in a package of its own)."""

from torch import Tensor

from osarbench import Method, Outputs, hookimpl


class Margin(Method):
    """Minus the difference of the two largest logits, averaged over views.

    Args:
        power: of the difference; below 1, large differences count less.
    """

    name = "margin"
    posthoc = True

    def __init__(self, *, power: float = 1.0) -> None:
        self.power = power

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return minus the margin [N] to a power."""
        best = outputs.logits.double().topk(2, dim=1).values  # [N, 2]
        return -(best[:, 0] - best[:, 1]).pow(self.power)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer margin."""
    return [Margin]
