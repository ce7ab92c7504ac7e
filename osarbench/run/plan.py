"""What a run will make: its steps, each with its inputs, settings and code. Planning decodes and trains nothing."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench.artifacts import storage
from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Step
from osarbench.interfaces.method import Method
from osarbench.model.device import Machine
from osarbench.plugins.loading import Plugins
from osarbench.run import scoring
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment, head_spec
from osarbench.run.frozen_plan import FrozenPlan, ProbePlan
from osarbench.run.head_plan import TESTED, HeadPlan, code_of
from osarbench.run.names import setting_in_a_name
from osarbench.run.videos import Videos
from osarbench.scores import metrics
from osarbench.scores import table as tables
from osarbench.scores.metrics import registry

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
    videos: Videos
    heads: Sequence[HeadPlan] = ()


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
    frozen = FrozenPlan(config, experiment, machine, videos, decode)
    steps, planned, heads = [decode], list[MethodPlan](), list[HeadPlan]()
    for same_head in _by_head(experiment, methods):
        head = (
            ProbePlan(frozen, same_head)
            if experiment.frozen
            else HeadPlan(config, experiment, machine, videos, decode, same_head)
        )
        heads.append(head)
        steps += [step for step in head.steps if step not in steps]
        for method in same_head:
            planned.append(_method(head, method, draw))
            steps += planned[-1].steps
    order = {id(method): position for position, method in enumerate(methods)}
    return Plan(steps, sorted(planned, key=lambda one: order[id(one.method)]), videos, heads)


def _method(head: HeadPlan, method: Method, draw: Draw | None) -> MethodPlan:
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
        code=code_of(scoring.decide, scoring.fit, type(head.task), plugins=(type(method), head.spec.head)),
        packages=SCORE_PACKAGES,
        make=lambda step, into: _score(head, method, settings, step, into),
        cheap=True,
    )  # fmt: skip
    evaluate = Step(
        name=f"evaluate {head.folder.name}/{folder.name}",
        output=folder / "metrics.json",
        inputs={"scores": score},
        settings=metrics.settings_of(head.experiment.protocol),
        code=registry.code(),
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


def _score(head: HeadPlan, method: Method, settings: Mapping[str, Any], step: Step, into: Path) -> Mapping[str, Any]:
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
    into.write_text(result.to_json(), encoding="utf-8")


def _by_head(experiment: Experiment, methods: Sequence[Method]) -> Iterator[list[Method]]:
    groups: dict[str, list[Method]] = {}
    for method in methods:
        spec = head_spec(experiment, method)
        key = f"{spec.head.__module__}.{spec.head.__qualname__} {spec.folder(experiment)}"
        groups.setdefault(key, []).append(method)
    yield from groups.values()
