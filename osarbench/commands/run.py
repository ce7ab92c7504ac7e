"""`osarbench run`."""

import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench import output
from osarbench.commands.options import FILE, FOLDER, Numbers
from osarbench.commands.plan_text import plan_text
from osarbench.errors import OsarbenchError, explained

if TYPE_CHECKING:
    from osarbench.run.config import RunConfig
    from osarbench.run.run import Entry


def _batch_size(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    if value in (None, "auto"):
        return value
    if not str(value).isdigit() or int(str(value)) < 1:
        raise click.BadParameter(f"'{value}' is neither a number of clips nor 'auto'.", ctx, parameter)
    return int(str(value))


@click.command()
@click.option("--method", "methods", required=True, multiple=True, metavar="NAME[,NAME]",
              help="Method; repeat for several. all-posthoc: every post-hoc score.")  # fmt: skip
@click.option("--backbone", required=True, metavar="NAME", help="Video network.")
@click.option(
    "--protocol", default="motion", show_default=True, metavar="NAME|FILE.toml", help="What is known and unknown."
)
@click.option("--seed", type=click.IntRange(min=0), help="Of weights, order, augmentation.  [0]")
@click.option("--seeds", type=Numbers(), metavar="0-4|0,2,5", help="Several at once: a training each; shown are mean "
              "and spread.")  # fmt: skip
@click.option("--draws", type=Numbers(every="all"), metavar="all|0-4|0,2", default="all", show_default=True,
              help="Draws of classes, of a protocol that has some.")  # fmt: skip
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--weights", metavar="FILE|DIR|none|LIBRARY", help="Pretrained weights to start from; torchvision, timm "
              "or pytorchvideo: downloaded from there.  [OSARBENCH_WEIGHTS]")  # fmt: skip
@click.option("--train", "mode", type=click.Choice(["full", "lora", "attentive", "linear", "none"]),
              help="What is trained: all; adapters; a head on tokens or vectors of the frozen backbone; nothing, with "
              "the classifier of the weights.  [as the protocol says]")  # fmt: skip
@click.option("--no-train", is_flag=True, help="The same as --train none.")
@click.option("--whole-videos", type=click.IntRange(min=1), metavar="STRIDE",
              help="Test on every window of whole videos, so many frames apart (1: every one).")  # fmt: skip
@click.option("--average", type=click.Choice(["logits", "probabilities", "log-probabilities"]),
              help="How these become one: mean, mean, or sum.  [logits]")  # fmt: skip
@click.option("--keep-windows", is_flag=True, help="Keep the logits [T, K] of every window of each test video.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="How many, with DDP.")
@click.option("--precision", metavar="NAME", help="32-true, bf16-mixed, 16-mixed; by default what the device likes.")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the protocol's; noted as a deviation.")
@click.option("--batch-size", callback=_batch_size, metavar="N|auto", help="Instead of the protocol's; noted as a "
              "deviation. auto: the protocol's, halved until it fits the GPU.")  # fmt: skip
@click.option("--compile", is_flag=True, help="Let torch.compile fuse the backbone: slow to start, then faster.")
@click.option("--recompute", is_flag=True, help="Less memory, more time: activations are computed again, not kept.")
@click.option("--workers", type=click.IntRange(min=0), help="Loader processes.")
@click.option("--store", type=click.Choice(["auto", "raw", "jpeg", "none"]), default="auto", show_default=True,
              help="Keep decoded frames, raw or as JPEG, or decode each time.")  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="METHOD.KEY=VALUE", help="Setting of a method; repeat for several."
)
@click.option("--plugin", "plugin_files", multiple=True, type=FILE, help="Uninstalled plugin file to load as well.")
@click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Where results go.")
@click.option("--cache", type=FOLDER, help="Decoded clips and embedded data sets.  [OSARBENCH_CACHE]")
@click.option("--redo", is_flag=True, help="Make again what was made with other settings.")
@click.option("--tracker", type=click.Choice(["wandb", "trackio", "mlflow"]), help="Hand the results to it when the "
              "run is done, besides TensorBoard's files.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be made and reused, and what it would cost; as `plan`.")
@click.option("--publish", "publish_to", type=FOLDER, is_flag=False, flag_value=Path("leaderboards"),
              help="Add the entries to a leaderboards folder.")  # fmt: skip
