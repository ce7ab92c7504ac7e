"""Everything in a folder of runs as one table: what was run, with which numbers, in what time, and what is stale."""

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from osarbench.artifacts import manifest
from osarbench.artifacts.code import digest_again
from osarbench.errors import OsarbenchError, unknown_name
from osarbench.reports.text import SHOWN
from osarbench.scores.metrics import registry
from osarbench.scores.metrics.registry import find
from osarbench.scores.settings import TABLES

#: Where the time goes; a network and its features are shared by the methods next to each other.
STEPS = ("train", "extract", "score")
#: Columns that say what a row is, and what is sorted in which order.
_TEXT = ("protocol", "backbone", "method", "seed", "deviations", "stale")
_LARGEST_FIRST = ("seconds", "made")
COLUMNS = (*_TEXT, *SHOWN, "seconds", "made")


class Row(NamedTuple):
    """One result of a run; None where it is not stated."""

    file: Path  #: its scores table
    protocol: str | None
    backbone: str | None
    method: str  #: with its settings, as its folder is called
    seed: int | None
    deviations: Mapping[str, Any]  #: from the protocol
    stale: tuple[str, ...]  #: why the same run would make it again; empty: it is up to date
    metrics: Mapping[str, float | None]  #: of all known against all unknown test videos, by name
    step_seconds: Mapping[str, float]  #: by step, as far as they were noted
    made: str | None  #: UTC, ISO 8601
    network: str | None  #: sha256, which tells what shares its training

    @property
    def seconds(self) -> float | None:
        """What it took from the decoded videos to the scores; None if nothing was noted."""
        return round(sum(self.step_seconds.values()), 2) if self.step_seconds else None

    def text(self, column: str) -> str:
        """Return a column as text; "-" if it is not stated."""
        if column == "deviations":
            return ", ".join(f"{key} = {value}" for key, value in self.deviations.items()) or "none"
        if column == "stale":
            return "yes" if self.stale else "no"
        value = self.metrics[column] if column in self.metrics else getattr(self, column)
        return "-" if value is None else str(value)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values; metrics are shares."""
        return {
            "file": str(self.file),
            **{column: getattr(self, column) for column in ("protocol", "backbone", "method", "seed")},
            "deviations": dict(self.deviations),
            "stale": list(self.stale),
            **self.metrics,
            "seconds": self.seconds,
            **{f"{step}_seconds": self.step_seconds.get(step) for step in STEPS},
            "made": self.made,
        }


def overview(runs: Path) -> list[Row]:
    """Return a row for each scores table in a folder of runs, by path.

    Raises:
        OsarbenchError: there is no such folder, or no scores table is in it.
    """
    if not runs.is_dir():
        raise OsarbenchError(
            f"There is no folder {runs}. Name the folder of the runs: osarbench results RUNS (`osarbench run` writes "
            "to runs/ of the folder it is called in)."
        )
    files = sorted(file for name in TABLES for file in runs.rglob(name))
    if not files:
        raise OsarbenchError(f"No scores table ({' or '.join(TABLES)}) is in {runs}. Has a run finished?")
    return [_row(file) for file in files]


def chosen(rows: Sequence[Row], conditions: Sequence[str], sort: str | None, *, reverse: bool = False) -> list[Row]:
    """Return the rows that meet all conditions, in order.

    Args:
        rows: of `overview`.
        conditions: "COLUMN=VALUE", where the value may hold the wildcards * and ?.
        sort: a column: metrics by which is best, the longest and the latest first, text by the alphabet.
        reverse: the other way round.

    Raises:
        OsarbenchError: there is no such column, or a condition is none.
    """
    for condition in conditions:
        column, equals, value = condition.partition("=")
        if not equals:
            raise OsarbenchError(f"--where {condition} is not COLUMN=VALUE, for example --where backbone=tsm")
        _check(column)
        rows = [row for row in rows if fnmatchcase(row.text(column), value)]
    if sort is None:
        return list(rows)[:: -1 if reverse else 1]
    _check(sort)
    stated = [row for row in rows if row.text(sort) != "-"]
    unstated = [row for row in rows if row.text(sort) == "-"]  # last, whatever the order
    falling = sort in _LARGEST_FIRST or (sort in SHOWN and find(sort).sign >= 0)
    return [*sorted(stated, key=lambda row: _key(row, sort), reverse=falling != reverse), *unstated]


def _check(column: str) -> None:
    if column not in COLUMNS:
        raise unknown_name("column", column, COLUMNS)


def _key(row: Row, column: str) -> Any:
    if column in SHOWN:
        return row.metrics[column]
    return getattr(row, column) if column in ("seed", "seconds") else row.text(column)


def _row(file: Path) -> Row:
    made = manifest.read(file) or {}
    origin = made.get("origin") or {}
    evaluated = _evaluated(file, made)
    numbers = {} if evaluated is None else json.loads(file.with_name("metrics.json").read_text("utf-8"))["headline"]
    protocol = origin.get("protocol") or {}
    seconds = {
        "train": (origin.get("network") or {}).get("seconds"),
        "extract": (origin.get("features") or {}).get("seconds"),
        "score": made.get("seconds"),
    }
    return Row(
        file=file,
        protocol=protocol.get("name"),
        backbone=origin.get("backbone"),
        method=file.parent.name,
        seed=origin.get("seed"),
        deviations=origin.get("deviations") or {},
        stale=tuple(_stale(file, made, evaluated)),
        metrics={name: numbers.get(name) for name in SHOWN},
        step_seconds={step: float(value) for step, value in seconds.items() if value is not None},
        made=made.get("made"),
        network=(origin.get("network") or {}).get("sha256"),
    )


def _evaluated(file: Path, made: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the manifest of the ``metrics.json`` next to a scores table, None if that is not of this table."""
    written = file.with_name("metrics.json")
    evaluated = manifest.read(written)
    if evaluated is None or evaluated["identity"].get("inputs", {}).get("scores") != made.get("sha256"):
        return None
    return evaluated if manifest.is_intact(written, evaluated) else None


