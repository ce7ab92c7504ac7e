"""`osarbench report`: results as one HTML page."""

from collections.abc import Sequence
from pathlib import Path

import click

from osarbench.commands.options import FILE, FOLDER


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=FILE, default=Path("report.html"), show_default=True, help="The page to write.")
@click.option("--figures", "figures_to", type=FOLDER, metavar="DIR", help="Write every figure as a file too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    show_default=True,
    help="Of these figure files.",
)
@click.option(
    "--width",
    type=click.Choice(["page", "column", "text"]),
    default="page",
    show_default=True,
    help="Of these figure files: as on the page, or of one or both columns of a paper (3.25 and 6.875 inches).",
)
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ..., for pictures of videos.  "
              "[OSARBENCH_DATA]")  # fmt: skip
@click.option("--cache", type=FOLDER, help="Embedded data sets.  [OSARBENCH_CACHE]")
def report(
    runs: Sequence[Path],
    output: Path,
    figures_to: Path | None,
    form: str,
    width: str,
    data: Path | None,
    cache: Path | None,
) -> None:
    """Write a page on one or more results: numbers, curves, classes, and the videos on which methods disagree.

    RUN is a method's folder of a run, a folder above it, or a scores table (.csv, .csv.gz). Several are compared, the
    first with each of the others. The page is one file that needs no network.
    """
    from osarbench.artifacts import storage
    from osarbench.data import locations
    from osarbench.reports import figures, page
    from osarbench.reports.build import build

    built = build(runs, locations.find(data=data, cache=cache))
    storage.write_text(output, page.render(built))
    for difference in built.differences:
        click.echo(f"osarbench: {difference}", err=True)
    for path in figures.write(built.figures, figures_to, form=form, width=width) if figures_to else ():
        click.echo(path)
    click.echo(output)
