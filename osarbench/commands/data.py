"""`osarbench data`: look at data sets on disk."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from osarbench.commands.options import FILE, FOLDER


@click.group()
def data() -> None:
    """Look at data sets on disk."""


@data.command()
@click.argument("name")
@click.argument("root", type=FOLDER, required=False)
@click.option("--data", type=FOLDER, help="Folder that contains the data set, instead of ROOT.  [OSARBENCH_DATA]")
@click.option("--split", "splits", multiple=True, help="Only this split; repeat for several.")
@click.option("--complete", is_flag=True, help="A missing video is a problem, too.")
@click.option("--no-read", is_flag=True, help="Do not open the files.")
@click.option("--json", "json_file", type=FILE, help="Write the full report to this file.")
def check(
    name: str, root: Path | None, data: Path | None, splits: Sequence[str], complete: bool, no_read: bool,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Compare the data set NAME in the folder ROOT with its lists; exits with 1 if a run would be wrong."""
    from osarbench.artifacts import storage
    from osarbench.audits import datacheck
    from osarbench.data import locations as places
    from osarbench.plugins import loading as plugins

    kind = plugins.load(kinds=("datasets",)).dataset(name)
    dataset = kind(root if root is not None else places.find(data=data).dataset(name, None, embedded=kind.embedded))
    dataset.prepare()
    report = datacheck.check(dataset, splits=splits or None, read=not no_read, complete=complete)
    click.echo(datacheck.render(report))
    if json_file is not None:
        storage.write_text(json_file, datacheck.to_json(report))
    sys.exit(0 if report.ok else 1)
