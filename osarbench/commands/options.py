"""Types of options and arguments that several commands take."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Type = click.ParamType[tuple[int, ...]]
else:
    _Type = click.ParamType  # older releases of click take no parameter

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

#: Scores tables that a spreadsheet wrote.
DECIMAL = click.option("--decimal", type=click.Choice([".", ","]), default=".",
                       help="Decimal point or comma of the tables' numbers.  [.]")  # fmt: skip

#: More numbers than anybody trains in one run.
_MOST = 10_000


class Numbers(_Type):
    """Whole numbers from 0 on: "0-4", "0,2,5" or both together; in the order in which they are named."""

    name = "numbers"

    def __init__(self, *, every: str | None = None) -> None:
        self.every = every  #: a word that stands for all of them

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers; none for the word that stands for all."""
        if isinstance(value, tuple) or value == self.every:
            return value if isinstance(value, tuple) else ()
        found: list[int] = []
        for part in str(value).split(","):
            named = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*", part)
            if named is None:
                self.fail(f"'{value}' names no numbers: write 0-4, or 0,2,5.", param, ctx)
            first, last = int(named[1]), int(named[2] or named[1])
            if last < first:
                self.fail(f"'{part.strip()}' counts down: write {last}-{first}.", param, ctx)
            if last - first >= _MOST:
                self.fail(f"'{part.strip()}' is {last - first + 1:,} numbers; {_MOST:,} are the most.", param, ctx)
            found += range(first, last + 1)
        return tuple(found)
