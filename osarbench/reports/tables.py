"""A table of a page as plain values, which ``templates/macros.html`` turns into markup."""

from collections.abc import Sequence
from typing import Literal, NamedTuple


class Column(NamedTuple):
    """A column: its title, whether it holds numbers, and its tooltip."""

    title: str
    numeric: bool = False
    hint: str | None = None


class Cell(NamedTuple):
    """What one cell shows; its text is escaped where it becomes markup."""

    text: str
    position: int | None = None  #: of the result whose colour the cell takes: for its bar, else a patch before its name
    share: float | None = None  #: length of a bar below the text, 0 to 1
    look: Literal["plain", "strong", "warn", "code"] = "plain"


class Table(NamedTuple):
    """A table; the first cell of a row is the row's header."""

    label: str  #: what it shows, for screen readers
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    groups: Sequence[tuple[str, int]] = ()  #: a first row of headers: title and number of columns


def cells(*texts: str) -> list[Cell]:
    """Return plain cells."""
    return [Cell(text) for text in texts]
