"""How fast this machine trains and runs a network, and what memory that takes: measured in seconds, on random clips."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from osarbench.interfaces.method import Progress
from osarbench.model import network as networks
from osarbench.model.device import Machine
from osarbench.model.network import Network
from osarbench.model.optimize import make_optimizer
from osarbench.protocols.protocol import Training

SECONDS = 2.0  #: of each measurement, one step at least


class Speed(NamedTuple):
    """What was measured of one network."""

    train: float  #: clips/s, forward, backward and update; 0 where nothing is trained
    infer: float  #: views/s
    parameters: int  #: bytes of weights and statistics
    static: int  #: bytes of weights, gradients and the optimiser's state
    activations: float  #: bytes kept for the backward pass, a clip
    clips: int  #: on which it was measured


def measure(
    machine: Machine, network: Network, channels: int, recipe: Training | None, *, seconds: float | None = None
) -> Speed:
    """Measure a network with random clips; its weights are not fit for anything afterwards.

    Args:
        machine: its device and precision are used, in this process alone.
        network: untrained.
        channels: of a clip.
        recipe: of the training; None: nothing is trained.
        seconds: of each measurement; None: `SECONDS`.
    """
    seconds = SECONDS if seconds is None else seconds
    device, spec = machine.fabric.device, network.spec
    networks.channels_last(network)
    network.to(device)
    parameters = sum(its.numel() * its.element_size() for its in network.state_dict().values())
    train, kept, static, clips = 0.0, 0.0, parameters, 0

    def batch(count: int, length: int, size: int) -> Tensor:
        return torch.zeros(count, channels, length, size, size, dtype=torch.uint8, device=device)

    if recipe is not None:
        networks.freeze(network.backbone, recipe.frozen, batch_norms=recipe.freeze_batch_norm)
        step = _training(machine, network, recipe, lambda count: batch(count, spec.length, spec.size))
        kept = _kept_by(step)
        train, clips = _speed(step, recipe.batch_size, seconds)
        network.zero_grad(set_to_none=True)
        trained = sum(its.numel() * 4 for its in network.parameters() if its.requires_grad)
        static += trained * (3 if recipe.optimizer == "adamw" else 2)

    def view(count: int) -> None:
        with torch.inference_mode(), machine.fabric.autocast():
            network.vectors(batch(count, spec.test_length, spec.test_size))

    network.eval()
    infer, seen = _speed(view, 4 * (recipe.batch_size if recipe is not None else 8), seconds)
    return Speed(train, infer, parameters, static, kept, clips + seen)


def _training(
    machine: Machine, network: Network, recipe: Training, batch: Callable[[int], Tensor]
) -> Callable[[int], None]:
    """Return a function that takes one step with so many clips."""
    optimizer = make_optimizer(network, recipe, fused=False)
    network.train()
    networks.hold(network.backbone, recipe.frozen, batch_norms=recipe.freeze_batch_norm)

    def step(count: int) -> None:
        labels = torch.zeros(count, dtype=torch.long, device=machine.fabric.device)
        with machine.fabric.autocast():
            _, terms = network(batch(count), labels, Progress(epoch=0, epochs=recipe.epochs, step=0))
            loss = torch.stack(list(terms.values())).sum()
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _kept_by(step: Callable[[int], None]) -> float:
    """Return the bytes that a step with two clips keeps for its backward pass, for one of them."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step(2)
    return sum(storages.values()) / 2


def _speed(step: Callable[[int], None], largest: int, seconds: float) -> tuple[float, int]:
    """Return clips/s and the clips it was measured on; the batch is as large as time allows, `largest` at most."""
    first = _timed(step, 2)
    count = min(max(2, int(2 * seconds / (3 * first))), largest)
    _timed(step, count)  # what is slow once (memory, choice of kernels) is over then
    spent, clips = 0.0, 0
    while spent < seconds and clips < 20 * count:
        spent += _timed(step, count)
        clips += count
        if spent > seconds / 2:
            break
    return clips / spent, clips


def _timed(step: Callable[[int], None], count: int) -> float:
    begin = time.perf_counter()
    step(count)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return max(time.perf_counter() - begin, 1e-6)
