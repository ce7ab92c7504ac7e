"""`osarbench check` and `osarbench new`: for authors of plugins."""

import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osarbench.commands.options import FOLDER

if TYPE_CHECKING:
    from osarbench.checks import CheckResult

KINDS = ("method", "backbone", "dataset")
COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


@click.command()
@click.argument("plugins", nargs=-1, metavar="[NAME|FILE.py|PACKAGE]...")
@click.option("--kind", type=click.Choice(KINDS), help="Only plugins of this kind.")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("-v", "--verbose", is_flag=True, help="Show every check, not only those that failed or were skipped.")
def check(plugins: Sequence[str], kind: str | None, data: Path | None, verbose: bool) -> None:
    """Run the checks of plugins: by name, file or package, or of all that are installed.

    A method is tested on synthetic features of known and unknown videos, a backbone on small clips, a data set on its
    own lists and files. Exits with 1 if a check fails.
    """
    from osarbench.checks import targets
    from osarbench.data import locations

    chosen = targets.find(plugins, kind)
    found = locations.find(data=data)
    failed = []
    for target in chosen:
        start = time.perf_counter()
        results = targets.run_checks(target, found)
        title = f"{target.kind} {target.name}"
        if _print(title, results, time.perf_counter() - start, every=verbose or len(chosen) == 1):
            failed.append(title)
    if len(chosen) > 1:
        click.echo(f"{len(chosen) - len(failed)} of {len(chosen)} plugins pass their checks.")
    if failed:
        click.echo(f"osarbench: failed checks: {', '.join(failed)}", err=True)
        sys.exit(1)


def _print(title: str, results: "Sequence[CheckResult]", seconds: float, *, every: bool) -> bool:
    """Print the results of one plugin and return whether one of them is "failed"."""
    counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in COLOURS}
    word = "failed" if counts["failed"] else "ok"
    summary = f"{counts['ok']} passed, {counts['failed']} failed, {counts['skipped']} skipped in {seconds:.1f} s"
    click.echo(f"{click.style(f'{word:<8}', COLOURS[word])}{title}: {summary}")
    width = max(len(result.check) for result in results)
    skipped = defaultdict(list)
    for result in results:
        if result.outcome == "failed" or (every and result.outcome == "ok"):
            _line(result.outcome, f"{result.check:<{width}}  {result.message}".rstrip())
        elif result.outcome == "skipped":
            skipped[result.message].append(result.check)
    for reason, names in skipped.items():
        _line("skipped", f"{', '.join(names)}: {reason}" if len(names) < 3 else f"{len(names)} checks: {reason}")
    return bool(counts["failed"])


def _line(outcome: str, text: str) -> None:
    click.echo(f"  {click.style(f'{outcome:<8}', COLOURS[outcome])}{text}")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.argument("folder", type=FOLDER, default=Path(), metavar="[DIR]")
@click.option("--package", is_flag=True, help="An installable package instead of a file.")
def new(kind: str, name: str, folder: Path, package: bool) -> None:
    """Write a working plugin, with its test, to start from: a method, a backbone or a data set.

    In a clone of osarbench it becomes a built-in plugin; elsewhere a file for `osarbench run --plugin`.
    """
    from osarbench.checks import authoring

    written = authoring.write(kind, name, folder, package=package)
    for file in written.files:
        click.echo(f"wrote {file}")
    for line in written.next_steps:
        click.echo(line)
