"""Names in Markdown: whatever a name holds, a row of a table stays one row, and a name is shown as it is written."""

import re
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from osarbench.reports.formats import visible

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: An underscore within a word is no markup.
_MARKUP = re.compile(r"[\\`*\[\]|~$#!]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def escape(text: str) -> str:
    """Return text that Markdown shows as it is written, in a table too, in one line.

    >>> escape("edl_euc | 99.99 | `run` <b>")
    'edl_euc \\\\| 99.99 \\\\| \\\\`run\\\\` &lt;b&gt;'
    """
    shown = _MARKUP.sub(lambda found: "\\" + found[0], visible(text))
    return re.sub("[&<>]", lambda found: _HTML[found[0]], shown)


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    """Return a Markdown table of cells and headers, each escaped."""
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    return tabulate(cells, headers=[escape(header) for header in headers], tablefmt="github", disable_numparse=True)
