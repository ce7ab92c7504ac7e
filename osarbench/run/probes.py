"""Heads on a frozen backbone: its features cached once, a head trained on them, and the features of that head."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from osarbench import console
from osarbench.artifacts.steps import Step
from osarbench.data.clips import ViewClips, seeded
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import SavedHead
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import make_head
from osarbench.interfaces.modality import Modality
from osarbench.model import extract, memory, network, probe
from osarbench.model.device import Machine
from osarbench.model.train import Trained, train
from osarbench.protocols.protocol import Training
from osarbench.run.experiment import Experiment, HeadSpec
from osarbench.run.samples import Samples

BATCH = 16  #: views at a time on a CPU
LARGEST_BATCH = 256  #: views at a time on a GPU, halved until they fit
ROWS = 256  #: videos whose cached features are run through a probe at once


def tokens_of(experiment: Experiment) -> tuple[int, int, int] | None:
    """Return the largest grid of tokens that is cached, None where vectors are."""
    return experiment.protocol.sections.probe.tokens if experiment.mode == "attentive" else None


def build_frozen(experiment: Experiment, *, compiled: bool = False) -> probe.Frozen:
    """Return the backbone with its weights; random ones, if a run asks for them, do not depend on its seed."""
    seeded(0)
    backbone = experiment.backbone(**experiment.options)
    if experiment.weights.path is not None:
        backbone.load_weights(str(experiment.weights.path))
    if compiled:
        backbone.compile()
    return probe.Frozen(backbone, experiment.spec, tokens_of(experiment))


def make_cache(
    machine: Machine,
    built: probe.Frozen,
    samples: Samples,
    roles: Sequence[str],
    *,
    spec: ClipSpec,
    modality: Modality,
    step: Step,
    into: Path,
) -> Mapping[str, Any]:
    """Write what is cached of the videos of some roles, [videos, views, ...].

    Args:
        machine: the devices, in this process and others.
        built: the frozen backbone.
        samples: the videos.
        roles: of the wanted ones.
        spec: which views of them.
        modality: what is fed.
        step: whose identity marks the pieces, which are kept next to its output.
        into: the file that the first process writes.

    Returns:
        Facts for the record.

    Raises:
        OsarbenchError: the disk is too small, or features are not finite.
    """
    clips = ViewClips(samples.frames, samples.of(samples.rows(*roles)), spec, modality)
    shape = (modality.channels * modality.stack, spec.test_length, spec.test_size, spec.test_size)

    def attempt(views: int) -> int:
        with torch.inference_mode(), machine.fabric.autocast():
            empty = torch.zeros(views, *shape, dtype=torch.uint8, device=machine.fabric.device)
            found = built.eval().to(machine.fabric.device).vectors(empty)
        return found.numel() * found.element_size()

    check_space(step.file.parent, len(clips) * spec.views * attempt(1))
    on_gpu = machine.fabric.device.type == "cuda"
    batch = memory.fitting(LARGEST_BATCH, attempt) if on_gpu else BATCH
    extract.extract(machine, built, clips, batch=batch, file=step.file, into=into, identity=step.identity())
    return machine.facts()


def check_space(folder: Path, needed: int) -> None:
    """Refuse to begin what will not fit on the disk, on which pieces and the whole are together in the end.

    Raises:
        OsarbenchError: it says how much is needed, and how to need less.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if 2 * needed > free:
        raise OsarbenchError(
            f"What is cached of the frozen backbone needs {2 * needed / 1e9:,.1f} GB in {folder}, where "
            f"{free / 1e9:,.1f} GB are free. Fewer tokens ([probe] tokens) or test views, or --train linear, need less."
        )


def build_probe(experiment: Experiment, spec: HeadSpec, class_names: Sequence[str]) -> probe.ProbeNetwork:
    """Return the untrained probe with a head."""
    dim, map_dim = experiment.dims
    chosen = (
        probe.AttentiveProbe(map_dim)
        if experiment.mode == "attentive"
        else probe.LinearProbe(
            dim, map_dim, standardise=experiment.trains and experiment.protocol.sections.probe.standardise
        )
    )
    return probe.ProbeNetwork(chosen, make_head(spec.head, chosen, class_names, spec.settings))