def run(
    methods: Sequence[str], settings: Sequence[str], data: Path | None, weights: str | None, cache: Path | None,
    publish_to: Path | None, no_train: bool, tracker: str | None, dry_run: bool, seed: int | None,
    seeds: tuple[int, ...] | None, **options: Any,
) -> None:  # fmt: skip
    """Train, score and evaluate; what an earlier run has made is reused, an interrupted run goes on."""
    # How long OpenMP threads spin while they wait is read when torch is imported. The default makes everything ten
    # times slower as soon as anything else runs; not to spin costs a small network a third of its speed on idle cores.
    # Whoever has set either of these knows better.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from osarbench.reports.figures import draw
    from osarbench.run.run import Failed
    from osarbench.run.run import run as run_all

    if seed is not None and seeds is not None:
        raise OsarbenchError("--seed and --seeds are both given. Name all seeds with --seeds, such as --seeds 0-4.")
    given = {
        "seeds": seeds or (seed or 0,),
        "settings": settings,
        "data": data,
        "weights": weights,
        "cache": cache,
        "no_train": no_train,
    }
    config = config_of({**options, **given}, _split(methods), publish=publish_to is not None)
    if dry_run:
        _show_plan(config)
        return
    if tracker is not None:
        from osarbench.run import trackers

        trackers.check(tracker)
    failed: list[Failed] = []
    begin = time.time()
    took: dict[str, float] = {}
    entries = run_all(config, failed=failed, draw=draw, took=took)
    output.shown_only = True
    if entries:  # of the processes of a distributed run, the first alone has them
        _print_results(entries, config)
    if tracker is not None:
        runs = [trackers.tracked(entry.folder, entry.metrics["headline"], _facts(config, entry)) for entry in entries]
        trackers.track(tracker, runs)
    if publish_to is not None:
        from osarbench.leaderboard import entries as entries_of

        for entry in entries:
            click.echo(f"published {entries_of.publish_run(entry.scores, publish_to)}")
    for line in dict.fromkeys(_speeds(entry.folder.parent, begin) for entry in entries):
        click.echo(line, err=True, nl=bool(line))
    if entries:
        click.echo(_took(time.time() - begin, took), err=True)
    for method, error in failed:
        told = error if isinstance(error, OsarbenchError) else explained(error)
        message = str(told) if told is not None else "".join(traceback.format_exception(error))
        click.echo(f"osarbench: the method '{method}' failed: {message.rstrip()}", err=True)
    if failed:
        click.echo(f"osarbench: {len(failed)} of {len(failed) + len(entries)} methods failed.", err=True)
        sys.exit(1)


def config_of(options: Mapping[str, Any], methods: Sequence[str], **more: Any) -> "RunConfig":
    """Return what a run is asked for.

    Args:
        options: of the command `run`, by name, as far as they are known.
        methods: names.
        more: fields of the configuration.
    """
    from osarbench.data import locations
    from osarbench.model.device import launched
    from osarbench.run.config import RunConfig

    if options.get("devices", 1) == 1 and (world := launched()):
        options = {**options, "devices": world}
    own = ("settings", "data", "weights", "cache", "no_train", "plugin_files")
    weights = options.get("weights")
    return RunConfig(
        methods=tuple(methods),
        locations=locations.find(data=options.get("data"), cache=options.get("cache"), weights=weights_path(weights)),
        weights=weights,
        settings=parse_settings(options.get("settings", ())),
        train=not options.get("no_train"),
        plugin_files=tuple(options.get("plugin_files", ())),
        **{key: value for key, value in options.items() if key not in own},
        **more,
    )


def _speeds(folder: Path, begin: float) -> str:
    """Return how fast the network in a folder was trained, the mean of its epochs; nothing if this run trained none."""
    import pandas as pd

    from osarbench.data import locations
    from osarbench.model import speed

    history = folder / "training.csv"
    if not history.is_file() or history.stat().st_mtime < begin:
        return ""
    table = pd.read_csv(history)
    figures = {
        name: float(table[name].mean()) for name in ("read/s", "forward/s", "backward/s", "waiting") if name in table
    }
    line = speed.shown(figures, locations.speed_limits(), colour=sys.stderr.isatty()) if len(figures) == 4 else ""
    return f"{folder.name}: {line}" if line else ""


