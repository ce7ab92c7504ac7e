"""Published tables in their own layout: each number as printed, recomputed, or without a file to recompute it from."""

from collections.abc import Iterator, Mapping
from textwrap import fill

from tabulate import tabulate

from osarbench.published.reproduce import Cell, Reproduction
from osarbench.published.tables import Printed, PublishedTable, Row

WIDTH = 110
NO_FILE = "no file"
#: Two columns of which a publication says that one is larger: what it is found to be is counted.
NEARER = ("uosr_auroc", "auroc")


def tables(published: PublishedTable, result: Reproduction) -> Iterator[str]:
    """Yield every printed table: published, and in brackets recomputed."""
    cells = {(id(cell.row), cell.column): cell for cell in result.cells}
    for printed in published.tables:
        rows = [row for row in published.rows if printed.name in row.tables]
        yield f"\nTable {printed.name} ({printed.title}): published (recomputed)"
        free = [name for name in printed.columns if any(_free(cells, row, name) for row in rows)]
        headers = ["method", *printed.columns, *(f"{name}, any order of ties" for name in free)]
        lines = [[row.method, *_line(printed, row, cells), *(_free(cells, row, name) for name in free)] for row in rows]
        yield tabulate(lines, headers=headers, disable_numparse=True)
        yield from _nearer(printed, rows, cells)
    yield from _without_test(published, result)


def _line(printed: Printed, row: Row, cells: Mapping[tuple[int, str], Cell]) -> Iterator[str]:
    for name in printed.columns:
        cell = cells.get((id(row), name))
        found = NO_FILE if cell is None else f"{cell.recomputed:.3f}"
        yield f"{row.numbers[name]:.2f} ({found})"


def _free(cells: Mapping[tuple[int, str], Cell], row: Row, name: str) -> str:
    cell = cells.get((id(row), name))
    return "" if cell is None or cell.order_free is None else f"{cell.order_free:.3f}"


def _nearer(printed: Printed, rows: list[Row], cells: Mapping[tuple[int, str], Cell]) -> Iterator[str]:
    """Yield the finding of the publication: most scores do better at its task than at the one they were made for."""
    pairs = [[cells.get((id(row), name)) for name in NEARER] for row in rows if set(NEARER) <= set(printed.columns)]
    there = [
        (first.recomputed, second.recomputed) for first, second in pairs if first is not None and second is not None
    ]
    if there:
        count = sum(first > second for first, second in there)
        yield _prose(
            f"Of {len(there)} recomputed rows, {count} have a higher {NEARER[0]} than {NEARER[1]}: their score tells "
            "videos to be refused, wrongly named ones among them, better than unknown ones alone."
        )


def _without_test(published: PublishedTable, result: Reproduction) -> Iterator[str]:
    """Yield the few-shot numbers whose scaling does not look at test videos."""
    rows: dict[int, dict[str, float]] = {}
    methods: dict[int, Row] = {}
    for cell in result.cells:
        if cell.without_test is not None:
            rows.setdefault(id(cell.row), {})[cell.column] = cell.without_test
            methods[id(cell.row)] = cell.row
    if not rows:
        return
    columns = list(dict.fromkeys(name for its in rows.values() for name in its))
    yield "\nThe same few-shot scores, scaled by training videos and shots alone (not published):"
    lines = [
        [methods[key].method, methods[key].shots, *(its.get(name) for name in columns)] for key, its in rows.items()
    ]
    yield tabulate(lines, headers=["method", "shots", *columns], floatfmt=("", "", *[".3f"] * len(columns)))
    yield _prose(
        "As published, distances and softmax scores are scaled to 0 and 1 over the test videos, so that a video's "
        "score depends on the others in the test; here softmax scores are as they are."
    )


def _prose(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
