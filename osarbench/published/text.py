"""What was found in a scores file, and what came of recomputing a paper, for people and as JSON."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any

from tabulate import tabulate

from osarbench.published import table_text
from osarbench.published.findings import Finding
from osarbench.published.reproduce import Cell, Reproduction
from osarbench.published.scores import Scores
from osarbench.published.standings import RankReversal, Standing, order, rank_reversals
from osarbench.published.tables import PublishedTable, Row
from osarbench.published.test_sets import guess

#: Differences in points within which numbers are counted.
CLOSE = (0.001, 0.01)
WIDTH = 110


def findings_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, or one that says there is none."""
    lines = [f"  {finding.severity}: {finding.text} {finding.effect}" for finding in findings]
    return "\n".join(lines) or "  nothing found"


def reproduction_text(published: PublishedTable, result: Reproduction, compared: Sequence[Standing]) -> str:
    """Return every number as published and recomputed, and how the order of methods depends on the view."""
    cells = _tables(published, result) if published.tables else _cells(published, result)
    return "\n".join([*_head(published, result), *cells, *_standings(compared)])


def reproduction_json(published: PublishedTable, result: Reproduction, compared: Sequence[Standing]) -> str:
    """Return the same with every digit."""
    value: dict[str, Any] = {
        "name": published.name,
        "citation": published.citation,
        "source": published.source,
        "columns": dict(published.columns),
        "conventions": {name: its.text for name, its in published.conventions.items()},
        "missing": result.missing,
        "cells": [
            {"protocol": row.protocol, "backbone": row.backbone, "training": row.training, "method": row.method,
             "file": row.file, "column": column, "published": stated, "recomputed": recomputed,
             "difference": cell.off, "plain": cell.plain, "order_free": cell.order_free,
             "without_test": cell.without_test, **_where(row)}
            for cell in result.cells
            for row, column, stated, recomputed, *_ in [cell]
        ],
        "not_recomputed": [
            {"protocol": row.protocol, "backbone": row.backbone, "training": row.training, "method": row.method,
             "file": row.file, "column": column, "published": stated, "reason": reason, **_where(row)}
            for row, column, stated, reason in absent(published, result)
        ],
        "standings": [
            {**its._asdict(), "rank_reversals": [reversal._asdict() for reversal in rank_reversals(its)]}
            for its in compared
        ],
    }  # fmt: skip
    return json.dumps(value, indent=1) + "\n"


def absent(published: PublishedTable, result: Reproduction) -> Iterator[tuple[Row, str, float, str]]:
    """Yield the numbers that were not recomputed: row, column, published number, and why."""
    done = {(id(cell.row), cell.column) for cell in result.cells}
    for row in published.rows:
        for column, stated in row.numbers.items():
            if (id(row), column) not in done:
                lacking = row.file is None or row.file in result.missing
                reason = "no file is published" if row.file is None else f"{row.file} is not there"
                yield row, column, stated, reason if lacking else "the file does not hold what it needs"


def _where(row: Row) -> dict[str, Any]:
    """Return the printed tables that a row stands in, and its shots, where the publication has such."""
    return ({"tables": list(row.tables)} if row.tables else {}) | ({"shots": row.shots} if row.shots else {})


def _tables(published: PublishedTable, result: Reproduction) -> Iterator[str]:
    for convention in published.conventions.values():
        yield "\n" + _prose(f"As published: {convention.text}.")
    yield from table_text.tables(published, result)
    yield ""
    for column, text in published.columns.items():
        yield _prose(f"{column}: {text}.")


