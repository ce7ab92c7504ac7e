"""What a run will make: its steps, each with its inputs, settings and code. Planning decodes and trains nothing."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench import console
from osarbench.artifacts import manifest, storage
from osarbench.artifacts.code import Code, Root
from osarbench.artifacts.steps import Step
from osarbench.data import index, store
from osarbench.interfaces.method import Head, Method
from osarbench.model import extract, network
from osarbench.model.device import Machine
from osarbench.model.train import Trained
from osarbench.plugins.loading import Plugins, code_files
from osarbench.protocols.protocol import Training
from osarbench.run import networks, samples, scoring
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment, HeadSpec, head_spec
from osarbench.run.names import setting_in_a_name
from osarbench.run.origin import commit
from osarbench.run.samples import Samples
from osarbench.run.tasks import TASKS
from osarbench.scores import metrics
from osarbench.scores import table as tables

TESTED = ("calibration", "known", "unknown")  #: roles of the rows of a scores table, without those of training
NETWORK_PACKAGES = ("numpy", "timm", "torch", "torchvision")
SCORE_PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")
METRIC_PACKAGES = ("numpy", "pandas", "scipy")
LARGE = 20_000  #: rows from which on a scores table is compressed

#: Draws a scores table to a file, under a title.
Draw = Callable[[pd.DataFrame, Path, str], None]


class MethodPlan(NamedTuple):
    """One method: its folder and the steps that belong to it alone."""

    method: Method
    folder: Path
    score: Step
    evaluate: Step
    steps: tuple[Step, ...]  #: these and what follows them


@dataclass(frozen=True)
class Plan:
    """Everything that one run makes, in an order in which each step follows what it needs."""

    steps: Sequence[Step]
    methods: Sequence[MethodPlan]
    videos: "Videos"


class Videos:
    """The videos of a run: listed at once, decoded when they are first needed."""

    def __init__(self, config: RunConfig, experiment: Experiment, available: Plugins, machine: Machine) -> None:
        self._config, self._experiment, self._machine = config, experiment, machine
        self.listed = index.build(experiment.protocol, available, config.locations)
        index.check_apart(self.listed)
        self._prepared: Samples | None = None

    @property
    def folder(self) -> Path:
        """Where files about the whole protocol are."""
        return self._config.runs / self._experiment.protocol.name

    @property
    def samples(self) -> Samples:
        """The readable videos with their frames; `prepare` must have been called."""
        assert self._prepared is not None
        return self._prepared

    def is_decoded(self) -> bool:
        """Say whether every frame is in the cache; if so, the videos are at hand afterwards."""
        if self._prepared is None and store.is_complete(**self._asked()):
            self._prepared = samples.readable(self.listed, self._frames(), self._experiment.protocol, None)
        return self._prepared is not None

    def prepare(self, *_: Any) -> None:
        """Decode what is not in the cache yet. One process decodes; the others then find every frame."""
        first, fabric = self._machine.first, self._machine.fabric
        if self.listed.missing and first:
            missing = f"{len(self.listed.missing)} of {len(self.listed.missing) + len(self.listed.rows)}"
            console.say(f"index: {missing} listed videos are not there, see {self.folder / 'missing.json'}")
        frames = self._frames() if first else None
        fabric.barrier()
        frames = frames or self._frames()
        folder = self.folder if first else None
        self._prepared = samples.readable(self.listed, frames, self._experiment.protocol, folder)
        if first:
            index.write(self._prepared.index, self.folder / "index.csv", self._experiment.protocol)

    def _frames(self) -> store.Store:
        return store.prepare(**self._asked(), workers=store.cores())

    def _asked(self) -> dict[str, Any]:
        return {
            "sources": samples.listed(self.listed),
            "short_side": self._experiment.spec.short_side,
            "middle": self._experiment.protocol.sections.middle_frames,
            "folder": self._config.locations.cache / "clips",
            "kind": self._config.store,
        }


def plan(
    config: RunConfig,
    experiment: Experiment,
    methods: Sequence[Method],
    available: Plugins,
    machine: Machine,
    *,
    draw: Draw | None = None,
) -> Plan:
    """Return the steps of a run.

    Args:
        config: what is asked for.
        experiment: protocol, backbone and seed.
        methods: with their settings.
        available: the plugins, among them the data sets.
        machine: where it is computed.
        draw: makes ``scores.png`` of each scores table; None: nobody draws.

    Raises:
        OsarbenchError: data sets are not there, or not as the protocol needs them.
    """
    videos = Videos(config, experiment, available, machine)
    decode = Step(
        name="decode", output=None, make=videos.prepare, is_done=videos.is_decoded, code=Code.of(), together=True
    )
    steps, planned = [decode], list[MethodPlan]()
    for same_head in _by_head(experiment, methods):
        head = _HeadPlan(config, experiment, machine, videos, decode, same_head)
        steps += head.steps
        for method in same_head:
            planned.append(_method(head, method, draw))
            steps += planned[-1].steps
    order = {id(method): position for position, method in enumerate(methods)}
    return Plan(steps, sorted(planned, key=lambda one: order[id(one.method)]), videos)


class _HeadPlan:
    """The steps that the methods of one head share: network and features."""

    def __init__(
        self, config: RunConfig, experiment: Experiment, machine: Machine, videos: Videos, decode: Step,
        methods: Sequence[Method],
    ) -> None:  # fmt: skip
        self.config, self.experiment, self.machine = config, experiment, machine
        self.videos, self.decode, self.methods = videos, decode, methods
        self.spec: HeadSpec = head_spec(experiment, methods[0])
        self.folder = videos.folder / experiment.backbone.name / self.spec.folder(experiment)
        self.task = TASKS[experiment.protocol.sections.task]
        self.train_threshold = experiment.protocol.sections.threshold.source == "train"

    @cached_property
    def training(self) -> Training:
        """The recipe, its batch halved until it fits a GPU if the run asks for that."""
        on_gpu = self.machine.fabric.device.type == "cuda"
        if not (self.experiment.trains and self.config.batch_size == "auto" and on_gpu):
            return self.experiment.training(self.spec.head.name)
        return networks.fitting_batch(
            self.machine, self.experiment, self.spec, self.videos.listed.classes, recompute=self.config.recompute
        )

    @property
    def deviations(self) -> dict[str, Any]:
        """In what the run departs from its protocol, a batch that had to be smaller included."""
        stated = self.experiment.training(self.spec.head.name).batch_size
        fitted = {} if self.training.batch_size == stated else {"batch_size": self.training.batch_size}
        return {**self.experiment.deviations, **fitted}

    @property
    def steps(self) -> list[Step]:
        """Network and features."""
        return [self.trained, self.tested, *([self.trained_on] if self.needs_training_features else [])]

    @property
    def needs_training_features(self) -> bool:
        """Whether a method fits on training videos, or the threshold is learnt from them."""
        return self.train_threshold or any(scoring.needs_fit(method) for method in self.methods)

    @cached_property
    def trained(self) -> Step:
        """The trained network, or the one of the weights."""
        files = Trained(self.folder)
        return Step(
            name=f"train {self.folder.name}",
            output=files.network,
            after=(self.decode,),
            inputs={"videos": lambda: self.videos.samples.digest("train"), "weights": self.experiment.weights.sha256},
            settings={
                "backbone": {"name": self.experiment.backbone.name, "options": self.experiment.options},
                "head": {"name": self.spec.head.name, "settings": self.spec.settings},
                "classes": self.videos.listed.classes,
                "clips": asdict(self.experiment.spec),
                "training": asdict(self.training) if self.experiment.trains else None,
                "seed": self.experiment.seed,
                "devices": self.config.devices,
                "precision": self.machine.precision,
            },
            code=_code(networks.make_network, type(self.task), plugins=(self.experiment.backbone, self.spec.head)),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: networks.make_network(
                self.machine,
                self.experiment,
                self.spec,
                self.videos.samples,
                task=self.task,
                config=self.config,
                training=self.training,
                step=step,
                into=into,
            ),
            record={"commit": commit(), "weights": self.experiment.weights.facts()},
            tidy=lambda: manifest.remove(files.checkpoint),
            together=True,
        )

    @cached_property
    def tested(self) -> Step:
        """The features of test and calibration videos."""
        return self._features("features.npy", TESTED)

    @cached_property
    def trained_on(self) -> Step:
        """The features of training videos."""
        return self._features("features-train.npy", ("train",))

    def _features(self, name: str, roles: tuple[str, ...]) -> Step:
        return Step(
            name=f"extract {self.folder.name}/{name}",
            output=self.folder / name,
            inputs={"network": self.trained, "videos": lambda: self.videos.samples.digest(*roles)},
            settings={"clips": asdict(self.experiment.spec), "precision": self.machine.precision},
            code=_code(networks.make_features, networks.build, plugins=(self.experiment.backbone,)),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: networks.make_features(
                self.machine,
                self.load(),
                self.videos.samples,
                roles,
                batch=4 * self.training.batch_size,
                step=step,
                into=into,
            ),
            record={"commit": commit()},
            tidy=lambda: extract.forget_pieces(self.folder / name),
            together=True,
        )

    def load(self) -> network.Network:
        """Return the trained network."""
        built = networks.build(self.experiment, self.spec, self.videos.listed.classes, compiled=self.config.compile)
        network.load(built, Trained(self.folder).network)
        return built

    @cached_property
    def head(self) -> Head:
        """The trained head, in evaluation mode on the CPU."""
        head: Head = self.load().eval().head
        return head

    def origin(self, method: Method, settings: Mapping[str, Any], score: Step) -> dict[str, Any]:
        """Return what an entry says of its making: everything from the commit to the threads."""
        protocol = self.experiment.protocol
        made = {name: manifest.read(step.file) or {} for name, step in
                (("network", self.trained), ("features", self.tested))}  # fmt: skip
        return {
            "protocol": {"name": protocol.name, "sha256": protocol.sha256},
            "backbone": self.experiment.backbone.name,
            "method": method.name,
            "settings": dict(settings),
            "seed": self.experiment.seed,
            "deviations": self.deviations,
            "weights": self.experiment.weights.facts(),
            "commit": commit(),
            "code": {name: step.code.facts() for name, step in
                     (("train", self.trained), ("extract", self.tested), ("score", score))},
            **{name: {"sha256": its.get("sha256"), "identity": its.get("identity"),
                      **{key: its[key] for key in _MACHINE if key in its}} for name, its in made.items()},
        }  # fmt: skip


_MACHINE = ("device", "name", "devices", "precision", "threads", "seconds", "made", "commit")


def _method(head: _HeadPlan, method: Method, draw: Draw | None) -> MethodPlan:
    settings = head.config.settings.get(method.name, {})
    folder = head.folder / "".join([method.name, *map(setting_in_a_name, sorted(settings.items()))])
    suffix = ".csv" if len(head.videos.listed.rows) < LARGE else ".csv.gz"
    uses_training = head.train_threshold or scoring.needs_fit(method)
    score = Step(
        name=f"score {head.folder.name}/{folder.name}",
        output=folder / f"scores{suffix}",
        inputs={"features": head.tested, **({"training_features": head.trained_on} if uses_training else {})},
        settings={"method": {"name": method.name, "settings": dict(settings)},
                  "threshold_from": head.experiment.protocol.sections.threshold.source,
                  "deviations": head.deviations},
        code=_code(scoring.decide, scoring.fit, type(head.task), plugins=(type(method), head.spec.head)),
        packages=SCORE_PACKAGES,
        make=lambda step, into: _score(head, method, settings, step, into),
        cheap=True,
    )  # fmt: skip
    evaluate = Step(
        name=f"evaluate {head.folder.name}/{folder.name}",
        output=folder / "metrics.json",
        inputs={"scores": score},
        settings=metrics.settings_of(head.experiment.protocol),
        code=Code.of(metrics.evaluate),
        packages=METRIC_PACKAGES,
        make=lambda step, into: _evaluate(score, step, into),
        cheap=True,
    )
    steps = [score, evaluate]
    if draw is not None:
        title = f"{head.experiment.protocol.name}: {folder.name}"
        steps.append(_picture(score, folder, title, draw))
    return MethodPlan(method, folder, score, evaluate, tuple(steps))


def _picture(score: Step, folder: Path, title: str, draw: Draw) -> Step:
    return Step(
        name=f"draw {folder.parent.name}/{folder.name}",
        output=folder / "scores.png",
        inputs={"scores": score},
        settings={"title": title},
        code=Code.of(draw),
        make=lambda _, into: draw(tables.read(score.file), into, title),
        cheap=True,
    )


def _score(head: _HeadPlan, method: Method, settings: Mapping[str, Any], step: Step, into: Path) -> Mapping[str, Any]:
    """Write the scores table of a method, and its diagnostics if it has any."""
    found, names = head.videos.samples, head.videos.listed.classes
    parts = []
    method = copy.copy(method)
    if "training_features" in step.inputs:
        rows, features = found.rows("train"), np.load(head.trained_on.file, mmap_mode="r")
        scoring.fit(method, head.head, features, head.task.targets(rows, names), names)
        if head.train_threshold:
            decisions = scoring.decide(method, head.head, features, rows["video"].to_numpy(), names)
            parts.append(head.task.table(rows, decisions, names))
    rows, features = found.rows(*TESTED), np.load(head.tested.file, mmap_mode="r")
    decisions = scoring.decide(method, head.head, features, rows["video"].to_numpy(), names)
    parts.append(head.task.table(rows, decisions, names))
    facts = scoring.diagnostics(method, head.head, features, rows, names)
    if facts:
        storage.write_text(step.file.with_name("diagnostics.json"), json.dumps(facts, indent=1) + "\n")
    tables.write(pd.concat(parts, ignore_index=True), into)
    return {"origin": head.origin(method, settings, step)}


def _evaluate(score: Step, step: Step, into: Path) -> None:
    result = metrics.evaluate(tables.read(score.file), **step.settings)
    into.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _code(*roots: Root, plugins: Sequence[type]) -> Code:
    """Return the code of core functions and plugin classes; all files of a plugin from elsewhere."""
    core = Code.of(*roots, *plugins)
    outside = {file for plugin in plugins if plugin.__module__.split(".")[0] not in ("osarbench", "osarbench_plugins")
               for file in code_files(plugin)}  # fmt: skip
    return replace(core, files=tuple(sorted(outside)))


def _by_head(experiment: Experiment, methods: Sequence[Method]) -> Iterator[list[Method]]:
    groups: dict[str, list[Method]] = {}
    for method in methods:
        spec = head_spec(experiment, method)
        key = f"{spec.head.__module__}.{spec.head.__qualname__} {spec.folder(experiment)}"
        groups.setdefault(key, []).append(method)
    yield from groups.values()
