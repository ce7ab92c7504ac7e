"""`osarbench check` and `osarbench new`: for those who write plugins."""

import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osarbench.commands.options import FOLDER

if TYPE_CHECKING:
    from osarbench.checks import Verdict

KINDS = ("method", "backbone", "dataset")
COLOURS = {"ok": "green", "failed": "red", "skipped": "yellow"}


@click.command()
@click.argument("plugins", nargs=-1, metavar="[NAME|FILE.py|PACKAGE]...")
@click.option("--kind", type=click.Choice(KINDS), help="Only plugins of this kind.")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("-v", "--verbose", is_flag=True, help="Every promise, not only those that are broken or not tried.")
def check(plugins: Sequence[str], kind: str | None, data: Path | None, verbose: bool) -> None:
    """Test plugins against the promises of their kind: by name, file or package, or all that are installed.

    A method is tried on made-up features of known and unknown videos, a backbone on small clips, a data set on its own
    lists and files. Exits with 1 if a promise is broken.
    """
    from osarbench.checks import targets as subjects
    from osarbench.data import locations as places

    asked = subjects.find(plugins, kind)
    found = places.find(data=data)
    broken = []
    for subject in asked:
        start = time.perf_counter()
        verdicts = subjects.verdicts(subject, found)
        title = f"{subject.kind} {subject.name}"
        failed = _print(title, verdicts, time.perf_counter() - start, every=verbose or len(asked) == 1)
        broken += [title] if failed else []
    if len(asked) > 1:
        click.echo(f"{len(asked) - len(broken)} of {len(asked)} plugins keep their promises.")
    if broken:
        click.echo(f"osarbench: promises are broken by: {', '.join(broken)}", err=True)
        sys.exit(1)


def _print(title: str, verdicts: "Sequence[Verdict]", seconds: float, *, every: bool) -> bool:
    """Print the verdicts on one plugin and return whether one of them is "failed"."""
    counts = {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in COLOURS}
    word = "failed" if counts["failed"] else "ok"
    told = f"{counts['ok']} promises kept, {counts['failed']} broken, {counts['skipped']} not tried in {seconds:.1f} s"
    click.echo(f"{click.style(f'{word:<8}', COLOURS[word])}{title}: {told}")
    width = max(len(verdict.promise) for verdict in verdicts)
    skipped = defaultdict(list)
    for verdict in verdicts:
        if verdict.outcome == "failed" or (every and verdict.outcome == "ok"):
            _line(verdict.outcome, f"{verdict.promise:<{width}}  {verdict.message}".rstrip())
        elif verdict.outcome == "skipped":
            skipped[verdict.message].append(verdict.promise)
    for reason, names in skipped.items():
        _line("skipped", f"{', '.join(names)}: {reason}" if len(names) < 3 else f"{len(names)} promises: {reason}")
    return bool(counts["failed"])


def _line(outcome: str, text: str) -> None:
    click.echo(f"  {click.style(f'{outcome:<8}', COLOURS[outcome])}{text}")


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.argument("folder", type=FOLDER, default=Path(), metavar="[DIR]")
@click.option("--package", is_flag=True, help="A package that can be installed and published, instead of a file.")
def new(kind: str, name: str, folder: Path, package: bool) -> None:
    """Write a plugin that works, with its test, to start from: a method, a backbone or a data set.

    In a clone of osarbench it becomes a built-in plugin; elsewhere a file for `osarbench run --plugin`.
    """
    from osarbench.checks import authoring

    written = authoring.write(kind, name, folder, package=package)
    for file in written.files:
        click.echo(f"wrote {file}")
    for line in written.next_steps:
        click.echo(line)
