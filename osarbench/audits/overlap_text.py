"""What `osarbench overlap` prints, and its JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from osarbench.audits.exclusions import ExclusionList
from osarbench.audits.overlap import NOTABLE, Candidate
from osarbench.audits.sweep import METRICS, NONE, RankReversal, Result, rank_reversals
from osarbench.scores.metrics.registry import find

SHOWN = 20  #: candidates in the terminal
VERDICT = "Candidates for manual review, not a verdict: what looks alike need not be the same action."


def render(
    candidates: Sequence[Candidate], results: Sequence[Result], lists: Mapping[str, ExclusionList], protocol: str | None
) -> str:
    """Return candidates, results by list, and which lists reverse their order, for people."""
    parts = ["\n".join(_candidates(candidates, protocol))]
    if lists:
        parts += [*_results(results), "\n".join(_rank_reversals(rank_reversals(results))), "\n".join(_sources(lists))]
        if all(result.removed == 0 for result in results):
            parts.append(
                "The tables have none of the listed classes by name, so no list changes anything. Give an imported "
                "file the names of its classes: osarbench import --unknown-classes NAME|FILE."
            )
    else:
        parts.append("No exclusion lists are known for these unknown classes; give a file of them with --lists.")
    return "\n\n".join(part for part in parts if part)


def to_json(candidates: Sequence[Candidate], results: Sequence[Result], lists: Mapping[str, ExclusionList]) -> str:
    """Return all candidates, lists, results and rank reversals as JSON."""
    content: dict[str, Any] = {
        "verdict": VERDICT,
        "candidates": [candidate._asdict() for candidate in candidates],
        "lists": {name: its._asdict() for name, its in lists.items()},
        "results": [result._asdict() for result in results],
        "rank_reversals": [reversal._asdict() for reversal in rank_reversals(results)],
    }
    return json.dumps(content, indent=1) + "\n"


def _candidates(candidates: Sequence[Candidate], protocol: str | None) -> Iterator[str]:
    notable = [candidate for candidate in candidates if candidate.evidence >= NOTABLE]
    yield f"{len(notable)} of {len(candidates)} unknown classes may repeat a known one."
    yield VERDICT
    if not notable:
        return
    lines = [
        (c.name, f"{c.purity:.2f}", c.most_predicted, f"{c.similarity:.2f}", c.similar_to or "-", c.videos,
         *([c.status or "-"] if protocol else []), ", ".join(c.lists) or "-")
        for c in notable[:SHOWN]
    ]  # fmt: skip
    headers = ["unknown class", "purity", "falls into", "name", "is like", "rows",
               *([protocol] if protocol else []), "in the lists"]  # fmt: skip
    yield "\n" + tabulate(
        lines, headers=headers, disable_numparse=True, maxcolwidths=[None] * (len(headers) - 1) + [40]
    )
    if len(notable) > SHOWN:
        yield f"... and {len(notable) - SHOWN} more (--json FILE has all)"
    new = [c.name for c in notable if not c.status]
    if protocol and new:
        yield f"\nThe protocol '{protocol}' names none of these: {', '.join(new[:SHOWN])}."


def _results(results: Sequence[Result]) -> Iterator[str]:
    """Yield one table of all metrics for one scores table, else one for each metric, side by side."""
    tables = list(dict.fromkeys(result.table for result in results))
    cells = {(result.list, result.table): result for result in results}
    titles = list(dict.fromkeys(result.list for result in results))
    left = [(title, _removed(cells[title, tables[0]]), cells[title, tables[0]].unknown) for title in titles]
    shown = {key: find(key).title for key in METRICS}
    if len(tables) == 1:
        shown["closed_accuracy"] = find("closed_accuracy").title
        rows = [[*start, *(_percent(getattr(cells[start[0], tables[0]], key)) for key in shown)] for start in left]
        yield _table(rows, ["without", "classes", "unknown videos", *shown.values()])
        return
    for key, label in shown.items():
        rows = [[*start, *(_percent(getattr(cells[start[0], table], key)) for table in tables)] for start in left]
        yield _table(rows, [f"{label}  without", "classes", "unknown videos", *tables])
    closed = ", ".join(f"{table} {_percent(cells[NONE, table].closed_accuracy)}" for table in tables)
    yield f"The closed accuracy is the same with every list: {closed}."


def _rank_reversals(found: Sequence[RankReversal]) -> Iterator[str]:
    by_pair: dict[tuple[str, str, str], list[str]] = {}
    for reversal in found:
        by_pair.setdefault((reversal.metric, reversal.better, reversal.worse), []).append(reversal.list)
    if by_pair:
        yield "The order of methods depends on the list (whether by more than chance is not tested here):"
    for (metric, better, worse), titles in by_pair.items():
        yield f"  {find(metric).label}: {better} is before {worse} with all classes, behind without {', '.join(titles)}"


def _sources(lists: Mapping[str, ExclusionList]) -> Iterator[str]:
    width = max(len(name) for name in lists)
    for name, its in lists.items():
        yield f"{name:<{width}}  {its.source}{'  (needs manual review)' if its.needs_review else ''}"


def _removed(result: Result) -> str:
    return str(result.listed) if result.removed == result.listed else f"{result.removed} of {result.listed}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers=headers, disable_numparse=True, colalign=["left", *["right"] * (len(headers) - 1)])
