"""`osarbench import-features` and `osarbench export`: features of other people's networks, and of ours."""

from collections.abc import Sequence
from pathlib import Path

import click

from osarbench.commands.options import FILE, FOLDER


@click.command("import-features")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--protocol", required=True, metavar="NAME|FILE.toml", help="Whose videos they are of.")
@click.option("--name", required=True, help="Stands for the backbone: osarbench run --backbone NAME.")
@click.option("--data", type=FOLDER, help="Folder of the data sets; only their lists are needed.  [OSARBENCH_DATA]")
@click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Where results go.")
@click.option("--cache", type=FOLDER, help="Embedded data sets.  [OSARBENCH_CACHE]")
@click.option("--redo", is_flag=True, help="Replace other features of this name.")
def import_features(
    files: Sequence[Path], protocol: str, name: str, data: Path | None, runs: Path, cache: Path | None, redo: bool
) -> None:
    """Take features of every video of a protocol from FILES, for methods that need no video.

    FILES (.npz, .parquet or .safetensors) hold video [N] (paths below videos/) and features [N, D], or [N, V, D] of V
    views; and may hold source [N], logits [N, K] or [N, V, K], weight [K, D], bias [K], class_names [K].
    """
    from osarbench.data import locations
    from osarbench.run import imported

    found = imported.store(
        files, protocol, name, runs=runs, locations=locations.find(data=data, cache=cache), redo=redo
    )
    head = "with a linear classifier" if found.classifier else "without a classifier"
    click.echo(f"{found.folder}: {found.videos:,} videos, {found.views} views of {found.dim} numbers, {head}")
    mode = " --train none" if found.classifier else ""
    click.echo(f"osarbench run --protocol {protocol} --backbone {name}{mode} --runs {runs} --method all-posthoc")


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("-o", "--output", required=True, type=FILE, help="A file in .npz, .parquet or .safetensors.")
def export(folder: Path, output: Path) -> None:
    """Write the features of a run's head (runs/PROTOCOL/BACKBONE/HEAD-SEED) to a file that import-features takes."""
    from osarbench.run import exporting

    found = exporting.export(folder, output)
    head = "with its linear classifier" if found.classifier else "its head is no linear classifier"
    click.echo(f"{output}: {found.videos:,} videos, {' x '.join(map(str, found.shape))} numbers each, {head}")
    if not found.training:
        click.echo(
            "Without training videos, of which the run has no features, and which import-features asks for: run a "
            "method that learns from them (--method knn), then export again."
        )
