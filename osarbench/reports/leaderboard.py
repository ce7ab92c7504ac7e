"""Stage 7: one entry one file, and Markdown pages that are rendered from these files and checked against them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from tabulate import tabulate

from osarbench import __version__, manifest, metrics, table
from osarbench import protocol as protocols
from osarbench.errors import OsarbenchError
from osarbench.protocol import Protocol
from osarbench.reports.text import COLUMNS


class Published(NamedTuple):
    """One entry of a leaderboard: a scores table and what it was made from."""

    backbone: str
    method: str
    seed: int
    file: Path
    facts: Mapping[str, Any]


def publish(scores: Path, folder: Path) -> Path:
    """Copy a run's scores table to ``<folder>/<protocol>/<backbone>/<method>-<seed>.csv.gz``, its facts beside it.

    Raises:
        OsarbenchError: the run deviates from its protocol, or the protocol file has changed since.
    """
    made = json.loads(manifest.manifest_of(scores).read_text(encoding="utf-8"))
    identity = made["identity"]
    if identity["deviations"]:
        stated = ", ".join(f"{key} = {value}" for key, value in identity["deviations"].items())
        raise OsarbenchError(f"{scores} deviates from its protocol ({stated}), so it cannot enter the leaderboard.")
    name = identity["protocol"]["name"]
    entry: Path = folder / name / identity["backbone"] / f"{scores.parent.name}-{identity['seed']}.csv.gz"
    with manifest.replacing(entry) as temporary:
        table.write(table.read(scores), temporary)
    facts = {
        "protocol": identity["protocol"],
        "backbone": identity["backbone"],
        "method": scores.parent.name,
        "seed": identity["seed"],
        "scores_sha256": manifest.sha256(entry),
        "code": identity["method"]["code"],
        "osarbench": made["osarbench"],
        "versions": made["versions"],
        "made": made["made"],
    }
    with manifest.replacing(entry.with_name(f"{entry.name.removesuffix('.csv.gz')}.json")) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return entry


def render(folder: Path) -> dict[Path, str]:
    """Return the Markdown page of every protocol that has entries, by file.

    Raises:
        OsarbenchError: an entry belongs to another protocol file, or its table is not the one its facts name.
    """
    found = sorted(path for path in folder.glob("*") if path.is_dir() and any(path.glob("*/*.csv.gz")))
    return {folder / f"{path.name}.md": _page(protocols.read(path.name), _entries(path)) for path in found}


def check(folder: Path) -> list[str]:
    """Return what is wrong: a line for each page that is not what its files say."""
    return [
        f"{file} is not what its scores tables say. Run: osarbench leaderboard"
        for file, text in render(folder).items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]


def _entries(folder: Path) -> list[Published]:
    entries = []
    for file in sorted(folder.glob("*/*.csv.gz")):
        facts = json.loads(file.with_name(f"{file.name.removesuffix('.csv.gz')}.json").read_text(encoding="utf-8"))
        if manifest.sha256(file) != facts["scores_sha256"]:
            raise OsarbenchError(f"{file} is not the scores table that its .json names. Publish it again.")
        entries.append(Published(facts["backbone"], facts["method"], facts["seed"], file, facts))
    return entries


def _page(protocol: Protocol, entries: Sequence[Published]) -> str:
    stale = [str(entry.file) for entry in entries if entry.facts["protocol"]["sha256"] != protocol.sha256]
    if stale:
        raise OsarbenchError(f"{stale[0]} was made with another version of the protocol '{protocol.name}'.")
    by_backbone: dict[str, list[Published]] = defaultdict(list)
    for entry in entries:
        by_backbone[entry.backbone].append(entry)
    parts = [f"# {protocol.name}\n\n{protocol.sections.title}.\n"]
    for backbone, members in sorted(by_backbone.items()):
        parts.append(f"## {backbone}\n\n{_table(protocol, members)}\n")
    parts.append(
        "Percent, mean ± standard deviation over seeds where there are several; ↑ higher and ↓ lower is better; sorted "
        "by AUROC. The README says what the columns mean. Rendered by `osarbench leaderboard` from the scores tables "
        f"beside this page, protocol `{protocol.sha256[:12]}`, osarbench {__version__}.\n"
    )
    return "\n".join(parts)


def _table(protocol: Protocol, entries: Sequence[Published]) -> str:
    by_method: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        by_method[entry.method].append(_headline(protocol, entry.file))
    ranked = sorted(by_method.items(), key=lambda item: (-mean(block["auroc"] for block in item[1]), item[0]))
    lines = [[method, len(blocks), *_cells(blocks)] for method, blocks in ranked]
    return tabulate(lines, headers=["method", "seeds", *COLUMNS], tablefmt="github", disable_numparse=True)


def _headline(protocol: Protocol, file: Path) -> dict[str, Any]:
    result = metrics.evaluate(table.read(file), **metrics.settings_of(protocol))
    return dict(result["headline"])


def _cells(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for key in COLUMNS.values():
        values = [100 * block[key] for block in blocks if block[key] is not None]
        if not values:
            yield "-"
        else:
            yield f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")
