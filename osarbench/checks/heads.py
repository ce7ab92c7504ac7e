"""Training heads on the planted world: a moment each, once for all methods that share one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from osarbench.checks import synthetic as worlds
from osarbench.checks.check import BrokenPromiseError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, Method, Progress

STEPS, BATCH, RATE, EPOCHS = 60, 25, 0.02, 10


class Trained(NamedTuple):
    """A trained head; copy it before use."""

    head: Head  #: in evaluation mode, stripped
    loss_before: float  #: of one batch
    loss_after: float


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator for a block, and leave it as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def build(method: Method, *, seed: int = 0) -> Head:
    """Build a method's head for the planted world.

    Raises:
        BrokenPromiseError: the class does not take the sizes or the method's settings.
    """
    settings = method.head_settings()
    try:
        with seeded(seed):
            return method.head(worlds.DIM, worlds.MAP_DIM, worlds.CLASSES, **settings)
    except TypeError as error:
        raise BrokenPromiseError(
            f"The head {method.head.__name__} cannot be built with (dim, map_dim, classes) and the settings "
            f"{dict(settings)}: {error}"
        ) from error


def trained(method: Method) -> Trained:
    """Return the method's head after training on the planted world, once for all methods that share it."""
    return _training(_Training(method))


def batch(step: int) -> tuple[Features, Tensor, Progress]:
    """Return features, labels and progress of one training step on the planted world."""
    world = worlds.world()
    vectors, labels = world.train.flatten(0, 1), world.train_labels.repeat_interleave(worlds.VIEWS)
    picked = torch.randint(len(vectors), (BATCH,), generator=torch.Generator().manual_seed(step))
    return worlds.clips_features(vectors[picked]), labels[picked], progress(step)


def progress(step: int) -> Progress:
    """Return where training stands at a step of a short training."""
    return Progress(epoch=step * EPOCHS // STEPS, epochs=EPOCHS, step=step)


def objective(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of loss terms, as training takes it."""
    return torch.stack(list(terms.values())).sum()


def train(head: Head, steps: int = STEPS) -> None:
    """Train a head in place on the planted world, with Adam (Kingma and Ba, ICLR 2015, algorithm 1).

    It is written out because torch's own imports torch's compiler, which takes longer than all promises together.
    """
    head.train()
    parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
    means, squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    with seeded(1):
        for step in range(steps):
            terms = head.loss(*batch(step))[1]
            found = torch.autograd.grad(objective(terms), parameters, allow_unused=True)
            for parameter, gradient, mean, square in zip(parameters, found, means, squares, strict=True):
                if gradient is not None:
                    mean.lerp_(gradient, 0.1)
                    square.lerp_(gradient.square(), 0.001)
                    rate = RATE * (1 - 0.999 ** (step + 1)) ** 0.5 / (1 - 0.9 ** (step + 1))
                    parameter.data.addcdiv_(mean, square.sqrt() + 1e-8, value=-rate)


class _Training:
    """How to build a head, beside what a cache shall tell it by."""

    def __init__(self, method: Method) -> None:
        self.method, self.settings = method, repr(sorted(dict(method.head_settings()).items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Training) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[type[Head], str]:
        return self.method.head, self.settings


@lru_cache(maxsize=64)
def _training(how: _Training) -> Trained:
    head = build(how.method)
    before = _loss(head)
    train(head)
    after = _loss(head)
    head.strip()
    return Trained(head.eval(), before, after)


def _loss(head: Head) -> float:
    """Return the loss of the last batch in evaluation mode."""
    with seeded(7):
        return float(objective(head.eval().loss(*batch(STEPS - 1))[1]).detach())
