"""What a report is about: scores tables found in folders, their numbers, and whether they may be compared."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.reports.formats import visible
from osarbench.scores import metrics, table
from osarbench.scores.metrics.outcome import Outcome, outcome
from osarbench.scores.settings import TABLES, facts_of, settings_of


class Result(NamedTuple):
    """One scores table, its numbers, and what is known of its making."""

    name: str  #: of the method; with as many folder names before it as tell it from the others
    file: Path
    rows: pd.DataFrame
    metrics: Mapping[str, Any]  #: what `osarbench.scores.metrics.evaluate` returned
    facts: Mapping[str, Any]  #: protocol, backbone, seed, deviations ..., where they are stated
    #: what the backbone says of the videos of a source and class, means by name; empty if it says nothing
    classes: Mapping[tuple[str, str], Mapping[str, float]] = {}

    @property
    def protocol(self) -> str | None:
        """The name of the protocol, if it is stated."""
        stated = self.facts.get("protocol")
        return str(stated["name"]) if isinstance(stated, dict) and "name" in stated else None

    def outcome(self) -> Outcome:
        """Return the test videos as arrays, with the threshold of `metrics`."""
        settings = self.metrics["settings"]
        learnt = {key: settings[key] for key in ("quantile", "threshold_from", "threshold_rule")}
        return outcome(self.rows, **learnt)


def gather(paths: Sequence[Path]) -> list[Result]:
    """Return a result for every scores table that the paths name: files, or folders of a run.

    Numbers are recomputed with the settings of the ``metrics.json`` next to a table, else those of its protocol
    (if it is the version at hand), else the defaults.

    Raises:
        OsarbenchError: a path does not exist, a folder holds no scores table, or a table is damaged or not sound.
    """
    files: dict[Path, Path] = {}
    for path in paths:
        for file in _tables(path):
            files.setdefault(file.resolve(), file)
    found = list(files.values())
    return [_result(visible(name), file) for name, file in zip(_names(found), found, strict=True)]


def result_of(name: str, rows: pd.DataFrame) -> Result:
    """Return a result of a scores table that is no file, evaluated with the defaults."""
    return Result(visible(name), Path(name), rows, metrics.evaluate(rows), {})


def differences(results: Sequence[Result]) -> list[str]:
    """Return sentences that say why results cannot be compared with the first; none if they can.

    They can if the same videos were tested, in the same roles and under the same labels, and evaluated alike.
    """
    if len({result.protocol for result in results}) > 1:
        stated = ", ".join(f"{result.name}: {result.protocol or 'not stated'}" for result in results)
        found = [f"The tables belong to different protocols ({stated})."]
    else:
        found = []
    if any(result.metrics["settings"] != results[0].metrics["settings"] for result in results):
        found.append("They were evaluated with different settings, which the last section names.")
    first, *others = results
    wanted = _tested(first)
    for other in others:
        there = _tested(other)
        only, too = wanted.keys() - there.keys(), there.keys() - wanted.keys()
        if only or too:
            found.append(
                f"{other.name} and {first.name} were not tested on the same videos: {len(only):,} are in "
                f"{first.name} only, {len(too):,} in {other.name} only."
            )
        if renamed := [key for key in wanted.keys() & there.keys() if wanted[key] != there[key]]:
            found.append(
                f"{other.name} and {first.name} disagree about what {len(renamed):,} videos of one name show, such as "
                f"{'/'.join(min(renamed))}: their rows are in another order, or their annotations differ."
            )
    return found


def _tables(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise OsarbenchError(f"There is no run and no scores table at {path}.")
    own = [path / name for name in TABLES if (path / name).is_file()]
    found = own[:1] or sorted(file for name in TABLES for file in path.rglob(name))
    if not found:
        there = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))[:5]
        raise OsarbenchError(
            f"{path} holds no scores table ({' or '.join(TABLES)}); it holds {', '.join(there) or 'nothing'}. Name a "
            "method's folder of a run that has finished, a folder above it, or a scores table's file."
        )
    return found


def _names(files: Sequence[Path]) -> list[str]:
    """Return the shortest names that tell files apart.

    >>> _names([Path("r/linear-0/dnn/scores.csv"), Path("r/linear-1/dnn/scores.csv"), Path("b/dear-0.csv.gz")])
    ['linear-0/dnn', 'linear-1/dnn', 'dear-0']
    """
    parts = [_parts(file) for file in files]
    lengths = [1] * len(files)
    while True:
        names = ["/".join(part[-length:]) for part, length in zip(parts, lengths, strict=True)]
        longer = [
            length + (names.count(name) > 1 and length < len(part))
            for name, part, length in zip(names, parts, lengths, strict=True)
        ]
        if longer == lengths:
            return names
        lengths = longer


def _parts(file: Path) -> tuple[str, ...]:
    if file.name in TABLES:
        return file.parent.resolve().parts[1:] or (file.name,)
    stem = file.name.removesuffix(".gz").removesuffix(".csv")
    return (*file.parent.resolve().parts[1:], stem)


def _result(name: str, file: Path) -> Result:
    rows = table.read(file)
    facts = facts_of(file)
    try:
        numbers = metrics.evaluate(rows, **settings_of(file, facts))
    except OsarbenchError as error:
        raise OsarbenchError(f"{file}: {error}") from error
    return Result(name, file, rows, numbers, facts, _classes(file.with_name("diagnostics.json")))


def _classes(file: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Return means by source and class of the ``diagnostics.json`` of a run, if there is one."""
    if not file.is_file():
        return {}
    try:
        sources = json.loads(file.read_text(encoding="utf-8"))
        return {
            (source, label): {name: float(mean) for name, mean in means.items()}
            for source, facts in sources.items()
            for label, means in facts.get("classes", {}).items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise OsarbenchError(
            f"{file} is not what a run writes: {str(error)[:200]}. Delete it to leave it out."
        ) from error


def _tested(result: Result) -> dict[tuple[str, str], tuple[str, str]]:
    """Return role and label of the test videos by source and video."""
    rows = result.rows[result.rows["role"].isin(["known", "unknown"])]
    keys = zip(rows["source"], rows["video"], strict=True)
    return dict(zip(keys, zip(rows["role"], rows["label"], strict=True), strict=True))
