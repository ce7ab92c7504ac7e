"""A method with synthetic data and a trained head: what every check of methods is given."""

import copy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from osarbench.checks import heads, synthetic
from osarbench.checks.check import CheckFailed, title
from osarbench.checks.synthetic import SyntheticData
from osarbench.interfaces.method import FewShotMethod, Head, Method, Outputs


class MethodCase:
    """A method class, or an instance whose settings matter, with a head trained for it.

    Args:
        method: the class, or an instance that has not been fitted; it is copied, never used.
    """

    def __init__(self, method: type[Method] | Method) -> None:
        self.method = method
        self.cls = method if isinstance(method, type) else type(method)
        self.name = title(method)

    def new(self) -> Method:
        """Return a fresh instance."""
        return self.method() if isinstance(self.method, type) else copy.deepcopy(self.method)

    def head(self) -> Head:
        """Return a copy of the head, trained on the synthetic data."""
        return copy.deepcopy(heads.trained(self.new()).head)

    def fitted(self) -> Method:
        """Return an instance that was fitted on the synthetic data: a copy, since some fits take long."""
        return copy.deepcopy(self._fitted)

    def fit(self, data: SyntheticData) -> Method:
        """Return a fresh instance, fitted on the known training videos of some data."""
        method = self.new()
        self.learn(method, data)
        return method

    def learn(self, method: Method, data: SyntheticData) -> None:
        """Fit an instance on the known training videos of some data, and on its shots if it learns from such."""
        method.fit(self.outputs(data.train), data.train_labels.clone())
        if isinstance(method, FewShotMethod):
            method.fit_shots(self.outputs(data.shots))

    def outputs(self, features: Tensor) -> Outputs:
        """Return what a run hands to the method for features [N, V, D]."""
        return synthetic.outputs(self.head(), features)

    def scores(self, method: Method, features: Tensor) -> Tensor:
        """Return the uncertainty [N] of features [N, V, D], in float64, checked as a run checks it.

        Raises:
            CheckFailed: it has another shape, or is not finite.
        """
        with torch.no_grad():
            found: Any = method.uncertainty(self.outputs(features))
        if not isinstance(found, Tensor) or tuple(found.shape) != (len(features),):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise CheckFailed(f"The uncertainty of {len(features)} videos is {shape}, not [N] = ({len(features)},).")
        bad = int((~torch.isfinite(found)).sum())
        if bad or found.is_complex():
            what = f"of {bad} of {len(found)} videos is NaN or infinite" if bad else "is made of complex numbers"
            raise CheckFailed(f"The uncertainty {what}.")
        return found.detach().double()

    def probabilities(self, method: Method, features: Tensor) -> Tensor:
        """Return the known-class probabilities [N, K] of features [N, V, D], in float64, checked as a run checks them.

        Raises:
            CheckFailed: they have another shape, are not finite or negative, or do not sum to 1.
        """
        with torch.no_grad():
            found: Any = method.probabilities(self.outputs(features))
        wanted = (len(features), synthetic.CLASSES)
        if not isinstance(found, Tensor) or tuple(found.shape) != wanted:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise CheckFailed(f"The probabilities are {shape}, not [N, K] = {wanted}.")
        if not torch.isfinite(found).all() or float(found.min()) < 0:
            raise CheckFailed(f"Probabilities are NaN, infinite or negative; the least is {float(found.min()):.3g}.")
        sums = found.double().sum(dim=1)
        if float((sums - 1).abs().max()) > 1e-3:
            raise CheckFailed(f"The probabilities of a video sum to {float(sums[(sums - 1).abs().argmax()]):.4g}.")
        return found.detach().double()

    @cached_property
    def data(self) -> SyntheticData:
        """The synthetic data with several views of a video."""
        return synthetic.synthetic_data()

    @cached_property
    def _fitted(self) -> Method:
        return self.fit(self.data)

    @cached_property
    def reference(self) -> Tensor:
        """Uncertainty of known, near and far videos, scored together by a fresh fitted instance, [N]."""
        return self.scores(self.fitted(), self.data.test)


def auroc(known: Tensor, unknown: Tensor) -> float:
    """Return the probability that an unknown video is more uncertain than a known one, ties counted half."""
    above = (unknown[:, None] > known).double() + 0.5 * (unknown[:, None] == known)
    return float(above.mean())


def same(first: Tensor, second: Tensor, *, scale: Tensor | None = None) -> bool:
    """Say whether two rows of scores agree but for rounding, measured by the spread of a third (or of the first)."""
    reference = first if scale is None else scale
    spread = float(reference.quantile(0.9) - reference.quantile(0.1))
    return torch.allclose(first, second, rtol=1e-4, atol=1e-4 * spread + 1e-12)
