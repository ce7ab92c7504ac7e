"""The command line: parse, call, print. Heavy imports are in the commands, so that help and lists answer at once."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench import __version__
from osarbench.errors import OsarbenchError, did_you_mean, unknown_name

if TYPE_CHECKING:
    from osarbench.run import Entry

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


class _Commands(click.Group):
    """A group that names the nearest command for a misspelt one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"There is no command '{args[0]}'.{did_you_mean(args[0], self.commands)}", ctx
            ) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="osarbench")
def cli() -> None:
    """Benchmark open-set action recognition: know the known actions, and say which videos show none of them."""


@cli.command()
@click.option(
    "--method", "methods", required=True, multiple=True, metavar="NAME[,NAME]", help="Method; repeat for several."
)
@click.option("--backbone", required=True, metavar="NAME", help="Video network.")
@click.option(
    "--protocol", default="motion", show_default=True, metavar="NAME|FILE.toml", help="What is known and unknown."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of weights, order, augmentation."
)
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--weights", metavar="FILE|DIR|none", help="Pretrained weights to start from.  [OSARBENCH_WEIGHTS]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="How many, with DDP.")
@click.option("--precision", metavar="NAME", help="32-true, bf16-mixed, 16-mixed; by default what the device likes.")
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the protocol's; noted as a deviation.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Instead of the protocol's; noted as a deviation.")
@click.option("--workers", type=click.IntRange(min=0), help="Loader processes.")
@click.option("--store", type=click.Choice(["auto", "raw", "none"]), default="auto", show_default=True,
              help="Keep decoded frames, or decode each time.")  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, metavar="METHOD.KEY=VALUE", help="Setting of a method; repeat for several."
)
@click.option("--plugin", "plugin_files", multiple=True, type=FILE, help="Uninstalled plugin file to load as well.")
@click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Where results go.")
@click.option("--cache", type=FOLDER, help="Decoded clips and embedded data sets.  [OSARBENCH_CACHE]")
@click.option("--redo", is_flag=True, help="Make anew what was made with other settings.")
@click.option("--publish", "publish_to", type=FOLDER, is_flag=False, flag_value=Path("leaderboards"),
              help="Add the entries to a leaderboards folder.")  # fmt: skip
def run(
    methods: Sequence[str], settings: Sequence[str], data: Path | None, weights: str | None, cache: Path | None,
    publish_to: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Train, score and evaluate; what stands from an earlier run is reused, an interrupted one goes on."""
    # How long OpenMP threads spin while they wait is read when torch is imported. The default makes everything ten
    # times slower as soon as anything else runs; not to spin costs a small network a third of its speed on idle cores.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from osarbench import places
    from osarbench.bench import Request
    from osarbench.run import run as run_all

    found = places.find(data=data, cache=cache, weights=Path(weights) if weights not in (None, "none") else None)
    names = tuple(dict.fromkeys(name.strip() for text in methods for name in text.split(",") if name.strip()))
    request = Request(
        methods=names, places=found, weights=weights, settings=_settings(settings, names),
        **options | {"plugin_files": tuple(options["plugin_files"])},
    )  # fmt: skip
    entries = run_all(request)
    if not entries:  # of the processes of a distributed run, the first alone has them
        return
    _print_entries(entries)
    if publish_to is not None:
        from osarbench import leaderboard as board

        for entry in entries:
            click.echo(f"published {board.publish(entry.scores, publish_to)}")


@cli.command("list")
@click.argument("kind", required=False, metavar="[datasets|backbones|methods|protocols]")
def list_(kind: str | None) -> None:
    """Show data sets, backbones, methods and protocols, and where each comes from."""
    from osarbench.catalogue import catalogue

    listings = catalogue()
    kinds = ("datasets", "backbones", "methods", "protocols")
    if kind is not None and kind not in kinds:
        raise unknown_name("kind", kind, kinds)
    width = max(len(listing.name) for listing in listings)
    for shown in kinds if kind is None else (kind,):
        click.secho({"datasets": "data sets"}.get(shown, shown), bold=True)
        for listing in listings:
            if listing.kind == shown:
                click.echo(f"  {listing.name:<{width}}  {listing.summary}  [{listing.origin}]")


@cli.group()
def data() -> None:
    """Look at data sets on disk."""


@data.command()
@click.argument("name")
@click.argument("root", type=FOLDER, required=False)
@click.option("--split", "splits", multiple=True, help="Only this split; repeat for several.")
@click.option("--complete", is_flag=True, help="A missing video is a problem, too.")
@click.option("--no-read", is_flag=True, help="Do not open the files.")
@click.option("--json", "json_file", type=FILE, help="Write the full report to this file.")
def check(
    name: str, root: Path | None, splits: Sequence[str], complete: bool, no_read: bool, json_file: Path | None
) -> None:
    """Compare the data set NAME in the folder ROOT with its lists; exits with 1 if a run would be wrong."""
    from osarbench import datacheck, places, plugins

    kind = plugins.load(kinds=("datasets",)).dataset(name)
    dataset = kind(root if root is not None else places.find().dataset(name, None, embedded=kind.embedded))
    dataset.prepare()
    report = datacheck.check(dataset, splits=splits or None, read=not no_read, complete=complete)
    click.echo(datacheck.render(report))
    if json_file is not None:
        json_file.write_text(datacheck.to_json(report), encoding="utf-8")
    sys.exit(0 if report.ok else 1)


@cli.command()
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
    _print_metrics(results)


@cli.command()
@click.argument("folder", type=FOLDER, default=Path("leaderboards"), required=False)
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit with 1 if a page and its files differ.")
def leaderboard(folder: Path, only_check: bool) -> None:
    """Render the Markdown pages of FOLDER (leaderboards/) from the scores tables in it."""
    from osarbench import leaderboard as board
    from osarbench import manifest

    if only_check:
        problems = board.check(folder)
        for problem in problems:
            click.echo(f"osarbench: {problem}", err=True)
        sys.exit(1 if problems else 0)
    for file, text in board.render(folder).items():
        with manifest.replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
        click.echo(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can mend is one message, without traceback, and exit status 1."""
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="osarbench", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("osarbench: interrupted. Run the same command again to go on where it stopped.", err=True)
        sys.exit(130)
    except OsarbenchError as error:
        click.echo(f"osarbench: {error}", err=True)
        sys.exit(1)


def _settings(stated: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    settings: dict[str, dict[str, Any]] = {}
    for text in stated:
        target, equals, value = text.partition("=")
        method, dot, key = target.partition(".")
        if not (equals and dot and key):
            raise OsarbenchError(f"--set {text}: write METHOD.KEY=VALUE, for example --set dear.clamp=20.")
        if method not in methods:
            raise OsarbenchError(f"--set {text}: this run has no method '{method}'.{did_you_mean(method, methods)}")
        settings.setdefault(method, {})[key] = _value(value)
    return settings


def _value(text: str) -> Any:
    """Read a value as TOML does, and anything else as text."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _print_entries(entries: "Sequence[Entry]") -> None:
    _print_metrics({entry.method: entry.metrics for entry in entries})
    for entry in entries:
        click.echo(f"{entry.method}: {entry.folder}/ (scores.csv, metrics.json, scores.png)")


def _print_metrics(results: Mapping[str, Mapping[str, Any]]) -> None:
    from tabulate import tabulate

    from osarbench.report import rows

    headers, lines = rows(results)
    click.echo(tabulate(lines, headers=headers, floatfmt=".2f", missingval="-"))


if __name__ == "__main__":
    main()
