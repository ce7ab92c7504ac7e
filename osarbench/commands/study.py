"""`osarbench study`."""

import json
from pathlib import Path

import click

from osarbench.commands.options import FOLDER


@click.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--method", default="dnn", show_default=True, help="Whose uncertainty calls a video unknown.")
@click.option(
    "--fusion", "weights", default="1,1", show_default=True, metavar="W,W|fit", help="Weights of the streams."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of both networks.")
@click.option("--weights", "pretrained", metavar="FILE|DIR|none|LIBRARY", help="As of `osarbench run`.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the study's; noted as a deviation.")
@click.option("--workers", type=click.IntRange(min=0), help="Loader processes.")
@click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Where results go.")
@click.option("--cache", type=FOLDER, help="Decoded clips and embedded data sets.  [OSARBENCH_CACHE]")
@click.option("--redo", is_flag=True, help="Make again what was made with other settings.")
def study(
    name: str, data: Path | None, method: str, weights: str, seed: int, pretrained: str | None, device: str,
    epochs: int | None, workers: int | None, runs: Path, cache: Path | None, redo: bool,
) -> None:  # fmt: skip
    """Train and compare two networks class by class, alone and fused, on whole videos.

    NAME is frame-vs-3d-motion (minutes), frame-vs-3d (UCF-101 against HMDB-51), or a protocol of your own with two
    [backbones.NAME] sections, the frame network first. What is up to date is reused.
    """
    from osarbench.commands.fuse import parse_weights
    from osarbench.commands.run import weights_path
    from osarbench.data import locations
    from osarbench.protocols import files, protocol
    from osarbench.reports import results, study_page
    from osarbench.reports import study as studies
    from osarbench.run.config import RunConfig
    from osarbench.run.studies import run_study

    file = files.find(name, "study")
    config = RunConfig(
        protocol=str(file), backbone="", methods=(method,), seeds=(seed,), weights=pretrained, device=device,
        epochs=epochs, workers=workers, runs=runs, redo=redo, locations=locations.find(data=data, cache=cache,
                                                                          weights=weights_path(pretrained)),
    )  # fmt: skip
    entries = run_study(config, parse_weights(weights))
    gathered = [its._replace(name=label) for label, entry in entries.items() for its in results.gather([entry.scores])]
    found = studies.study(gathered)
    folder = runs / file.stem
    skipped = json.loads((folder / "skipped.json").read_text(encoding="utf-8"))
    page = study_page.write(found, folder / "study", protocol.read(str(file)).sections.title, skipped)
    for stream, tops in zip(found.streams, found.tops, strict=True):
        shown = "  ".join(f"top-{k} {100 * value:.2f} %" for k, value in tops.items() if value is not None)
        click.echo(f"{stream.name}: {shown}")
    click.echo(f"over {found.videos} known and {len(found.streams[0].unknown)} unknown videos")
    click.echo(page)