def _split(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.strip() for text in names for name in text.split(",") if name.strip()))


def _facts(config: "RunConfig", entry: "Entry") -> dict[str, str]:
    """Return what a tracker is told of a result besides its numbers."""
    draw = {} if entry.draw is None else {"draw": str(entry.draw)}
    return {"protocol": config.protocol, "backbone": config.backbone, "seed": str(entry.seed), **draw}


def _took(seconds: float, steps: Mapping[str, float]) -> str:
    """Return how long a run took and where its time went.

    >>> _took(75.2, {"train": 61.0, "extract": 9.5, "score": 0.1})
    'took 1:15 min: train 1:01 min, extract 9.5 s, rest 4.7 s'
    >>> _took(3.1, {})
    'took 3.1 s; everything was there'
    """
    from osarbench.console import duration

    if set(steps) <= {"decode"} and sum(steps.values()) < 1:  # frames that are there are looked up
        return f"took {duration(seconds)}; everything was there"
    parts = {kind: its for kind, its in steps.items() if its >= 0.01 * seconds}
    rest = seconds - sum(parts.values())
    told = [f"{kind} {duration(its)}" for kind, its in [*parts.items(), ("rest", rest)]]
    return f"took {duration(seconds)}: {', '.join(told)}"


def _print_results(entries: "Sequence[Entry]", config: "RunConfig") -> None:
    """Print the numbers of a run, what to expect of them, and where its files are."""
    from tabulate import tabulate

    from osarbench.commands.scores import print_metrics
    from osarbench.protocols import protocol as protocols
    from osarbench.reports import bands, seeds
    from osarbench.scores import table

    if len({(entry.seed, entry.draw) for entry in entries}) == 1:
        print_metrics({entry.folder.name: entry.metrics for entry in entries})
        if config.train:
            as_published = config.epochs is None and config.batch_size is None and config.weights is None
            methods = [its.method for its in entries if as_published and its.method not in config.settings]
            read = protocols.read(config.protocol)
            click.echo("\n" + "\n".join(bands.expectation(read, config.backbone, methods)))
    else:
        cells = [
            seeds.Cell(its.folder.name, its.seed, its.draw, its.metrics, table.read(its.scores)) for its in entries
        ]
        headers, lines = seeds.rows(cells)
        align = ["left", "left", *["right"] * (len(headers) - 2)]
        click.echo(tabulate(lines, headers=headers, disable_numparse=True, colalign=align))
        click.echo("\n" + "\n".join(["Percent.", *seeds.legend(cells)]))
    for entry in entries:
        click.echo(f"{entry.folder.name}: {entry.folder}/ (scores.csv, metrics.json, scores.png)")


def _show_plan(config: "RunConfig") -> None:
    """Print the steps of a run, which are reused and which made, and what that costs; nothing is made."""
    from osarbench.run import costs
    from osarbench.run.run import plan

    planned, _ = plan(config)
    if planned is not None:
        click.echo(plan_text(costs.of(planned)))


#: `osarbench plan`: the options of a run, without those that need one.
plan = click.Command(
    "plan",
    params=[its for its in run.params if its.name not in ("redo", "dry_run", "publish_to", "tracker")],
    callback=lambda **options: run.callback(**options, redo=False, dry_run=True, publish_to=None, tracker=None),  # type: ignore[misc]
    help="Show what a run would make and reuse, and its disk, memory and time, measured on this machine.",
)


def weights_path(weights: str | None) -> Path | None:
    """Return where --weights says that weights are; None if it names a library or none."""
    return None if weights in (None, "none", "torchvision", "timm", "pytorchvideo") else Path(str(weights))


def parse_settings(stated: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the settings of methods that --set states, by method.

    Raises:
        OsarbenchError: one is not METHOD.KEY=VALUE.
    """
    settings: dict[str, dict[str, Any]] = {}
    for text in stated:
        target, equals, value = text.partition("=")
        method, dot, key = target.partition(".")
        if not (equals and dot and key):
            raise OsarbenchError(f"--set {text}: write METHOD.KEY=VALUE, for example --set dear.clamp=20.")
        settings.setdefault(method, {})[key] = _value(value)
    return settings


def _value(text: str) -> Any:
    """Read a value as TOML does, and anything else as text."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
