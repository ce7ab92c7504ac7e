"""A small planted case for post-hoc scores, as tensors and as float64 arrays, and words to write formulas in."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp, softmax
from sklearn import covariance

from osarbench.interfaces.method import LinearHead, Outputs
from osarbench.plugins import loading as plugins

VIDEOS, DIM, CLASSES = 90, 12, 4
METHODS = plugins.load(kinds=["methods"]).methods


class Case(NamedTuple):
    """Training and test features and logits as float64 arrays, labels, and the weights of the head."""

    train: np.ndarray
    train_logits: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    logits: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    @property
    def means(self) -> np.ndarray:
        return np.stack([self.train[self.labels == label].mean(axis=0) for label in range(CLASSES)])

    @property
    def within(self) -> np.ndarray:
        return np.asarray(covariance.empirical_covariance(self.train - self.means[self.labels], assume_centered=True))


@cache
def given() -> tuple[Outputs, torch.Tensor, Outputs]:
    generator = torch.Generator().manual_seed(4)
    head = LinearHead(DIM, DIM, CLASSES).eval().requires_grad_(False)
    head.fc.weight.copy_(torch.randn(CLASSES, DIM, generator=generator))
    head.fc.bias.copy_(torch.randn(CLASSES, generator=generator))
    labels = torch.arange(VIDEOS) % CLASSES
    train = (torch.rand(VIDEOS, DIM, generator=generator) + 2 * head.fc.weight[labels]).relu()
    test = (torch.rand(40, DIM, generator=generator) + torch.randn(40, DIM, generator=generator)).relu()

    def outputs(features: torch.Tensor) -> Outputs:
        return Outputs(features[:, None], head(features)[:, None], head)

    return outputs(train), labels, outputs(test)


@cache
def case() -> Case:
    train, labels, test = given()
    head = train.head
    assert isinstance(head, LinearHead)
    arrays = [train.features, train.logits, labels, test.features, test.logits, head.fc.weight, head.fc.bias]
    return Case(*(array.numpy().astype(int if array is labels else float) for array in arrays))


def energy(logits: np.ndarray) -> np.ndarray:
    return np.asarray(-logsumexp(logits, axis=1))


def head(features: np.ndarray) -> np.ndarray:
    return np.asarray(features @ case().weight.T + case().bias)


def probabilities() -> np.ndarray:
    return np.asarray(softmax(case().logits, axis=1))


def unit(features: np.ndarray) -> np.ndarray:
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))


def found(name: str) -> np.ndarray:
    """Return the uncertainty of the test videos by a method with its defaults."""
    train, labels, test = given()
    method = METHODS[name]()
    method.fit(train, labels)
    return np.asarray(method.uncertainty(test))
