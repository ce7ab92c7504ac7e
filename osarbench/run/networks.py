"""The network of a head: built, trained or taken from a file of weights, loaded, and its features."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from osarbench import console
from osarbench.artifacts.steps import Step
from osarbench.data import windows
from osarbench.data.clips import TrainClips, ViewClips, seeded
from osarbench.interfaces.method import Progress, make_head
from osarbench.interfaces.modality import Modality
from osarbench.interfaces.task import Task
from osarbench.model import extract, lora, memory, network
from osarbench.model import whole as whole_videos
from osarbench.model.device import Machine
from osarbench.model.network import Network
from osarbench.model.train import Trained, train
from osarbench.protocols.protocol import Training, WholeVideos
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment, HeadSpec
from osarbench.run.samples import Samples


def build(experiment: Experiment, spec: HeadSpec, class_names: Sequence[str], *, compiled: bool = False) -> Network:
    """Return the untrained network of a head."""
    backbone = experiment.backbone(**experiment.options)
    if compiled:
        backbone.compile()
    return network.Network(
        backbone, make_head(spec.head, backbone, class_names, spec.settings), experiment.spec, experiment.modality
    )


def adapt(built: Network, experiment: Experiment) -> None:
    """Put adapters into a network whose backbone has its weights, if the run trains adapters."""
    if experiment.mode == "lora":
        section = experiment.protocol.sections.lora
        trained = lora.adapt(built.backbone, rank=section.rank, alpha=section.alpha, dropout=section.dropout)
        console.say(f"lora: {trained:,} parameters of adapters")


def make_network(
    machine: Machine,
    experiment: Experiment,
    spec: HeadSpec,
    samples: Samples,
    *,
    task: Task,
    config: RunConfig,
    training: Training,
    step: Step,
    into: Path,
) -> Mapping[str, Any]:
    """Train the network of a head, or take it from its weights, and write it.

    Args:
        machine: the devices, in this process and others.
        experiment: what is trained.
        spec: the head.
        samples: the videos.
        task: says what the targets are.
        config: how the run wants it computed (compiled, recomputed).
        training: the recipe.
        step: whose identity marks the checkpoints, which are kept next to its output.
        into: the file that the first process writes.

    Returns:
        Facts for the record.
    """
    try:
        built = build(experiment, spec, samples.index.classes, compiled=config.compile and experiment.trains)
        if experiment.trains:
            built = _trained(machine, experiment, spec, samples, task, config, training, step)
        else:
            _adopt(built, experiment, len(samples.index.classes))
    except Exception as error:
        error.add_note(f"osarbench: raised while the head '{spec.head.name}' was built or trained")
        raise
    if machine.first:
        network.save(built, into)
    return machine.facts()


def _trained(
    machine: Machine,
    experiment: Experiment,
    spec: HeadSpec,
    samples: Samples,
    task: Task,
    config: RunConfig,
    training: Training,
    step: Step,
) -> Network:
    seeded(experiment.seed)
    built = build(experiment, spec, samples.index.classes, compiled=config.compile)
    if experiment.weights.path is not None:
        built.backbone.load_weights(str(experiment.weights.path))
    adapt(built, experiment)
    if config.recompute:
        memory.recompute_blocks(built.backbone)
    rows = samples.rows("train")
    labels = task.targets(rows, samples.index.classes)
    clips = TrainClips(
        samples.frames, samples.of(rows), labels, experiment.spec, experiment.seed, experiment.modality,
        augment=training.augment,
    )  # fmt: skip
    folder = Trained(step.file.parent)
    train(machine, built, clips, training, seed=experiment.seed, into=folder, identity=step.identity())
    return built


def _adopt(built: Network, experiment: Experiment, classes: int) -> None:
    """Take backbone and classifier from the file of weights, as they are."""
    source = experiment.weights.path
    assert source is not None
    built.backbone.load_weights(str(source))
    saved = network.published_head(built.backbone, str(source), classes)
    network.adopt(built.head, saved, str(source))
    console.say(f"train: nothing, the network is that of {source.name}")


def make_features(
    machine: Machine,
    built: Network,
    samples: Samples,
    roles: Sequence[str],
    *,
    modality: Modality,
    batch: int,
    step: Step,
    into: Path,
    whole: WholeVideos | None = None,
) -> Mapping[str, Any]:
    """Write the features [videos, views, D] of the videos of some roles.

    Args:
        machine: the devices, in this process and others.
        built: the trained network.
        samples: the videos.
        roles: of the wanted ones.
        modality: what is fed.
        batch: views at a time.
        step: whose identity marks the pieces, which are kept next to its output.
        into: the file that the first process writes.
        whole: how whole videos are tested; None: a few views of each.

    Returns:
        Facts for the record.
    """
    rows, identity = samples.of(samples.rows(*roles)), step.identity()
    if whole is None:
        clips: ViewClips | windows.WholeVideos = ViewClips(samples.frames, rows, built.spec, modality)
        extract.extract(machine, built, clips, batch=batch, file=step.file, into=into, identity=identity)
        return machine.facts()
    clips = windows.WholeVideos(
        samples.frames, rows, built.spec, stride=whole.stride, batch=batch, modality=modality
    )  # fmt: skip
    extract.extract(machine, built, clips, batch=batch, file=step.file, into=into, identity=identity,
                    average=whole.average)  # fmt: skip
    return machine.facts()


def keep_windows(
    machine: Machine,
    built: Network,
    samples: Samples,
    roles: Sequence[str],
    *,
    modality: Modality,
    batch: int,
    stride: int,
    into: Path,
) -> Mapping[str, Any]:
    """Write the logits of every window, a tensor [T, K] a video, named ``source/video`` (safetensors).

    Args:
        machine: the device.
        built: the trained network.
        samples: the videos.
        roles: of the wanted ones.
        modality: what is fed.
        batch: windows at a time.
        stride: frames between the beginnings of two windows.
        into: the file to write.

    Returns:
        Facts for the record.
    """
    rows = samples.rows(*roles)
    videos = windows.WholeVideos(
        samples.frames, samples.of(rows), built.spec, stride=stride, batch=batch, modality=modality
    )
    built.eval()
    machine.fabric.to_device(built)
    parts: list[list[Tensor]] = [[] for _ in range(len(rows))]
    batches = videos.part(0, len(rows))
    for which, _, logits in whole_videos.window_outputs(machine.fabric, built, batches, machine.loading):
        for video in sorted(set(which.tolist())):
            parts[video].append(logits[which == video])
    names = (rows["source"] + "/" + rows["video"]).tolist()
    save_file({name: torch.cat(its) for name, its in zip(names, parts, strict=True)}, into, {"stride": str(stride)})
    return {**machine.facts(), "stride": stride, "length": built.spec.test_length}


def fitting_batch(
    machine: Machine, experiment: Experiment, spec: HeadSpec, class_names: Sequence[str], *, recompute: bool
) -> Training:
    """Return the recipe of a head with the largest batch, at most its own, that fits the memory of the GPU.

    Args:
        machine: with the GPU.
        experiment: what is trained.
        spec: the head.
        class_names: [K].
        recompute: whether blocks are run again in the backward pass.
    """
    training, size = experiment.training(spec.head.name), experiment.spec.size
    device = machine.fabric.device
    channels = experiment.modality.channels * experiment.modality.stack
    built = build(experiment, spec, class_names).to(device).train()
    if recompute:
        memory.recompute_blocks(built.backbone)

    def attempt(batch: int) -> None:
        clips = torch.zeros(batch, channels, experiment.spec.length, size, size, dtype=torch.uint8, device=device)
        labels = torch.zeros(batch, dtype=torch.long, device=device)
        with machine.fabric.autocast():
            _, terms = built(clips, labels, Progress(epoch=0, epochs=training.epochs, step=0))
        torch.autograd.backward(torch.stack(list(terms.values())).sum())

    batch = memory.fitting(training.batch_size, attempt)
    if batch != training.batch_size:
        console.say(f"train: batches of {batch} instead of {training.batch_size} clips fit the memory of the GPU")
    return replace(training, batch_size=batch)
