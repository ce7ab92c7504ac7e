"""Numbers that papers report, with their citation: shown with entries, never ranked among them."""

from collections.abc import Iterator, Sequence

from osarbench.leaderboard import markdown
from osarbench.leaderboard.markdown import escape
from osarbench.published import tables
from osarbench.published.tables import PublishedTable, Row

TRAINING = {"kinetics400": "fine-tuned from Kinetics-400", "scratch": "from scratch"}


def papers(protocol: str) -> list[PublishedTable]:
    """Return the published tables that have rows for a protocol."""
    found = [tables.read(name) for name in tables.names()]
    return [paper for paper in found if any(row.protocol == protocol for row in paper.rows)]


def section(found: Sequence[PublishedTable], protocol: str) -> str:
    """Return the Markdown section with the rows of some papers for a protocol, each paper with its conventions."""
    parts = [
        "## Reported in papers\n\nEvidence **reported**: numbers as printed, in percent unless stated. Other classes "
        "may be excluded and metrics may follow other conventions than those of osarbench, so they are not ranked with "
        "entries.\n"
    ]
    return "\n".join([*parts, *(_paper(paper, protocol) for paper in found)])


def _paper(paper: PublishedTable, protocol: str) -> str:
    rows = [row for row in paper.rows if row.protocol == protocol and row.numbers]
    shown = [column for column in paper.columns if any(column in row.numbers for row in rows)]
    # the spread over draws belongs to its mean
    spreads = {column: f"{column}_std" for column in shown if f"{column}_std" in shown}
    columns = [column for column in shown if column not in spreads.values()]
    # as many digits as the paper prints
    digits = max(len(f"{value}".partition(".")[2]) for row in rows for value in row.numbers.values())
    lines = [[row.backbone, _training(row), _method(row), *_cells(row, columns, spreads, digits)] for row in rows]
    noted = [f"- *{escape(row.method)}* ({escape(row.backbone)}): {row.note}." for row in rows if row.note]
    legend = [f"- *{escape(column)}*: {paper.columns[column]}." for column in columns]
    legend += [f"- *{escape(column)} ±*: {paper.columns[spread]}." for column, spread in spreads.items()]
    table = markdown.table(lines, ["backbone", "training", "method", *map(_arrow, columns)])
    convention = paper.conventions[protocol].text
    explained = "\n".join([*legend, f"- *Videos*: {convention}.", *dict.fromkeys(noted)])
    return f"### {paper.citation}\n\n{table}\n\n{explained}\n\nSource: {paper.source}\n"


def _arrow(column: str) -> str:
    """Return the name of a column with an arrow that says which way is better."""
    return f"{column} {'↓' if column.startswith(('fpr', 'aurc')) else '↑'}"


def _method(row: Row) -> str:
    return row.method + (f" ({row.shots} shot{'s' * (row.shots > 1)})" if row.shots else "")


def _training(row: Row) -> str:
    return TRAINING.get(row.training, row.training)


def _cells(row: Row, columns: Sequence[str], spreads: dict[str, str], digits: int) -> Iterator[str]:
    for column in columns:
        value, spread = row.numbers.get(column), row.numbers.get(spreads.get(column, ""))
        yield "-" if value is None else f"{value:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")
