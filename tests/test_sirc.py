"""SIRC by its published formula, and its two softmax scores where the network is very sure."""

import numpy as np
import pytest
import torch
from posthoc_case import CLASSES, DIM, case, found, given, probabilities
from scipy.stats import entropy

from osarbench.errors import OsarbenchError
from osarbench_plugins.methods._posthoc import log_entropy
from osarbench_plugins.methods._similarity import PslHead
from osarbench_plugins.methods.posthoc_sirc import SircMspNorm, SircMspResidual
from osarbench_plugins.methods.posthoc_subspace import Residual


def combined(first: np.ndarray, second: np.ndarray, of_training: np.ndarray) -> np.ndarray:
    """Return minus the published confidence: ``(s1max - s1)(1 + exp(-b (s2 - a)))``."""
    a, b = of_training.mean() - 3 * of_training.std(), 1 / of_training.std()
    return np.asarray(first * (1 + np.exp(-b * (second - a))))


def residuals() -> tuple[np.ndarray, np.ndarray]:
    train, labels, test = given()
    method = Residual()
    method.fit(train, labels)
    return tuple(-method.residual(its.features.double()).detach().numpy() for its in (test, train))  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["sirc_msp_z", "sirc_h_z", "sirc_msp_res", "sirc_h_res"])
def test_each_combination_is_the_published_formula(name: str) -> None:
    first = 1 - probabilities().max(axis=1) if "msp" in name else entropy(probabilities(), axis=1)
    second, of_training = (
        (np.abs(case().test).sum(axis=1), np.abs(case().train).sum(axis=1)) if name.endswith("z") else residuals()
    )
    assert np.exp(found(name)) == pytest.approx(combined(first, second, of_training), rel=1e-5)


def test_the_second_score_hardly_matters_for_features_as_in_training() -> None:
    train, labels, _ = given()
    method = SircMspNorm()
    method.fit(train, labels)
    logits = train.logits.double()
    moved = method.score(train.features.double(), logits, train.head) - method.first(logits)
    assert float(moved.median()) < np.log1p(np.exp(-2.5))
    small = method.score(torch.zeros(1, train.features.shape[1]).double(), logits[:1], train.head)
    assert float(small - method.first(logits[:1])) > 1


def test_the_logarithm_of_the_entropy_is_exact_and_finite_for_sure_videos() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [3.0, 1.0, -2.0], [20.0, 0.0, 1.0], [2000.0, 0.0, 1.0]]).double()
    found = log_entropy(logits)
    expected = np.log(entropy(torch.softmax(logits[:3], dim=1).numpy(), axis=1))
    assert found[:3].numpy() == pytest.approx(expected, rel=1e-9)
    # of a very sure video the entropy is r (1 - log r) plus the entropy of the others times r
    log_r = -1999 + np.log1p(np.exp(-1))
    others = entropy([1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1))])
    assert float(found[3]) == pytest.approx(log_r + np.log(1 - log_r + others), rel=1e-12)


def test_without_the_layer_that_the_residual_needs_the_method_is_named() -> None:
    train, labels, _ = given()
    with pytest.raises(OsarbenchError, match="sirc_msp_res needs the weights of a linear last layer"):
        SircMspResidual().fit(train._replace(head=PslHead(DIM, DIM, CLASSES)), labels)
