"""`osarbench cite`: the references of a result, as BibTeX."""

from collections.abc import Sequence
from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
def cite(runs: Sequence[str]) -> None:
    """Print what to cite of results, as BibTeX: their methods, backbone and data sets.

    RUN is a method's folder of a run, a folder above it, an entry of a leaderboard, or the name of a plugin. What
    states no reference is named on standard error.
    """
    from osarbench.plugins import citations

    found = []
    for kind, name in dict.fromkeys(plugin for run in runs for plugin in _plugins(run)):
        references = citations.of_plugin(kind, name)
        if not references:
            click.echo(f"osarbench: {_WORDS[kind]} {name} states no reference.", err=True)
        found += references
    if found:
        click.echo(citations.bibliography(found))


_WORDS = {"methods": "the method", "backbones": "the backbone", "datasets": "the data set"}


def _plugins(run: str) -> list[tuple[str, str]]:
    """Return the plugins that a path or a name stands for, by kind and name."""
    from osarbench.errors import OsarbenchError, unknown_name
    from osarbench.plugins.catalogue import catalogue

    path = Path(run)
    if not path.exists():
        listed = [(item.kind, item.name) for item in catalogue() if item.kind in _WORDS]
        named = [plugin for plugin in listed if plugin[1] == run]
        if not named:
            raise unknown_name("result, or plugin", run, [name for _, name in listed])
        return named
    files = [path] if path.is_file() else sorted({*path.rglob("scores.csv"), *path.rglob("*.csv.gz")})
    found = [plugin for file in files for plugin in _of_table(file)]
    if not found:
        raise OsarbenchError(
            f"{run} holds no scores table that says what it was made by. Name the folder of a run, or a plugin."
        )
    return found


def _of_table(file: Path) -> list[tuple[str, str]]:
    from osarbench.scores.settings import TABLES, facts_of

    facts = facts_of(file)
    if "backbone" not in facts:
        return []
    method = str(facts.get("method") or (file.parent.name if file.name in TABLES else ""))
    protocol = dict(facts.get("protocol") or {}).get("name")
    return [("methods", method), ("backbones", str(facts["backbone"])), *_datasets(str(protocol))]


def _datasets(protocol: str) -> list[tuple[str, str]]:
    from osarbench.errors import OsarbenchError
    from osarbench.protocols import protocol as protocols

    try:
        sections = protocols.read(protocol).sections
    except OsarbenchError:  # somebody's own protocol, whose file is elsewhere
        return []
    return [("datasets", name) for name in (sections.known.dataset, *(one.dataset for one in sections.unknown))]
