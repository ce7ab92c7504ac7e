"""Entries whose numbers the code at hand would not make any more: found by their code, run again or marked.

A mark is a line in ``stale.toml`` next to the entries of a protocol, with the reason. It says in public that a row was
made by earlier code; a board with a stale row that is not marked does not pass `osarbench leaderboard --check`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from osarbench.artifacts import storage
from osarbench.artifacts.code import digest_again
from osarbench.errors import OsarbenchError
from osarbench.leaderboard.entries import Entry
from osarbench.protocols import strict_toml

MARKS = "stale.toml"
_HEAD = """\
# Entries that were made by code which has changed since, each with the reason. Written by
# `osarbench leaderboard --mark-stale REASON`; a line goes when its entry is run again.
"""


def stale_steps(entry: Entry) -> list[str]:
    """Return the steps (train, extract, score) of an entry whose code has changed since; none of a published file's.

    The code of a plugin from elsewhere is not here, so of its entries only the core's part could be judged, and is not.
    """
    if entry.tier != "run":
        return []
    code = entry.facts.get("code")
    if not isinstance(code, Mapping):
        return ["every step (it does not state its code)"]
    return [name for name, facts in code.items() if digest_again(facts) not in (None, facts["digest"])]


def read_marks(folder: Path) -> dict[str, str]:
    """Return the marks of a protocol's folder: "backbone/method-seed" -> reason.

    Raises:
        OsarbenchError: the file is not what `write_marks` writes.
    """
    file = folder / MARKS
    if not file.is_file():
        return {}
    stated: Any = strict_toml.read(file).get("entries")
    if not isinstance(stated, dict) or not all(isinstance(reason, str) for reason in stated.values()):
        raise OsarbenchError(f'{file} must have one section [entries], with lines "backbone/method-seed" = "reason".')
    return stated


def write_marks(folder: Path, marks: Mapping[str, str]) -> None:
    """Write the marks of a protocol's folder; none: no file."""
    file = folder / MARKS
    if not marks:
        file.unlink(missing_ok=True)
        return
    lines = [f"{json.dumps(name)} = {json.dumps(reason, ensure_ascii=False)}" for name, reason in sorted(marks.items())]
    storage.write_text(file, f"{_HEAD}\n[entries]\n" + "".join(f"{line}\n" for line in lines))


def name_of(entry: Entry) -> str:
    """Return the name of an entry in the marks."""
    return f"{entry.backbone}/{entry.file.name.removesuffix('.csv.gz')}"


def updated_marks(entries: Sequence[Entry], marks: Mapping[str, str], reason: str) -> dict[str, str]:
    """Return the marks of stale entries, old reasons kept; marks of others are dropped."""
    return {name: marks.get(name, reason) for entry in entries if stale_steps(entry) for name in [name_of(entry)]}


def problems(protocol: str, folder: Path, entries: Sequence[Entry], marks: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong: stale entries without a mark, with what to run, and marks without a stale entry."""
    found = {name_of(its): (its, steps) for its in entries if (steps := stale_steps(its))}
    again: dict[tuple[str, int, int | None], list[str]] = defaultdict(list)
    for name, (entry, _) in found.items():
        if name not in marks:
            again[entry.backbone, entry.seed, entry.draw].append(entry.method)
    for (backbone, seed, draw), methods in again.items():
        changed = {step for _, its in found.values() for step in its}
        drawn = "" if draw is None else f" --draws {draw}"
        yield (
            f"{folder}/{backbone}: the code of {', '.join(sorted(changed))} has changed since {', '.join(methods)} "
            f"(seed {seed}) were made. Run again: osarbench run --protocol {protocol} --backbone {backbone} --method "
            f"{','.join(methods)} --seed {seed}{drawn} --publish; or mark them: osarbench leaderboard --mark-stale "
            "REASON"
        )
    for name in sorted(set(marks) - set(found)):
        yield f"{folder / MARKS} marks {name}, which is up to date or gone. Run: osarbench leaderboard --mark-stale -"
