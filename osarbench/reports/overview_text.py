"""The table of all results of a folder of runs as text: for a terminal, as CSV, LaTeX or JSON."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from tabulate import tabulate

from osarbench import console
from osarbench.reports import latex
from osarbench.reports.formats import visible
from osarbench.reports.overview import COLUMNS, STEPS, Row
from osarbench.reports.text import SHOWN
from osarbench.scores.metrics.registry import find


def as_table(rows: Sequence[Row]) -> str:
    """Return a table for a terminal, in percent, with the reasons of stale rows and where the time went below it."""
    headers = [_header(column) for column in COLUMNS]
    lines = [[visible(_cell(row, column)) for column in COLUMNS] for row in rows]
    aligned = ["right" if _is_numeric(column) else "left" for column in COLUMNS]
    parts = [tabulate(lines, headers=headers, disable_numparse=True, colalign=aligned if lines else None)]
    stale = [f"stale: {visible(str(row.file.parent))}: {', '.join(row.stale)}" for row in rows if row.stale]
    if stale:
        parts.append("\n".join([*stale, "The same `osarbench run` with --redo makes what is stale again."]))
    parts.append(_times(rows))
    return "\n\n".join(parts)


def as_csv(rows: Sequence[Row]) -> str:
    """Return CSV with all that is known of each row; metrics are shares at full precision."""
    buffer = io.StringIO()
    fields = list(rows[0].as_dict()) if rows else list(COLUMNS)
    writer = csv.DictWriter(buffer, fields, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writeheader()
    for row in rows:
        texts = {"deviations": row.text("deviations"), "stale": ", ".join(row.stale)}
        writer.writerow({key: visible(value) if isinstance(value, str) else value
                         for key, value in (row.as_dict() | texts).items()})  # fmt: skip
    return buffer.getvalue().rstrip("\n")


def as_latex(rows: Sequence[Row]) -> str:
    """Return a LaTeX table of what names a row, and its metrics in percent."""
    columns = [column for column in COLUMNS if column not in ("stale", "seconds", "made")]
    lines = [[_cell(row, column) for column in columns] for row in rows]
    return latex.table([_header(column) for column in columns], lines, numeric=[_is_numeric(its) for its in columns])


def as_json(rows: Sequence[Row]) -> str:
    """Return a JSON list with all that is known of each row; metrics are shares at full precision."""
    return json.dumps([row.as_dict() for row in rows], indent=1)


#: What ``--format`` takes.
FORMATS: Mapping[str, Callable[[Sequence[Row]], str]] = {
    "table": as_table,
    "csv": as_csv,
    "latex": as_latex,
    "json": as_json,
}


def _header(column: str) -> str:
    return find(column).title if column in SHOWN else {"seconds": "time", "made": "made (UTC)"}.get(column, column)


def _is_numeric(column: str) -> bool:
    return column in SHOWN or column in ("seed", "seconds")


def _cell(row: Row, column: str) -> str:
    if column in SHOWN:
        value = row.metrics[column]
        return "-" if value is None else f"{100 * value:.2f}"
    if column == "seconds":
        return "-" if row.seconds is None else console.duration(row.seconds)
    if column == "made":
        return "-" if row.made is None else row.made[:16].replace("T", " ")
    return row.text(column)


def _times(rows: Sequence[Row]) -> str:
    """Return where the time of all rows went; what several methods share is counted once."""
    shared = {row.network or str(row.file): row for row in rows}
    sums = {
        step: sum(row.step_seconds.get(step, 0.0) for row in (rows if step == "score" else shared.values()))
        for step in STEPS
    }
    told = ", ".join(f"{step} {console.duration(seconds)}" for step, seconds in sums.items())
    count = "1 result" if len(rows) == 1 else f"{len(rows)} results"
    return f"{count} of {len(shared)} trained network{'s' * (len(shared) != 1)}. Time, decoding not counted: {told}."