def check_head(experiment: Experiment, spec: HeadSpec, class_names: Sequence[str]) -> None:
    """Raise an `OsarbenchError` if a head cannot be trained on what is cached, before it is."""
    with torch.random.fork_rng(devices=[]):
        probe.check(build_probe(experiment, spec, class_names), tokens_of(experiment) or ())


def make_probe(
    machine: Machine,
    experiment: Experiment,
    spec: HeadSpec,
    class_names: Sequence[str],
    *,
    cached: Path,
    labels: np.ndarray,
    training: Training,
    step: Step,
    into: Path,
) -> Mapping[str, Any]:
    """Train a probe and its head on cached features, and write both.

    Args:
        machine: the devices, in this process and others.
        experiment: what is trained.
        spec: the head.
        class_names: [K].
        cached: [videos, views, ...] of the training videos.
        labels: int64 [videos].
        training: the recipe.
        step: whose identity marks the checkpoints, which are kept next to its output.
        into: the file that the first process writes.

    Returns:
        Facts for the record.
    """
    features = np.load(cached, mmap_mode="r")
    seeded(experiment.seed)
    built = build_probe(experiment, spec, class_names)
    built.backbone.learn(features)
    views = probe.CachedViews(features, labels, experiment.seed)
    folder = Trained(step.file.parent)
    try:
        train(machine, built, views, training, seed=experiment.seed, into=folder, identity=step.identity())
    except Exception as error:
        error.add_note(f"osarbench: raised while the head '{spec.head.name}' was trained")
        raise
    if machine.first:
        network.save(built, into)
    return machine.facts()


def adopt_classifier(
    machine: Machine,
    experiment: Experiment,
    spec: HeadSpec,
    class_names: Sequence[str],
    *,
    classifier: Path,
    into: Path,
) -> Mapping[str, Any]:
    """Write features as they are, with a head that is a linear classifier from elsewhere.

    Args:
        machine: where this happens.
        experiment: on imported features.
        spec: the head.
        class_names: [K].
        classifier: an archive of ``weight`` [K, D] and ``bias`` [K].
        into: the file to write.

    Returns:
        Facts for the record.

    Raises:
        OsarbenchError: the head is no linear classifier.
    """
    built = build_probe(experiment, spec, class_names)
    with np.load(classifier, allow_pickle=False) as arrays:
        tensors = {name: torch.from_numpy(arrays[name]) for name in ("weight", "bias")}
    network.adopt(built.head, SavedHead("linear", tensors), "the imported features")
    network.save(built, into)
    return machine.facts()


def make_probe_features(
    machine: Machine, built: probe.ProbeNetwork, cached: Path, *, file: Path, into: Path
) -> Mapping[str, Any]:
    """Write the vectors [videos, views, D] that a trained probe makes of cached features.

    Args:
        machine: whose device runs it.
        built: the trained probe.
        cached: [videos, views, ...].
        file: what is made, for people.
        into: where it is written.

    Returns:
        Facts for the record.
    """
    features = np.load(cached, mmap_mode="r")
    built.eval().to(machine.fabric.device)
    shape = (*features.shape[:2], built.backbone.dim)
    found = np.lib.format.open_memmap(into, mode="w+", dtype="<f4", shape=shape)
    with torch.inference_mode():
        for begin in range(0, len(features), ROWS):
            part = torch.from_numpy(np.array(features[begin : begin + ROWS])).to(machine.fabric.device)
            vectors = built.vectors(part.flatten(0, 1))  # [N * V, D]
            found[begin : begin + ROWS] = vectors.view(*part.shape[:2], -1).cpu().numpy()
    found.flush()
    console.say(f"extract: {file.parent.name}/{file.stem} of {len(features)} videos, from what is cached")
    return machine.facts()
