"""Training heads on synthetic data: a moment each, once for all methods that share one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam

from osarbench.checks import synthetic
from osarbench.checks.check import CheckFailed
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, Method, Progress

STEPS, BATCH, LEARNING_RATE, EPOCHS = 60, 25, 0.02, 10


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
    """Build a method's head for the sizes of the synthetic data.

    Raises:
        CheckFailed: the class does not take the sizes or the method's settings.
    """
    settings = method.head_settings()
    try:
        with seeded(seed):
            return method.head(synthetic.DIM, synthetic.MAP_DIM, synthetic.CLASSES, **settings)
    except TypeError as error:
        raise CheckFailed(
            f"The head {method.head.__name__} cannot be built with (dim, map_dim, classes) and the settings "
            f"{dict(settings)}: {error}"
        ) from error


def trained(method: Method) -> Trained:
    """Return the method's head after training on the synthetic data, once for all methods that share it."""
    return _training(_Training(method))


def batch(step: int) -> tuple[Features, Tensor, Progress]:
    """Return features, labels and progress of one training step on the synthetic data."""
    data = synthetic.synthetic_data()
    vectors, labels = data.train.flatten(0, 1), data.train_labels.repeat_interleave(synthetic.VIEWS)
    picked = torch.randint(len(vectors), (BATCH,), generator=torch.Generator().manual_seed(step))
    return synthetic.clips_features(vectors[picked]), labels[picked], progress(step)


def progress(step: int) -> Progress:
    """Return the progress at a step of a short training."""
    return Progress(epoch=step * EPOCHS // STEPS, epochs=EPOCHS, step=step)


def objective(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of loss terms, as training takes it."""
    return torch.stack(list(terms.values())).sum()


def train(head: Head, steps: int = STEPS) -> None:
    """Train a head in place on the synthetic data with Adam, by its function: the class would import torch's compiler.

    That import takes longer than all checks together.
    """
    head.train()
    parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
    state = [(torch.zeros_like(parameter), torch.zeros_like(parameter), torch.tensor(0.0)) for parameter in parameters]
    with seeded(1):
        for step in range(steps):
            terms = head.loss(*batch(step))[1]
            gradients = torch.autograd.grad(objective(terms), parameters, allow_unused=True)
            _adam_step(parameters, gradients, state)


def _adam_step(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], state: Sequence[tuple[Tensor, Tensor, Tensor]]
) -> None:
    """Take one step of Adam with torch's defaults; ``state`` holds means, squares and steps of each parameter."""
    for parameter, gradient, (mean, square, count) in zip(parameters, gradients, state, strict=True):
        if gradient is not None:
            with torch.no_grad():
                adam(
                    [parameter], [gradient], [mean], [square], [], [count], foreach=False, amsgrad=False,
                    beta1=0.9, beta2=0.999, lr=LEARNING_RATE, weight_decay=0.0, eps=1e-8, maximize=False,
                )  # fmt: skip


class _Training:
    """A method, hashed by its head and settings: what the cache of trained heads is keyed by."""

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
