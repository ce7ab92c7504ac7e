"""A run: a plan for one backbone and some methods, executed here."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from osarbench import console
from osarbench.artifacts.steps import Failure, execute
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.interfaces.method import Method
from osarbench.model.device import Machine, make_machine
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol as protocols
from osarbench.run import imported, imported_plan
from osarbench.run.config import RunConfig
from osarbench.run.experiment import of_each, resolve_all
from osarbench.run.method_plan import Draw, MethodPlan
from osarbench.run.plan import Plan
from osarbench.run.plan import plan as make_plan


class Entry(NamedTuple):
    """One finished method: where its files are and what they say."""

    method: str
    folder: Path
    metrics: Mapping[str, Any]
    scores: Path
    seed: int
    draw: int | None = None  #: of classes


class Failed(NamedTuple):
    """A method that raised, while others went on."""

    method: str
    error: Exception


def run(
    config: RunConfig,
    *,
    failed: list[Failed] | None = None,
    draw: Draw | None = None,
    took: dict[str, float] | None = None,
) -> list[Entry]:
    """Train, extract, score and evaluate; what is up to date from an earlier run is reused.

    Args:
        config: what is asked for; the method "all-posthoc" stands for every post-hoc score.
        failed: if given, a method that raises is put there and the others go on; else the first error ends the run.
        draw: makes ``scores.png`` of each scores table (`osarbench.reports.figures.draw_scores`).
        took: if given, the seconds of what is made are added there: decode, train, extract, score ...

    Raises:
        OsarbenchError: whatever the user can mend.
    """
    planned, machine = plan(config, failed=failed, draw=draw)
    if planned is None or machine is None:
        return []
    # the processes of a distributed run cannot tell each other that one of them goes on
    failures: list[Failure] | None = None if failed is None or machine.fabric.world_size > 1 else []
    try:
        execute(planned.steps, redo=config.redo, crew=machine, failed=failures, say=console.say, took=took)
    except RuntimeError as error:
        told = machine.explain(error) if machine.fabric.world_size > 1 and machine.first else None
        raise error if told is None else told from error
    if not machine.first:
        return []
    broken = {id(failure.step): failure.error for failure in failures or []}
    entries = []
    for one in planned.methods:
        errors = [broken[id(step)] for step in one.steps if id(step) in broken]
        if errors and failed is not None:
            several = len(planned.methods) > len({id(its.method) for its in planned.methods})
            failed.append(Failed(f"{one.method.name} ({one.folder})" if several else one.method.name, errors[0]))
        else:
            entries.append(entry_of(one))
    return entries


def plan(
    config: RunConfig, *, failed: list[Failed] | None = None, draw: Draw | None = None
) -> tuple[Plan, Machine] | tuple[None, None]:
    """Return the steps of a run and the machine for them; None where no method could be made.

    Args:
        config: what is asked for.
        failed: if given, a method that cannot be made is put there; else its error is raised.
        draw: makes a picture of each scores table.

    Raises:
        OsarbenchError: whatever the user can mend.
    """
    available = plugins.load(files=config.plugin_files)
    names = available.expand(config.methods)
    config = dataclasses.replace(config, settings=_settings(available, config, names))
    methods = [made for name in names if (made := _made(available, config, name, failed)) is not None]
    if not methods:
        return None, None
    protocol = protocols.read(config.protocol)
    found = imported.find(config.runs, protocol, config.backbone, available)
    if found is None:
        experiments = resolve_all(config, available)
    else:
        experiments = of_each(config, protocol, imported_plan.resolve(config, protocol, found, available))
    machine = make_machine(config.device, config.devices, config.precision, config.workers)
    return make_plan(config, experiments, methods, available, machine, draw=draw), machine


def entry_of(one: MethodPlan) -> Entry:
    """Return the entry of a method that was executed."""
    numbers = json.loads((one.folder / "metrics.json").read_text(encoding="utf-8"))
    return Entry(one.method.name, one.folder, numbers, one.score.file, one.seed, one.draw)


def _settings(available: plugins.Plugins, config: RunConfig, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the settings of methods as their constructors read them: 1 and 1.0 are one setting, and one entry."""
    for name in config.settings:
        if name not in names:
            raise OsarbenchError(f"--set {name}: this run has no method '{name}'.{did_you_mean(name, names)}")
    return {
        name: plugins.check_settings("method", available.method(name), settings, "--set")
        for name, settings in config.settings.items()
    }


def _made(available: plugins.Plugins, config: RunConfig, name: str, failed: list[Failed] | None) -> Method | None:
    """Return a method with its settings; None if making it raised and others go on."""
    try:
        method = available.method(name)(**config.settings.get(name, {}))
        method.head_settings()
    except OsarbenchError:
        raise
    except Exception as error:
        error.add_note(f"osarbench: raised while the method '{name}' was made")
        if failed is None:
            raise
        failed.append(Failed(name, error))
        return None
    return method
