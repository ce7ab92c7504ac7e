"""A finished run scored again on changed test videos: how accuracy, AUROC and each class move shows what it leans on.

The network, what the method learnt, and its threshold stay; only known and unknown test videos are changed. Splits of
the known videos that a data set names ``..._matched`` and ``..._swapped`` are compared too: there the data set itself
changed the scenes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench import console
from osarbench.artifacts import manifest
from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Step, execute
from osarbench.data.locations import Locations
from osarbench.data.perturbations import OF_COLOURS, PERTURBATIONS, PerturbedViews
from osarbench.errors import OsarbenchError, unknown_name
from osarbench.model import extract
from osarbench.run import scoring
from osarbench.run.config import RunConfig
from osarbench.run.frozen_plan import ProbePlan
from osarbench.run.head_plan import NETWORK_PACKAGES, HeadPlan
from osarbench.run.plan import Plan
from osarbench.run.run import plan as plan_run
from osarbench.scores import metrics
from osarbench.scores import table as tables
from osarbench.scores.metrics.result import PerClass
from osarbench.scores.statistics.holm import holm
from osarbench.scores.statistics.paired import Comparison, compare

CHANGED = ("known", "unknown")  #: roles of the videos that are changed
ORIGINAL, MATCHED, SWAPPED = "original", "scenes_matched", "scenes_swapped"


class Change(NamedTuple):
    """What a metric is on changed videos, and by how much that is more (all are shares)."""

    condition: str
    metric: str
    value: float
    change: float  #: changed - original
    low: float  #: of the 95 % interval of the change, paired on the same videos
    high: float
    p_holm: float  #: adjusted over the conditions of this metric


@dataclass(frozen=True)
class Diagnosis:
    """All that was found of one run."""

    run: Path
    original: Mapping[str, float]  #: metric -> value
    changes: Sequence[Change]
    classes: Mapping[
        str, Mapping[str, Mapping[str, Mapping[str, float]]]
    ]  #: condition -> side -> class -> column -> change
    resampled: str  #: what the intervals are about
    notes: Sequence[str]


def config_of(run: Path, locations: Locations, **options: Any) -> RunConfig:
    """Return what a finished run was asked for, read from the manifest of its scores.

    Args:
        run: the folder of a method, with its ``scores.csv``.
        locations: of data, cache and weights.
        options: fields of `RunConfig` that the manifest does not state (protocol file, plugin files, weights, device).

    Raises:
        OsarbenchError: it is no folder of a run.
    """
    file = _scores(run)
    origin = (manifest.read(file) or {}).get("origin")
    if not isinstance(origin, dict):
        raise OsarbenchError(f"{file} has no manifest that says how it was made. Diagnose a run of `osarbench run`.")
    deviations = origin.get("deviations") or {}
    stated = {key: deviations[key] for key in ("epochs", "batch_size") if key in deviations}
    folder = run.resolve()
    return RunConfig(
        **{
            "protocol": origin["protocol"]["name"],
            "backbone": origin["backbone"],
            "methods": (origin["method"],),
            "settings": {origin["method"]: origin["settings"]} if origin["settings"] else {},
            "seeds": (origin["seed"],),
            "draws": (origin["draw"],) if "draw" in origin else (),
            "train": "training" not in deviations,
            "precision": origin["features"].get("precision"),
            "runs": folder.parents[3 + ("draw" in origin)],
            "locations": locations,
            **stated,
            **{key: value for key, value in options.items() if value is not None},
        }
    )


def diagnose(run: Path, config: RunConfig, *, conditions: Sequence[str] = (), draws: int = 2000) -> Diagnosis:
    """Score a run again under each condition and compare, on the same videos.

    Tables are kept in ``diagnosis/`` of the run's folder; what is there and fresh is not made again.

    Args:
        run: the folder of a method, with its ``scores.csv``.
        config: what `config_of` returned.
        conditions: names in `perturbations.PERTURBATIONS`; none: all that fit the modality.
        draws: of the bootstrap.

    Raises:
        OsarbenchError: the run's network is gone or stale, its backbone is frozen, or there is no such condition.
    """
    planned, machine = plan_run(config)
    assert planned is not None
    assert machine is not None
    head = planned.heads[0]
    _check(planned, head)
    chosen = _chosen(conditions, head)
    steps = [_step(run, planned, head, condition) for condition in chosen]
    execute(steps, redo=True, say=console.say)
    original = tables.read(_scores(run))
    found = {ORIGINAL: original} | {name: tables.read(step.file) for name, step in zip(chosen, steps, strict=True)}
    groups = dict(planned.videos.listed.rows[["video", "group"]].itertuples(index=False, name=None))
    return _compared(run, found, metrics.settings_of(head.experiment.protocol), draws, groups)


def _check(planned: Plan, head: HeadPlan) -> None:
    if isinstance(head, ProbePlan):
        raise OsarbenchError("The backbone of this run is frozen and its features are cached; diagnose a trained one.")
    for step in (head.decode, *head.steps):
        state, different = step.state()
        if state != "fresh":
            why = f": {'; '.join(different[:3])}" if different else ""
            raise OsarbenchError(
                f"'{step.name}' of this run is {state}{why}. Run `osarbench run` with the options of the run again, or "
                "name those that its manifest does not state: --protocol FILE, --plugin FILE, --weights."
            )


def _chosen(conditions: Sequence[str], head: HeadPlan) -> list[str]:
    for name in conditions:
        if name not in PERTURBATIONS:
            raise unknown_name("condition", name, PERTURBATIONS)
    rgb = head.experiment.modality.channels == 3
    return [name for name in conditions or PERTURBATIONS if rgb or name not in OF_COLOURS]


def _step(run: Path, planned: Plan, head: HeadPlan, condition: str) -> Step:
    suffix = "".join(_scores(run).suffixes)
    return Step(
        name=f"diagnose {condition}",
        output=run / "diagnosis" / f"{condition}{suffix}",
        inputs={"network": head.trained, "scores": planned.methods[0].score,
                "videos": lambda: head.videos.samples.digest(*CHANGED)},
        settings={"condition": condition, "seed": head.experiment.seed, "clips": asdict(head.experiment.spec)},
        code=Code.of(PerturbedViews, PERTURBATIONS[condition], extract.extract, scoring.decide),
        packages=NETWORK_PACKAGES,
        make=lambda step, into: _score(run, planned, head, step, into),
        cheap=True,
    )  # fmt: skip


def _score(run: Path, planned: Plan, head: HeadPlan, step: Step, into: Path) -> None:
    """Write the scores table of a run under a condition."""
    samples, names = head.videos.samples, head.videos.listed.classes
    rows = samples.rows(*CHANGED)
    network = head.load()
    clips = PerturbedViews(samples.frames, samples.of(rows), head.experiment.spec, head.experiment.modality,
                           perturbation=step.settings["condition"], seed=head.experiment.seed)  # fmt: skip
    file = step.file.with_name(f"{step.settings['condition']}.npy")
    extract.extract(
        head.machine, network, clips, batch=4 * head.training.batch_size, file=file, into=file, identity=step.identity()
    )
    extract.forget_pieces(file)
    features = np.load(file)
    file.unlink()
    method, learnt = planned.methods[0].method, samples.rows("train")
    if scoring.needs_fit(method):
        trained_on = np.load(head.trained_on.file, mmap_mode="r")
        scoring.fit(method, head.head, trained_on, head.task.targets(learnt, names), names)
    decisions = scoring.decide(method, head.head, features, rows["video"].to_numpy(), names)
    unchanged = tables.read(_scores(run))
    kept = unchanged[~unchanged["role"].isin(CHANGED)]
    tables.write(pd.concat([kept, head.task.table(rows, decisions, names)], ignore_index=True), into)


def _compared(
    run: Path,
    found: Mapping[str, pd.DataFrame],
    settings: Mapping[str, Any],
    draws: int,
    groups: Mapping[str, str] | None = None,
) -> Diagnosis:
    """Compare tables with the original; classes are resampled, or groups where a side has a single class."""
    sides = found[ORIGINAL].groupby("role")["label"].nunique()
    several = min(sides["known"], sides["unknown"]) > 1
    named = {name: [table] for name, table in found.items()}
    comparison = compare(named, draws=draws, groups=None if several else groups)
    changes, notes = _changes(comparison, ORIGINAL), list(comparison.notes)
    evaluated = {name: metrics.evaluate(table, **settings).per_class for name, table in found.items()}
    classes = {name: _moves(evaluated[ORIGINAL], its) for name, its in evaluated.items() if name != ORIGINAL}
    scenes = _by_scene(found[ORIGINAL]) if several else None
    if scenes is not None:
        changes += _changes(compare({name: [table] for name, table in scenes.items()}, draws=draws), MATCHED)
        matched, swapped = (metrics.evaluate(scenes[name], **settings).per_class for name in (MATCHED, SWAPPED))
        classes[SWAPPED] = _moves(matched, swapped)
        notes.append(f"{SWAPPED}: known videos of the split with swapped scenes, against those of the matched one.")
    values = {metric: its.value for metric, its in comparison.entries[ORIGINAL].items()}
    return Diagnosis(run, values, changes, classes, comparison.resampled, notes)


def _changes(comparison: Comparison, original: str) -> list[Change]:
    """Return every metric of every other table, as a change from the original."""
    found = []
    for metric in comparison.metrics:
        pairs = [pair for pair in comparison.pairs if pair.metric == metric and original in (pair.first, pair.second)]
        for pair, adjusted in zip(pairs, holm([pair.p for pair in pairs]), strict=True):
            its, sign = pair.difference, -1 if pair.first == original else 1
            name = pair.second if pair.first == original else pair.first
            low, high = sorted((sign * its.low, sign * its.high))
            value = comparison.entries[name][metric].value
            found.append(Change(name, metric, value, sign * its.value, low, high, float(adjusted)))
    return found


def _moves(original: PerClass, changed: PerClass) -> dict[str, dict[str, dict[str, float]]]:
    """Return side -> class -> column -> by how much more it is on changed videos."""
    return {
        side: {
            name: {column: value - rows[name][column] for column, value in its.items()
                   if isinstance(value, float) and isinstance(rows[name].get(column), float)}
            for name, its in getattr(changed, side).items() if name in rows
        }
        for side, rows in (("known", original.known), ("unknown", original.unknown))
    }  # fmt: skip


def _by_scene(table: pd.DataFrame) -> dict[str, pd.DataFrame] | None:
    """Return the table with the known videos of each scene alone, row by row of one class; None without such splits."""
    known = table[table["role"] == "known"]
    sources = {kind: [its for its in sorted(set(known["source"])) if its.endswith(f"_{kind}")]
               for kind in ("matched", "swapped")}  # fmt: skip
    if any(len(its) != 1 for its in sources.values()):
        return None
    parts = {}
    for name, kind in ((MATCHED, "matched"), (SWAPPED, "swapped")):
        rows = known[known["source"] == sources[kind][0]].sort_values(["label", "video"], kind="stable")
        number = rows.groupby("label").cumcount().astype(str)
        rows = rows.assign(source="scenes", video=rows["label"] + "/" + number)
        parts[name] = pd.concat([table[table["role"] != "known"], rows], ignore_index=True)
    first, second = (sorted(part.loc[part["role"] == "known", "video"]) for part in parts.values())
    return parts if first == second else None


def _scores(run: Path) -> Path:
    found = [run / name for name in ("scores.csv", "scores.csv.gz") if (run / name).is_file()]
    if not found:
        raise OsarbenchError(
            f"{run} is no folder of a method with its scores.csv, such as runs/motion/tsm/dear-0/dear."
        )
    return found[0]
