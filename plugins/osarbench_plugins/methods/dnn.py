"""Softmax (DNN; Hendrycks and Gimpel, ICLR 2017, arXiv:1610.02136): one minus the largest class probability."""

from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs


class Dnn(Method):
    """Cross-entropy training; a video is as unknown as its largest class probability, averaged over views, is small."""

    name = "dnn"

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return one minus the largest probability [N], in [0, 1 - 1 / K]."""
        return 1 - self.probabilities(outputs).amax(dim=1)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer dnn."""
    return [Dnn]
