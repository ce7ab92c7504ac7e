"""Stage 3: train a network; a checkpoint every epoch, so that a killed run goes on where it was."""

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from osarbench import console
from osarbench.artifacts import manifest, storage
from osarbench.data import locations
from osarbench.data.clips import TrainClips
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Progress
from osarbench.model import network as networks
from osarbench.model import speed
from osarbench.model.averaging import WeightAverage
from osarbench.model.course import Course, course_of
from osarbench.model.device import Machine
from osarbench.model.network import Network
from osarbench.model.optimize import make_optimizer
from osarbench.model.probe import CachedViews
from osarbench.model.speed import SpeedMonitor
from osarbench.model.split_norms import SplitNorms, split_norms
from osarbench.protocols.protocol import Training

LOOK_AT_LOSS = 25  # steps between two looks at the loss: each one makes a GPU wait


@dataclass(frozen=True)
class Trained:
    """Where a training leaves its files."""

    folder: Path

    @property
    def network(self) -> Path:
        """The trained weights."""
        return self.folder / "network.pt"

    @property
    def checkpoint(self) -> Path:
        """Weights, optimiser and generator states after the last finished epoch; removed at the end."""
        return self.folder / "checkpoint.pt"

    @property
    def history(self) -> Path:
        """One row an epoch: loss terms, accuracy, rate, clips a second, in all and of reading, forward and backward."""
        return self.folder / "training.csv"


class Epoch(NamedTuple):
    """What one epoch measured."""

    figures: dict[str, float]
    seconds: float


def train(
    machine: Machine,
    network: Network,
    clips: TrainClips | CachedViews,
    recipe: Training,
    *,
    seed: int,
    into: Trained,
    identity: manifest.Identity,
) -> None:
    """Train a network in place, to the end of the recipe.

    A checkpoint of the same identity is continued, to the same result as an unbroken run; it stays until its network is
    saved (`forget_checkpoint`).

    Args:
        machine: the devices, in this process and others.
        network: to be trained; backbone and head.
        clips: of the training videos, or what is cached of them for a probe.
        recipe: of the protocol.
        seed: of the order of videos.
        into: the folder of checkpoint and history.
        identity: of the training; a checkpoint of another one is not continued.

    Raises:
        OsarbenchError: the loss is not a number; the last good checkpoint is kept.
    """
    fabric, loading = machine.fabric, machine.loading
    networks.freeze(network.backbone, recipe.frozen, batch_norms=recipe.freeze_batch_norm)
    networks.channels_last(network)
    fused = not machine.precision.startswith("16")
    module, optimizer = fabric.setup(network, make_optimizer(network, recipe, fused=fused))
    course = course_of(recipe, clips, seed, rank=fabric.global_rank, processes=fabric.world_size)
    loader = fabric.setup_dataloaders(course.loader(loading), use_distributed_sampler=False)
    average = WeightAverage(network, recipe)
    begin = _resume(fabric, network, optimizer, average, into, identity)
    log = _Log(into, begin) if fabric.is_global_zero else None
    with split_norms(network, enabled=recipe.multigrid is not None) as norms:
        for epoch in range(begin, course.epochs):
            course.begin(epoch)
            module.train()
            networks.hold(network.backbone, recipe.frozen, batch_norms=recipe.freeze_batch_norm)
            done = _epoch(fabric, module, optimizer, loader, course, norms, average, epoch, into)
            average.after_epoch(epoch)
            if log is not None:
                log.epoch(epoch, course.epochs, done)
                _checkpoint(network, optimizer, fabric, epoch, into, identity, average)
            fabric.barrier()
    if recipe.average != "none":
        course.begin(recipe.epochs)
        average.replace(network, loader)
    if log is not None:
        log.close()
    fabric.barrier()


