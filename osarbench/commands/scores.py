"""`osarbench evaluate`: numbers of scores tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench.commands.options import DECIMAL, FILE
from osarbench.errors import OsarbenchError

if TYPE_CHECKING:
    import pandas as pd

    from osarbench.protocols.protocol import Protocol
    from osarbench.scores.metrics.result import Evaluation


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--protocol", metavar="NAME|FILE.toml",
              help="Evaluate as it says, without the classes it excludes.  [what the run or entry states]")  # fmt: skip
@click.option("--threshold-from", type=click.Choice(["calibration", "train"]),
              help="Learn the threshold from held-out or from training videos.  [calibration]")  # fmt: skip
@click.option("--metric", "chosen", multiple=True, metavar="NAME",
              help="Show this metric; may be repeated. 'uosr' stands for those of unified open-set recognition; "
              "`osarbench list metrics` has all.  [the usual ones]")  # fmt: skip
@DECIMAL
@click.option("--json", "as_json", is_flag=True, help="Print every number.")
def evaluate(
    files: Sequence[Path], protocol: str | None, threshold_from: str | None, chosen: Sequence[str], decimal: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Compute all metrics of scores tables (scores.csv): no data, no weights, no GPU.

    Shown are the usual ones, or those of --metric, with their conventions; --json has all.
    """
    import json

    from osarbench.reports import text

    names = text.chosen(chosen)
    results = {str(file): _numbers(file, protocol, threshold_from, decimal) for file in files}
    if as_json:
        click.echo(json.dumps({name: its.as_dict for name, its in results.items()}, indent=1))
        return
    print_metrics(results, names)
    click.echo("\n" + "\n".join(["Percent; --json has every metric.", *text.legend(results, names)]))


def print_metrics(results: Mapping[str, Mapping[str, Any]], names: Sequence[str] | None = None) -> None:
    """Print a table of the headline numbers of several results: the named metrics, or the usual ones."""
    from tabulate import tabulate

    from osarbench.reports.text import SHOWN, rows

    headers, lines = rows(results, names or SHOWN)
    align = ["left", "left", *["decimal"] * (len(headers) - 2)]
    click.echo(tabulate(lines, headers=headers, disable_numparse=True, colalign=align))


def _numbers(file: Path, protocol: str | None, threshold_from: str | None, decimal: str) -> "Evaluation":
    """Return the metrics of a table under a named protocol, or as its run or entry states, or by default."""
    from osarbench.scores import metrics, spelling, table
    from osarbench.scores.settings import settings_of

    rows = table.read(file, decimal=decimal)
    for finding in spelling.findings(rows):
        click.echo(f"osarbench: {file}: {finding}", err=True)
    try:
        if protocol is None:
            settings = settings_of(file)
        else:
            from osarbench.protocols import protocol as protocols

            read = protocols.read(protocol)
            rows, settings = _of_protocol(file, rows, read), metrics.settings_of(read)
        chosen = {} if threshold_from is None else {"threshold_from": threshold_from}
        return metrics.evaluate(rows, **{**settings, **chosen})
    except OsarbenchError as error:
        raise OsarbenchError(f"{file}: {error}") from error


def _of_protocol(file: Path, rows: "pd.DataFrame", protocol: "Protocol") -> "pd.DataFrame":
    """Return the rows without excluded unknown classes, which are reported; all classes must be the protocol's."""
    from osarbench.audits import overlap

    kept, excluded = overlap.without_excluded(rows, protocol)
    if len(excluded):
        click.echo(
            f"osarbench: {file}: {len(excluded):,} videos of {excluded['label'].nunique()} unknown classes that the "
            f"protocol '{protocol.name}' excludes are left out.",
            err=True,
        )
    return kept
