"""Types of options and arguments that several commands take."""

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

#: Scores tables that a spreadsheet wrote.
DECIMAL = click.option("--decimal", type=click.Choice([".", ","]), default=".",
                       help="What stands before the decimals of the tables' numbers.  [.]")  # fmt: skip
