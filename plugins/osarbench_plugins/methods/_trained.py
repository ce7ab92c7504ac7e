"""What methods with a head of their own share: settings that are the head's, and the score of a softmax."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from osarbench.interfaces.method import Method, Outputs

from ._uncertainty import remaining_probability


class TrainedMethod(Method):
    """A method whose training is described by keyword arguments of its head.

    Args:
        settings: of the head, by name.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings: Mapping[str, Any] = settings

    def head_settings(self) -> Mapping[str, Any]:
        """Return the settings that differ from the head's defaults."""
        defaults = inspect.signature(self.head).parameters
        return {name: value for name, value in self.settings.items() if value != defaults[name].default}


class SoftmaxMethod(TrainedMethod):
    """A trained method with the class probabilities of a softmax, and their remainder as uncertainty."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the probability of all classes but the likeliest [N]."""
        return remaining_probability(self.probabilities(outputs))