def _head(published: PublishedTable, result: Reproduction) -> Iterator[str]:
    close = {points: sum(abs(cell.off) <= points for cell in result.cells) for points in CLOSE}
    furthest = max(result.cells, key=lambda cell: abs(cell.off))
    reported = sum(len(row.numbers) for row in published.rows) - len(result.cells)
    yield f"{published.title}\n{published.citation}\n"
    yield _prose(
        f"{len(result.cells)} published numbers recomputed from {len(result.files) + len(result.few_shot)} files: "
        + "".join(f"{count} within {points} points, " for points, count in close.items())
        + f"the furthest off by {abs(furthest.off):.4f} ({furthest.column} of {furthest.row.method}, "
        f"{furthest.row.protocol}, {furthest.row.training}). {reported} more have no file to recompute them from."
    )
    padded = [name for name, scores in result.files.items() if _surplus(scores)]
    if padded:
        yield _prose(
            f"{len(padded)} of the files, {padded[0]} the first, hold more rows than the test sets have videos, "
            "because a distributed sampler repeats some. As published, these count; osarbench import --check-only "
            "FILE names them, and how much they change."
        )
    if result.missing:
        yield _prose("Skipped, for their files are not there: " + ", ".join(result.missing) + ".")


def _surplus(scores: Scores) -> bool:
    """Say whether a file has more rows than the test set that its classes are of."""
    sets = [(part, guess(part)) for part in (scores.known, scores.unknown)]
    return any(its is not None and len(part.labels) > its.rows for part, its in sets)


def _cells(published: PublishedTable, result: Reproduction) -> Iterator[str]:
    for protocol, cells in groupby(result.cells, key=lambda cell: cell.row.protocol):
        yield "\n" + _prose(f"{protocol}, percent. As published: {published.conventions[protocol].text}.")
        lines = [_line(cell) for cell in cells]
        headers = ["backbone", "training", "method", "number", "published", "recomputed", "difference", "plain"]
        yield tabulate(lines, headers=headers, floatfmt=("", "", "", "", "g", ".3f", "+.4f", ".3f"), missingval="-")
    shown = dict.fromkeys(cell.column for cell in result.cells)
    yield "\n" + "\n".join(_prose(f"{column}: {published.columns[column]}.") for column in shown)
    yield "plain: all rows and classes of the file at once, over all thresholds (for open_set_auc, the AUROC)."


def _line(cell: Cell) -> list[Any]:
    row = cell.row
    return [row.backbone, row.training, row.method, cell.column, cell.published, cell.recomputed, cell.off, cell.plain]


def _standings(compared: Sequence[Standing]) -> Iterator[str]:
    for standing in compared:
        methods = order(standing, standing.reference)
        reversals = {reversal.view: reversal for reversal in rank_reversals(standing)}
        lines = [
            [
                view,
                *(values.get(method) for method in methods),
                f"{len(reversals[view].pairs)} of {reversals[view].compared}" if view in reversals else "",
            ]
            for view, values in standing.values.items()
        ]
        yield f"\nThe same files in other views: {standing.protocol}, {standing.backbone}, {standing.training}."
        yield tabulate(lines, headers=["", *methods, "reversed pairs"], floatfmt=".2f", missingval="-")
        yield from _orders(standing)
    if compared:
        yield "\n" + _prose(
            "FPR95 counts known videos at the first threshold that rejects 95 % of the unknown (lower is better). A "
            "threshold that accepts 95 % of the known TEST videos is a diagnosis: nobody could choose it beforehand. "
            "Whether a reversal is more than chance takes a paired test on the same videos: osarbench compare."
        )


def _orders(standing: Standing) -> Iterator[str]:
    """Yield the order of methods in each view; views that agree share a line."""
    views: dict[str, list[RankReversal]] = {}
    for reversal in rank_reversals(standing):
        views.setdefault(", ".join(reversal.order), []).append(reversal)
    yield _prose(f"{standing.reference}: {', '.join(order(standing, standing.reference))}.")
    for methods, its in views.items():
        pairs = ", ".join(f"{better} before {worse}" for better, worse in its[0].pairs)
        whole = len(its[0].pairs) == its[0].compared
        what = " The whole order is reversed." if whole else f" Reversed: {pairs}." if pairs else ""
        yield _prose(f"{'; '.join(reversal.view for reversal in its)}: {methods}.{what}")


def _prose(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
