"""What a run would cost, before it starts: disk, memory and time of each step, from speeds measured on this machine."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from osarbench.data.clips import EpochSampler, TrainClips
from osarbench.data.shots import SHOT
from osarbench.data.stores.estimate import Estimate
from osarbench.model import measuring
from osarbench.model.measuring import Speed
from osarbench.run import networks
from osarbench.run.frozen_plan import ProbePlan
from osarbench.run.head_plan import TESTED, HeadPlan
from osarbench.run.plan import Plan

READ = 48  # clips that are read to learn how fast that is
PYTHON = 1.2e9  # bytes that the process has before anything is loaded: Python, torch and its libraries, about


class Cost(NamedTuple):
    """One step."""

    name: str
    state: str  #: fresh (reused), stale or missing (made)
    different: Sequence[str]  #: why it is stale
    work: str  #: for people
    seconds: float | None  #: None: too little to be estimated, or nobody knows
    disk: float  #: bytes that it writes


@dataclass(frozen=True)
class Costs:
    """A run."""

    steps: Sequence[Cost]
    memory: float  #: bytes of the largest step, of the device where that is a GPU
    free: float  #: bytes left where results and frames are written, the smaller
    measured: Sequence[str]  #: what the estimates rest on

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(cost.seconds or 0.0 for cost in self.steps)

    @property
    def disk(self) -> float:
        """Bytes that are written."""
        return sum(cost.disk for cost in self.steps)


def of(plan: Plan) -> Costs:
    """Estimate what a run makes and reuses; nothing is made, and no video decoded beyond a third of a second's worth.

    Networks that would be trained, or run for features, are measured with random clips for some seconds each.

    Raises:
        OsarbenchError: whatever keeps the network from being built.
    """
    begin = time.perf_counter()
    states = {step.name: step.state() for step in plan.steps}
    kind, guess = plan.videos.outlook()
    decode = plan.steps[0].name  # later draws find most of their frames
    found = {decode: _decoding(decode, kind, guess)} if states[decode][0] != "fresh" else {}
    notes, memory = _decode_notes(guess), PYTHON
    speeds: dict[tuple[str, str], tuple[Speed, float]] = {}
    for head in plan.heads:
        needed = [step for step in head.steps if states[step.name][0] != "fresh"]
        if not needed or head.experiment.imported:  # what is made of imported features is a matter of seconds
            continue
        alike = head.spec.head.name, str(dict(head.spec.settings))  # other seeds are as fast
        if alike not in speeds:
            speeds[alike] = _measured(plan, head, guess)
            notes.append(_note(head, *speeds[alike]))
        speed, reading = speeds[alike]
        memory = max(memory, _memory(head, speed))
        for step in needed:
            if isinstance(head, ProbePlan):
                found[step.name] = _of_probe(head, step.name, speed, reading)
            else:
                found[step.name] = _of_step(head, step.name, speed, reading)
    steps = []
    for step in plan.steps:
        state, different = states[step.name]
        cost = found.get(step.name, Cost(step.name, "", (), "", None, 0.0))
        steps.append(cost._replace(state=state, different=different))
    notes.append(
        f"All of this was measured in {time.perf_counter() - begin:.0f} s; times are for a machine as busy as now."
    )
    return Costs(steps, memory, _free(plan), notes)


def _decoding(name: str, kind: str, guess: Estimate | None) -> Cost:
    if guess is None:
        return Cost(name, "", (), "", None, 0.0)
    size = {"raw": guess.raw, "jpeg": guess.jpeg, "none": 0.0}[kind]
    what = "kept nowhere" if kind == "none" else f"kept as {kind}"
    return Cost(name, "", (), f"{guess.videos:,} videos, about {guess.frames:,.0f} frames, {what}", guess.seconds, size)


def _decode_notes(guess: Estimate | None) -> list[str]:
    if guess is None or not guess.seconds:
        return []
    return [f"decode: {guess.frames / guess.seconds:,.0f} frames/s on all cores, from a third of a second of decoding"]


def _measured(plan: Plan, head: HeadPlan, guess: Estimate | None) -> tuple[Speed, float]:
    """Return how fast the network of a head is, and how many training clips a second one process reads."""
    experiment = head.experiment
    built = networks.build(experiment, head.spec, head.videos.listed.classes)
    recipe = head.training if experiment.trains and not experiment.frozen else None
    channels = experiment.modality.channels * experiment.modality.stack
    speed = measuring.measure(head.machine, built, channels, recipe)
    store = plan.videos.trial(guess)
    rows = np.arange(min(READ, len(store.entries)))
    clips = TrainClips(store, rows, np.zeros(len(rows), int), experiment.spec, 0, experiment.modality)
    begin = time.perf_counter()
    for position in rows:
        clips[0, int(position)]
    return speed, len(rows) / (time.perf_counter() - begin)


def _of_step(head: HeadPlan, name: str, speed: Speed, reading: float) -> Cost:
    rows, spec, trained = head.videos.listed.rows, head.experiment.spec, head.training
    videos = {role: int((rows["role"] == role).sum()) for role in ("train", *TESTED, SHOT)}
    processes = max(1, head.machine.loading.workers)
    overlap = head.machine.loading.workers > 0
    if name == head.trained.name:
        if not head.experiment.trains:
            return Cost(name, "", (), "takes the network of the weights", None, speed.parameters)
        batch = max(1, min(trained.batch_size, videos["train"]))
        clips = EpochSampler(videos["train"], batch, 0).used * trained.epochs
        per_clip = _per_clip(speed.train * head.config.devices, reading * processes, overlap)
        work = f"{videos['train']:,} videos, {trained.epochs} epochs, {clips:,} clips"
        return Cost(name, "", (), work, clips * per_clip, 4.0 * speed.parameters)
    of_shots = head.needs_shots and name == head.shots.name
    if name not in (head.tested.name, head.trained_on.name) and not of_shots:
        return Cost(name, "", (), "", None, 0.0)
    roles = TESTED if name == head.tested.name else (SHOT,) if of_shots else ("train",)
    count = sum(videos[role] for role in roles)
    if head.experiment.whole is not None:
        return Cost(name, "", (), f"{count:,} videos, every window", None, 0.0)
    return _extracting(
        head, name, count, spec.views, _per_clip(speed.infer * head.config.devices, reading * processes, overlap)
    )


def _extracting(head: HeadPlan, name: str, videos: int, views: int, seconds: float) -> Cost:
    """Return the cost of the vectors of some videos; `seconds` are those of a view."""
    total, width = videos * views, head.experiment.backbone(**head.experiment.options).dim
    return Cost(name, "", (), f"{videos:,} videos, {total:,} views", total * seconds, 4.0 * total * width)


def _of_probe(head: ProbePlan, name: str, speed: Speed, reading: float) -> Cost:
    """Return the cost of a step of a probe: what is cached of the backbone takes long, the rest does not."""
    roles = head.videos.listed.rows["role"]
    count = int(roles.isin(TESTED).sum()) if name == head.frozen.tested.name else int((roles == "train").sum())
    if name not in (head.frozen.tested.name, head.frozen.fitted.name, head.frozen.trained_on.name):
        return Cost(name, "", (), "on what is cached", None, 0.0)
    section, spec = head.experiment.protocol.sections.probe, head.experiment.spec
    apart = name == head.frozen.trained_on.name and name != head.frozen.fitted.name
    views = (section.clips or spec.test_clips) * (section.crops or spec.test_crops) if apart else spec.views
    workers = head.machine.loading.workers
    per_view = _per_clip(speed.infer * head.config.devices, reading * max(1, workers), workers > 0)
    return _extracting(head, name, count, views, per_view)


def _per_clip(computing: float, reading: float, overlap: bool) -> float:
    """Return the seconds that a clip takes: reading goes on while another is computed, if processes read."""
    return max(1 / computing, 1 / reading) if overlap else 1 / computing + 1 / reading


def _memory(head: HeadPlan, speed: Speed) -> float:
    spec = head.experiment.spec
    batch = head.training.batch_size / head.config.devices
    clip = len(spec.mean) * spec.length * spec.size**2
    on_gpu = head.machine.fabric.device.type == "cuda"
    return (0.5e9 if on_gpu else PYTHON) + speed.static + batch * (speed.activations + clip)


def _note(head: HeadPlan, speed: Speed, reading: float) -> str:
    trains = f"trains {speed.train:,.1f} clips/s, " if speed.train else ""
    return (
        f"{head.folder.name}: {head.experiment.backbone.name} {trains}runs {speed.infer:,.1f} views/s on "
        f"{head.machine.fabric.device.type} ({speed.clips} random clips); a process reads {reading:,.0f} clips/s"
    )


def _free(plan: Plan) -> float:
    """Return the bytes left where results and frames go."""
    folders = (plan.videos.folder, plan.videos.frames_folder)
    return min(float(shutil.disk_usage(_existing(folder)).free) for folder in folders)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
