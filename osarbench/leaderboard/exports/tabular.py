"""Boards as CSV, a row an entry, and as LaTeX, a table a protocol and backbone."""

import csv
import io
from collections.abc import Sequence
from itertools import groupby

from osarbench.leaderboard.exports.board import Scored, Standing
from osarbench.reports import text as terminal
from osarbench.reports.latex import escape
from osarbench.scores.metrics.registry import of_block

_KEYS = ("protocol", "protocol_sha256", "backbone", "method", "seed", "evidence")


def to_csv(found: Sequence[Scored]) -> str:
    """Return one row an entry with every number of its videos, as shares; empty where one is undefined."""
    numbers = [metric.name for metric in of_block("videos")]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*_KEYS, *numbers])
    for protocol, entry, its in found:
        facts = [protocol.name, protocol.sha256, entry.backbone, entry.method, entry.seed, entry.tier]
        writer.writerow([*facts, *("" if its.get(name) is None else repr(float(its[name])) for name in numbers)])
    return buffer.getvalue()


def to_latex(rows: Sequence[Standing]) -> str:
    """Return a table for each protocol and backbone, as papers print them: the best number bold, the next underlined.

    Numbers that are printed alike share their mark, and of several best ones none is next. A mark says which number is
    larger, not that the difference is more than chance: `osarbench compare` does.
    """
    preamble = r"% needs \usepackage{booktabs}, \usepackage[T1]{fontenc}, \usepackage{textcomp}"
    parts = [_table(list(its)) for _, its in groupby(rows, key=lambda row: (row.protocol.name, row.backbone))]
    return "\n\n".join([preamble, *parts]) + "\n"


def _table(rows: Sequence[Standing]) -> str:
    columns = terminal.columns()
    marked = [_marked([row.mean(metric.name) for row in rows], metric.sign) for metric in columns]
    lines = []
    for position, row in enumerate(rows):
        cells = [
            _cell(row.mean(metric.name), row.spread(metric.name), marks[position])
            for metric, marks in zip(columns, marked, strict=True)
        ]
        evidence = "" if row.tier == "run" else f" ({row.tier})"
        lines.append(" & ".join([escape(row.method + evidence), str(len(row.seeds)), *cells]) + r" \\")
    heads = " & ".join(["method", "seeds", *(escape(metric.title) for metric in columns)])
    caption = (
        f"{escape(rows[0].protocol.sections.title)}; backbone {escape(rows[0].backbone)}. Percent, mean "
        r"{\scriptsize$\pm$ standard deviation} over seeds; best \textbf{bold}, next \underline{underlined}. "
        f"osarbench protocol {escape(rows[0].protocol.name)}."
    )
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{lr{'r' * len(columns)}}}", r"\toprule", heads + r" \\", r"\midrule", *lines,
        r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ])  # fmt: skip


def _marked(values: Sequence[float | None], sign: int) -> list[str]:
    """Return "best", "next" or nothing for each number, as printed."""
    printed = [None if value is None else sign * round(100 * value, 1) for value in values]
    order = sorted({value for value in printed if value is not None}, reverse=True)
    if not sign or len(printed) < 2 or not order:
        return [""] * len(values)
    alone = printed.count(order[0]) == 1
    second = order[1] if alone and len(order) > 1 else None
    return ["" if value is None else {order[0]: "best", second: "next"}.get(value, "") for value in printed]


def _cell(value: float | None, spread: float | None, mark: str) -> str:
    if value is None:
        return "--"
    number = f"{100 * value:.1f}"
    number = {"best": rf"\textbf{{{number}}}", "next": rf"\underline{{{number}}}"}.get(mark, number)
    return number if spread is None else rf"{number} {{\scriptsize$\pm${100 * spread:.1f}}}"
