"""What is made of the outputs of a network by one method: a scores table, its numbers and its picture."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from osarbench.artifacts import storage
from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Step
from osarbench.interfaces.method import FewShotMethod, Head, Method
from osarbench.interfaces.task import Task
from osarbench.model import extract
from osarbench.protocols import protocol as protocols
from osarbench.run import scoring
from osarbench.run.head_plan import TESTED, code_of
from osarbench.run.names import of_draw, setting_in_a_name
from osarbench.scores import metrics
from osarbench.scores import table as tables
from osarbench.scores.metrics import registry

SCORE_PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy", "torch")
METRIC_PACKAGES = ("numpy", "pandas", "scipy")
LARGE = 20_000  #: rows from which on a scores table is compressed

#: Draws a scores table to a file, under a title.
Draw = Callable[[pd.DataFrame, Path, str], None]


class Scored(Protocol):
    """Outputs of a network, or of several together, that methods score."""

    @property
    def folder(self) -> Path:
        """Where its methods' folders are."""

    @property
    def protocol(self) -> protocols.Protocol:
        """What is known and unknown."""

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Settings of methods, by name."""

    @property
    def task(self) -> Task:
        """What is asked of a video."""

    @property
    def tested(self) -> Step:
        """The outputs for test and calibration videos."""

    @property
    def trained_on(self) -> Step:
        """The outputs for training videos."""

    @property
    def shots(self) -> Step:
        """The outputs for the shots of the protocol; an `OsarbenchError` if there are none."""

    @property
    def train_threshold(self) -> bool:
        """Whether the threshold is learnt from training videos."""

    @property
    def deviations(self) -> Mapping[str, Any]:
        """In what it departs from its protocol."""

    @property
    def head(self) -> Head:
        """The trained head, in evaluation mode on the CPU."""

    @property
    def heads(self) -> Sequence[type[Head]]:
        """The classes whose code makes logits."""

    @property
    def classes(self) -> Sequence[str]:
        """The known classes in the order of the logits."""

    @property
    def count(self) -> int:
        """How many videos are listed."""

    def rows(self, *roles: str) -> pd.DataFrame:
        """Return the videos of some roles, in the order of their outputs."""

    def origin(self, method: Method, settings: Mapping[str, Any], score: Step) -> dict[str, Any]:
        """Return what an entry says of its making."""


class MethodPlan(NamedTuple):
    """One method: its folder and the steps that belong to it alone."""

    method: Method
    folder: Path
    score: Step
    evaluate: Step
    steps: tuple[Step, ...]  #: these and what follows them
    seed: int = 0
    draw: int | None = None  #: of classes


def method_plan(head: Scored, method: Method, draw: Draw | None) -> MethodPlan:
    """Return the steps of one method on the outputs of a network.

    Args:
        head: whose outputs are scored.
        method: with its settings.
        draw: makes a picture of the scores table; None: nobody draws.
    """
    settings = head.settings.get(method.name, {})
    folder = head.folder / "".join([method.name, *map(setting_in_a_name, sorted(settings.items()))])
    suffix = ".csv" if head.count < LARGE else ".csv.gz"
    uses_training = head.train_threshold or scoring.needs_fit(method)
    name = of_draw(f"{head.folder.name}/{folder.name}", head.protocol.draw)
    score = Step(
        name=f"score {name}",
        output=folder / f"scores{suffix}",
        inputs={
            "features": head.tested,
            **({"training_features": head.trained_on} if uses_training else {}),
            **({"shot_features": head.shots} if isinstance(method, FewShotMethod) else {}),
        },
        settings={"method": {"name": method.name, "settings": dict(settings)},
                  "threshold_from": head.protocol.sections.threshold.source,
                  "deviations": head.deviations},
        code=code_of(scoring.decide, scoring.fit, scoring.fit_shots, type(head.task),
                     plugins=(type(method), *head.heads)),
        packages=SCORE_PACKAGES,
        make=lambda step, into: _score(head, method, settings, step, into),
        cheap=True,
    )  # fmt: skip
    evaluate = Step(
        name=f"evaluate {name}",
        output=folder / "metrics.json",
        inputs={"scores": score},
        settings=metrics.settings_of(head.protocol),
        code=registry.code(),
        packages=METRIC_PACKAGES,
        make=lambda step, into: _evaluate(score, step, into),
        cheap=True,
    )
    steps = [score, evaluate]
    if draw is not None:
        title = f"{head.protocol.title}: {folder.name}"
        steps.append(_picture(name, score, folder, title, draw))
    return MethodPlan(method, folder, score, evaluate, tuple(steps))


def _picture(name: str, score: Step, folder: Path, title: str, draw: Draw) -> Step:
    return Step(
        name=f"draw {name}",
        output=folder / "scores.png",
        inputs={"scores": score},
        settings={"title": title},
        code=Code.of(draw),
        make=lambda _, into: draw(tables.read(score.file), into, title),
        cheap=True,
    )


def _score(head: Scored, method: Method, settings: Mapping[str, Any], step: Step, into: Path) -> Mapping[str, Any]:
    """Write the scores table of a method, and its diagnostics if it has any."""
    names = head.classes
    parts = []
    method = copy.copy(method)
    if "training_features" in step.inputs:
        rows, features = head.rows("train"), np.load(head.trained_on.file, mmap_mode="r")
        scoring.fit(method, head.head, features, head.task.targets(rows, names), names)
        if isinstance(method, FewShotMethod):
            scoring.fit_shots(method, head.head, np.load(head.shots.file, mmap_mode="r"), names)
        if head.train_threshold:
            decisions = scoring.decide(method, head.head, features, rows["video"].to_numpy(), names)
            parts.append(head.task.table(rows, decisions, names))
    rows, features = head.rows(*TESTED), np.load(head.tested.file, mmap_mode="r")
    decisions = scoring.decide(method, head.head, features, rows["video"].to_numpy(), names)
    parts.append(head.task.table(rows, decisions, names))
    facts: dict[str, dict[str, Any]] = {**scoring.diagnostics(method, head.head, features, rows, names)}
    for source, said in scoring.by_class(rows, extract.read_facts(head.tested.file)).items():
        facts[source] = {**facts.get(source, {}), **said}
    if facts:
        storage.write_text(step.file.with_name("diagnostics.json"), json.dumps(facts, indent=1) + "\n")
    tables.write(pd.concat(parts, ignore_index=True), into)
    return {"origin": head.origin(method, settings, step)}


def _evaluate(score: Step, step: Step, into: Path) -> None:
    result = metrics.evaluate(tables.read(score.file), **step.settings)
    into.write_text(result.to_json(), encoding="utf-8")
