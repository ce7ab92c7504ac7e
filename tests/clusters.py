"""A synthetic world for tests of trained methods: clusters of features, and a few hundred steps on a head alone."""

from typing import NamedTuple

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, Method, Outputs, Progress

DIM, KNOWN = 64, 4


class World(NamedTuple):
    """Features and labels of known training videos, known test videos and unknown ones of two kinds."""

    train: Tensor  #: [N, D]
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    between: Tensor  #: unknown: each cluster lies between two known ones, and in a direction of its own
    apart: Tensor  #: unknown: each cluster lies in a direction of its own alone


class Result(NamedTuple):
    """What a method makes of the world."""

    accuracy: float
    between: float  #: AUROC of unknown clusters between known ones, where predictions conflict
    apart: float  #: AUROC of unknown clusters in new directions, where there is no evidence for any class
    head: Head


def make(*, seed: int = 0) -> World:
    """Four known clusters and four unknown ones of each kind; features are not negative, as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.eye(2 * KNOWN).repeat_interleave(DIM // (2 * KNOWN), dim=1)
    known, new = directions[:KNOWN], directions[KNOWN:]

    def draw(centres: Tensor, each: int) -> tuple[Tensor, Tensor]:
        labels = torch.arange(KNOWN).repeat_interleave(each)
        return (centres[labels] + 0.5 * torch.randn(len(labels), DIM, generator=generator)).relu(), labels

    between = known + known.roll(1, dims=0) + new
    return World(*draw(2 * known, 50), *draw(2 * known, 25), draw(between, 25)[0], draw(2 * new, 25)[0])


def as_maps(features: Tensor, *, frames: int = 4) -> Tensor:
    """Return maps [N, D, T, 2, 2] that pool to features [N, D]."""
    return features[:, :, None, None, None].expand(-1, -1, frames, 2, 2)


def train(method: Method, world: World, *, steps: int = 200, rate: float = 0.05) -> Head:
    """Train the method's head on the world's features, by gradient descent with momentum."""
    torch.manual_seed(0)
    head = method.head(DIM, DIM, KNOWN, **method.head_settings()).train()
    optimizer = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    for step in range(steps):
        picked = torch.randint(len(world.train), (32,))
        features = Features(world.train[picked], as_maps(world.train[picked]))
        _, terms = head.loss(features, world.train_labels[picked], Progress(step * 10 // steps, 10, step))
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    head.strip()
    return head.eval()


def outputs(head: Head, features: Tensor, *, views: int = 1) -> Outputs:
    """Return what a trained head says of features [N, D], the same for all views."""
    with torch.no_grad():
        vectors = features[:, None].repeat(1, views, 1)
        return Outputs(vectors, head(vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2]), head)


def result(method: Method, *, steps: int = 200, rate: float = 0.05) -> Result:
    """Train a method and say how well it knows the known test videos and tells the unknown ones."""
    world = make()
    head = train(method, world, steps=steps, rate=rate)
    with torch.no_grad():
        method.fit(outputs(head, world.train), world.train_labels)
        known = outputs(head, world.test)
        right = method.probabilities(known).argmax(dim=1) == world.test_labels
        between, apart = (_auroc(method, known, outputs(head, unknown)) for unknown in (world.between, world.apart))
    return Result(float(right.double().mean()), between, apart, head)


def _auroc(method: Method, known: Outputs, unknown: Outputs) -> float:
    scores = torch.cat([method.uncertainty(known), method.uncertainty(unknown)])
    return float(roc_auc_score(torch.arange(len(scores)) >= len(known.view_features), scores))
