"""What was found in a scores file, and what came of recomputing a paper, for people and as JSON."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any

from tabulate import tabulate

from osarbench.published.findings import Finding
from osarbench.published.reproduce import Cell, Reproduction
from osarbench.published.standings import RankReversal, Standing, order, rank_reversals
from osarbench.published.tables import PublishedTable

#: Differences in points within which numbers are counted.
CLOSE = (0.001, 0.01)
WIDTH = 110


def findings_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, or one that says there is none."""
    lines = [f"  {finding.severity}: {finding.text} {finding.effect}" for finding in findings]
    return "\n".join(lines) or "  nothing found"


def reproduction_text(published: PublishedTable, result: Reproduction, compared: Sequence[Standing]) -> str:
    """Return every number as published and recomputed, and how the order of methods depends on the view."""
    return "\n".join([*_head(published, result), *_cells(published, result), *_standings(compared)])


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
             "difference": recomputed - stated, "plain": plain}
            for row, column, stated, recomputed, plain in result.cells
        ],
        "standings": [
            {**its._asdict(), "rank_reversals": [reversal._asdict() for reversal in rank_reversals(its)]}
            for its in compared
        ],
    }  # fmt: skip
    return json.dumps(value, indent=1) + "\n"


def _head(published: PublishedTable, result: Reproduction) -> Iterator[str]:
    close = {points: sum(abs(cell.off) <= points for cell in result.cells) for points in CLOSE}
    furthest = max(result.cells, key=lambda cell: abs(cell.off))
    reported = sum(len(row.numbers) for row in published.rows) - len(result.cells)
    yield f"{published.title}\n{published.citation}\n"
    yield _prose(
        f"{len(result.cells)} published numbers recomputed from {len(result.files)} files: "
        + "".join(f"{count} within {points} points, " for points, count in close.items())
        + f"the furthest off by {abs(furthest.off):.4f} ({furthest.column} of {furthest.row.method}, "
        f"{furthest.row.protocol}, {furthest.row.training}). {reported} more have no file to recompute them from."
    )
    if result.missing:
        yield _prose("Skipped, for their files are not there: " + ", ".join(result.missing) + ".")


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
