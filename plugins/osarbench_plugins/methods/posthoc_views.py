"""Post-hoc scores of how far the views of one video disagree; for protocols that look at each video more than once.

They are not part of ``all-posthoc``, because a protocol of one view has nothing to compare.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._posthoc import PostHoc, length, unit
from ._uncertainty import decomposition, mutual_information


class ViewScore(PostHoc):
    """A score of the views of each video."""

    posthoc = False
    expected_failures: ClassVar[Mapping[str, str]] = {"one_view_or_several": "it compares the views of a video"}

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the disagreement of the views [N], in float64.

        Raises:
            OsarbenchError: there is one view of a video.
        """
        if outputs.view_features.shape[1] < 2:
            raise OsarbenchError(
                f"{self.name} compares the views of a video, and there is one of each. Set two clips or crops or more "
                "in the protocol, or leave the method out."
            )
        return self.disagreement(outputs)

    @abstractmethod
    def disagreement(self, outputs: Outputs) -> Tensor:
        """Return the disagreement of two views or more [N]."""


class ViewVariance(ViewScore):
    """Variance of the softmax over views (the epistemic part of Kwon et al., 2020)."""

    name = "view_variance"

    def disagreement(self, outputs: Outputs) -> Tensor:
        """Return the variance, summed over classes [N]."""
        return decomposition(softmax_by_view(outputs)).epistemic


class ViewJsd(ViewScore):
    """Jensen-Shannon divergence of the views' softmax: the mutual information of class and view."""

    name = "view_jsd"

    def disagreement(self, outputs: Outputs) -> Tensor:
        """Return the divergence [N], in nats."""
        return mutual_information(softmax_by_view(outputs))


class ViewAngle(ViewScore):
    """Spread of the views' features in direction: one minus the length of their mean at length 1."""

    name = "view_angle"

    def disagreement(self, outputs: Outputs) -> Tensor:
        """Return the circular variance [N], in 0 to 1."""
        directions = unit(outputs.view_features.double().flatten(0, 1)).view_as(outputs.view_features)
        return 1 - length(directions.mean(dim=1))


def softmax_by_view(outputs: Outputs) -> Tensor:
    """Return the softmax of each view [V, N, K], in float64."""
    return outputs.view_logits.double().softmax(dim=-1).movedim(1, 0)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of views."""
    return [ViewVariance, ViewJsd, ViewAngle]