def _stale(file: Path, made: Mapping[str, Any], evaluated: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield why a scores table is not what the same run would make now, as far as that can be seen without running."""
    origin = made.get("origin")
    if not isinstance(origin, Mapping):
        yield "nothing states what it was made from"
        return
    if not manifest.is_intact(file, made):
        yield "scores changed after they were made"
    for step, facts in (origin.get("code") or {}).items():
        if _code_changed(json.dumps(facts)):
            yield f"code of {step} changed"
    for package, stated in (made["identity"].get("versions") or {}).items():
        if _installed(package) not in (None, stated):  # without torch, results can be looked at all the same
            yield f"{package} {stated} replaced by {_installed(package)}"
    protocol = origin.get("protocol") or {}
    if _protocol(str(protocol.get("name"))) not in (None, protocol.get("sha256")):
        yield "protocol changed"
    for name, output in (("network", "network.pt"), ("features", "features.npy")):
        there = manifest.read(file.parent.parent / output)
        if there is not None and there["sha256"] != (origin.get(name) or {}).get("sha256"):
            yield f"{name} replaced"
    if evaluated is None:
        yield "not evaluated"
    elif evaluated["identity"].get("code") != _evaluation_code():
        yield "code of evaluate changed"


@cache
def _code_changed(facts: str) -> bool:
    stated = json.loads(facts)
    return digest_again(stated) not in (None, stated["digest"])


@cache
def _evaluation_code() -> str:
    return registry.code().digest


@cache
def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@cache
def _protocol(name: str) -> str | None:
    """Return the sha256 that a protocol has now; None for one that is somewhere else."""
    from osarbench.protocols import protocol as protocols

    try:
        return protocols.read(name).sha256
    except OsarbenchError:
        return None