def _epoch(
    fabric: Fabric,
    module: Any,
    optimizer: Any,
    loader: Any,
    course: Course,
    norms: SplitNorms,
    average: WeightAverage,
    epoch: int,
    into: Trained,
) -> Epoch:
    """Train for one epoch. Sums stay on the device, so that no step waits for it."""
    recipe = course.recipe
    sums: dict[str, Tensor] = {}
    correct, seen, start = torch.zeros((), device=fabric.device), 0, time.perf_counter()
    steps = len(loader)
    before = course.steps_before(epoch, steps)
    what, monitor = f"epoch {epoch + 1}/{course.epochs}", SpeedMonitor(fabric.device)
    with console.bar(loader, what, steps, "batches", quiet=not fabric.is_global_zero) as batches:
        for step, (clips, labels) in enumerate(batches):
            monitor.came(len(labels))
            progress = Progress(epoch=epoch, epochs=course.epochs, step=before + step)
            rate = _set_rate(optimizer, course.rate(epoch, step, steps))
            norms.split(len(labels), course.norm_clips(epoch, step))
            logits, terms = module(clips, labels, progress)
            loss = torch.stack(list(terms.values())).sum()
            monitor.went_forward()
            fabric.backward(loss)
            if recipe.clip_norm is not None:
                fabric.clip_gradients(module, optimizer, max_norm=recipe.clip_norm, error_if_nonfinite=False)
            optimizer.step()
            optimizer.zero_grad()
            average.after_step()
            for name, term in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, torch.zeros((), device=fabric.device)) + term.detach() * len(labels)
            correct += (logits.detach().argmax(dim=1) == labels).sum()
            seen += len(labels)
            monitor.went_backward()
            if step % LOOK_AT_LOSS == 0 or step == steps - 1:
                _check_loss(sums["loss"], epoch, into)
                rate_of_clips = seen * fabric.world_size / (time.perf_counter() - start)
                batches.set_postfix_str(console.figures({"loss": float(sums["loss"]) / seen, "clips/s": rate_of_clips}))
    totals: Any = fabric.all_reduce({**sums, "accuracy": correct}, reduce_op="mean")
    seconds = time.perf_counter() - start
    figures = {name: float(total) / seen for name, total in totals.items()}
    speeds = {"clips/s": seen * fabric.world_size / seconds, **monitor.figures()}
    return Epoch(figures | {"rate": rate, **speeds}, seconds)


def _set_rate(optimizer: Any, rate: float) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
    return rate


def _check_loss(loss: Tensor, epoch: int, into: Trained) -> None:
    if not torch.isfinite(loss):
        kept = f"The checkpoint of epoch {epoch} is kept in {into.checkpoint}." if epoch else "No epoch was finished."
        raise OsarbenchError(
            f"The loss is not a number any more in epoch {epoch + 1}. {kept} A smaller learning rate, a gradient norm "
            "limit (clip_norm) or --precision 32-true usually helps."
        )


def _checkpoint(
    network: Network,
    optimizer: Any,
    fabric: Fabric,
    epoch: int,
    into: Trained,
    identity: manifest.Identity,
    average: WeightAverage,
) -> None:
    state = {
        "epoch": epoch,
        "backbone": network.backbone.state_dict(),
        "head": network.head.state_dict(),
        "auxiliary": None if network.auxiliary is None else network.auxiliary.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state(),
        "generator": torch.get_rng_state(),
        "device_generator": torch.cuda.get_rng_state(fabric.device) if fabric.device.type == "cuda" else None,
    }
    with manifest.write_artifact(into.checkpoint, identity) as temporary:
        torch.save(state, temporary)


def _resume(
    fabric: Fabric, network: Network, optimizer: Any, average: WeightAverage, into: Trained, identity: manifest.Identity
) -> int:
    """Return the epoch to begin with: after the last one of a checkpoint of this identity, else 0."""
    if not manifest.is_fresh(into.checkpoint, identity, redo=True):
        return 0
    state = networks.read_tensors(into.checkpoint)
    network.backbone.load_state_dict(state["backbone"])
    network.head.load_state_dict(state["head"])
    if network.auxiliary is not None:
        network.auxiliary.load_state_dict(state["auxiliary"])
    optimizer.load_state_dict(state["optimizer"])
    average.load(state["average"])
    torch.set_rng_state(state["generator"])
    if state["device_generator"] is not None and fabric.device.type == "cuda":
        torch.cuda.set_rng_state(state["device_generator"], fabric.device)
    if fabric.is_global_zero:
        console.say(f"train: going on after epoch {state['epoch'] + 1}")
    return int(state["epoch"]) + 1


class _Log:
    """The history file and TensorBoard's; rows of epochs that are trained again are dropped."""

    def __init__(self, into: Trained, begin: int) -> None:
        self.file = into.history
        self.rows: list[Mapping[str, Any]] = []
        if begin and self.file.is_file():
            with self.file.open(newline="", encoding="utf-8") as opened:
                self.rows = [row for row in csv.DictReader(opened) if int(row["epoch"]) <= begin]
        self.board = SummaryWriter(str(into.folder / "tensorboard"), purge_step=begin)

    def epoch(self, epoch: int, epochs: int, done: Epoch) -> None:
        self.rows.append({"epoch": epoch + 1, **done.figures, "seconds": done.seconds})
        with storage.atomic_write(self.file) as temporary, temporary.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, fieldnames=_columns(self.rows))
            writer.writeheader()
            writer.writerows(self.rows)
        for name, value in done.figures.items():
            self.board.add_scalar(f"train/{name}", value, epoch + 1)
        self.board.flush()
        left = done.seconds * (epochs - epoch - 1)
        shown = {name: done.figures[name] for name in ("loss", "accuracy", "clips/s")}
        line = speed.shown(done.figures, locations.speed_limits(), colour=sys.stderr.isatty())
        console.say(
            f"train: epoch {epoch + 1}/{epochs}  {console.figures(shown)}  {line}  left {console.duration(left)}"
        )

    def close(self) -> None:
        self.board.close()


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
