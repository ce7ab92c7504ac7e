"""`osarbench fuse`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from osarbench.commands.options import FILE, FOLDER
from osarbench.errors import OsarbenchError


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--weights", metavar="W,W...|fit", help="One weight a run; fit: learnt on held-out known videos.  [1 each]"
)
@click.option("--of", type=click.Choice(["logits", "probabilities", "log-probabilities"]), default="logits",
              show_default=True, help="What is weighted and summed.")  # fmt: skip
@click.option("--method", "methods", multiple=True, metavar="NAME[,NAME]",
              help="Method; all-posthoc: every post-hoc score.  [those that all runs were scored with]")  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="METHOD.KEY=VALUE", help="Setting of a method; repeat for several."
)
@click.option("--plugin", "plugin_files", multiple=True, type=FILE, help="Uninstalled plugin file to load as well.")
@click.option("--runs", "into", type=FOLDER, help="Where the entry goes.  [where the first run is]")
@click.option("--redo", is_flag=True, help="Make again what was made with other settings.")
def fuse(
    runs: Sequence[Path], weights: str | None, of: str, methods: Sequence[str], settings: Sequence[str],
    plugin_files: Sequence[Path], into: Path | None, redo: bool,
) -> None:  # fmt: skip
    """Make one entry of several finished runs on the same videos, such as two streams.

    RUN is the folder of a network, RUNS/PROTOCOL/BACKBONE/HEAD-SEED. The views of a video are averaged first. Logits
    are weighted and summed, features stand side by side, so that every post-hoc method works on the entry.
    """
    from osarbench.commands.run import parse_settings
    from osarbench.commands.scores import print_metrics
    from osarbench.reports.figures import draw
    from osarbench.run.fuse import FuseConfig
    from osarbench.run.fuse import fuse as fuse_all

    names = tuple(dict.fromkeys(name.strip() for text in methods for name in text.split(",") if name.strip()))
    config = FuseConfig(
        runs=runs, weights=parse_weights(weights), of=of, methods=names, settings=parse_settings(settings),  # type: ignore[arg-type]
        plugin_files=tuple(plugin_files), into=into, redo=redo,
    )  # fmt: skip
    entries = fuse_all(config, draw=draw)
    print_metrics({entry.folder.name: entry.metrics for entry in entries})
    for entry in entries:
        click.echo(f"{entry.folder.name}: {entry.folder}/ (scores.csv, metrics.json, scores.png)")


def parse_weights(text: str | None) -> "Sequence[float] | Literal['fit']":
    """Return the weights of a fusion; empty: 1 each.

    Raises:
        OsarbenchError: they are no numbers.
    """
    if text is None:
        return ()
    if text == "fit":
        return "fit"
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OsarbenchError(f"--weights {text}: write one number a run, such as 1,1.5, or fit.") from error
