"""`osarbench evaluate`: numbers of scores tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from osarbench.commands.options import FILE


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print every number.")
def evaluate(files: Sequence[Path], as_json: bool) -> None:
    """Compute all metrics of scores tables (scores.csv): no data, no weights, no GPU."""
    import json

    from osarbench import metrics, table

    results = {str(file): metrics.evaluate(table.read(file)) for file in files}
    if as_json:
        click.echo(json.dumps(results, indent=1))
        return
    print_metrics(results)


def print_metrics(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a table of the headline numbers of several results."""
    from tabulate import tabulate

    from osarbench.reports.text import rows

    headers, lines = rows(results)
    click.echo(tabulate(lines, headers=headers, floatfmt=".2f", missingval="-"))
