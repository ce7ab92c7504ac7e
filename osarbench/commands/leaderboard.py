"""`osarbench leaderboard`."""

import sys
from pathlib import Path

import click

from osarbench.commands.options import FOLDER


@click.command()
@click.argument("folder", type=FOLDER, default=Path("leaderboards"), required=False)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if a page and its files differ.")
@click.option("--mark-stale", "reason", metavar="REASON", help="Mark entries that were made by code which has changed "
              "since, instead of running them again.")  # fmt: skip
@click.option(
    "--export",
    "form",
    type=click.Choice(["hf", "eee", "croissant", "csv", "latex"]),
    help="Write the entries "
    "in a format of others instead: for the Hugging Face Hub, Every Eval Ever, or Croissant; as CSV or LaTeX.",
)
@click.option("-o", "--output", type=FOLDER, help="Folder for what --export writes.  [default: exports/FORMAT]")
@click.option("--hub-dataset", metavar="OWNER/NAME", help="The Hub's data set of the benchmark, for --export hf.")
def leaderboard(
    folder: Path, only_check: bool, reason: str | None, form: str | None, output: Path | None, hub_dataset: str | None
) -> None:
    """Render the Markdown pages of FOLDER (leaderboards/) from the scores tables in it."""
    from osarbench.artifacts import storage
    from osarbench.errors import OsarbenchError
    from osarbench.leaderboard import pages as board

    if not folder.is_dir():
        raise OsarbenchError(
            f"There is no folder {folder}. Name that of your leaderboards, or publish a first entry in it with "
            "`osarbench run --publish` or `osarbench import --publish`."
        )
    if form is not None:
        from osarbench.leaderboard.exports import writing

        for file in writing.write(folder, form, output or Path("exports", form), hub_dataset=hub_dataset):
            click.echo(file)
        return
    if hub_dataset is not None or output is not None:
        raise OsarbenchError(
            "--output and --hub-dataset belong to --export. Say which format: --export csv, for example."
        )
    if reason is not None:
        for name in board.mark_stale(folder, reason):
            click.echo(f"marked {name}")
    if only_check:
        problems = board.check(folder)
        for problem in problems:
            click.echo(f"osarbench: {problem}", err=True)
        sys.exit(1 if problems else 0)
    for file, text in board.render(folder).items():
        storage.write_text(file, text)
        click.echo(f"rendered {file}")
