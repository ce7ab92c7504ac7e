"""`osarbench results`: everything in a folder of runs, in one table."""

from collections.abc import Sequence
from pathlib import Path

import click

FORMATS = ("table", "csv", "latex", "json")


@click.command()
@click.argument("runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"))
@click.option("--where", "conditions", multiple=True, metavar="COLUMN=VALUE",
              help="Only these rows; repeat for several conditions. The value may hold * and ?.")  # fmt: skip
@click.option("--sort", metavar="COLUMN", help="Metrics: the best first; seconds and made: the largest; else a to z.  "
              "[by path]")  # fmt: skip
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True,
              help="csv and json have shares at full precision, and the seconds of each step.")  # fmt: skip
def results(runs: Path, conditions: Sequence[str], sort: str | None, reverse: bool, form: str) -> None:
    """Show all results of a folder of runs: what was run, its numbers, its time, and whether it is up to date.

    Columns: protocol, backbone, method, seed, deviations (from the protocol), stale (code, protocol or inputs changed
    since), closed_accuracy, auroc, aupr_unknown, fpr95_unknown_first, oscr, known_accepted, seconds, made.
    """
    from osarbench.reports import overview, overview_text

    rows = overview.chosen(overview.overview(runs), conditions, sort, reverse=reverse)
    click.echo(overview_text.FORMATS[form](rows))
