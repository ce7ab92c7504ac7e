"""What `osarbench check` is asked to check: plugins by name, files, installed packages, or everything."""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NamedTuple

from osarbench.checks import kit
from osarbench.checks.check import CheckResult, source_line
from osarbench.data.locations import Locations
from osarbench.errors import OsarbenchError, unknown_name
from osarbench.plugins import loading as plugins
from osarbench.plugins.catalogue import catalogue

KINDS = {"method": "methods", "backbone": "backbones", "dataset": "datasets"}


class Target(NamedTuple):
    """One plugin to check."""

    kind: str  #: "method", "backbone" or "dataset"
    name: str
    cls: Any


def find(asked: Sequence[str], kind: str | None = None) -> list[Target]:
    """Return the plugins that names, plugin files and packages name; all that are installed if none is given.

    Raises:
        OsarbenchError: there is none of this name, or a file or package cannot be loaded or offers nothing.
    """
    kinds = tuple(KINDS) if kind is None else (kind,)
    files = [text for text in asked if text.endswith(".py") or Path(text).is_file()]
    loaded = load([Path(file) for file in files], [KINDS[each] for each in kinds if kind or _may_be(each, asked)])
    every = [
        Target(each, name, cls) for each in kinds for name, cls in getattr(loaded, KINDS[each]).items()
    ]  # by kind and name
    if not asked:
        if loaded.broken:
            raise _broken(*next(iter(loaded.broken.items())))
        return every
    found = [target for text in asked for target in _asked(text, every, loaded, kinds, is_file=text in files)]
    return list({(target.kind, target.name): target for target in found}.values())


def load(files: Sequence[Path], kinds: Sequence[str] = plugins.KINDS) -> plugins.Plugins:
    """Load the plugins of some kinds, those of files among them.

    Raises:
        OsarbenchError: as `plugins.load`; and a file raises, named with the line.
    """
    try:
        return plugins.load(kinds, files)
    except OsarbenchError:
        raise
    except Exception as error:
        where = " ".join(getattr(error, "__notes__", []))
        raise OsarbenchError(
            f"A plugin cannot be loaded ({type(error).__name__}: {error}){source_line(error)}. {where}"
        ) from error


def run_checks(target: Target, locations: Locations) -> list[CheckResult]:
    """Return the result of every check on a plugin; a data set is looked for in the user's data folders."""
    if target.kind == "method":
        return kit.check_method(target.cls)
    if target.kind == "backbone":
        return kit.check_backbone(target.cls)
    root = None
    if not target.cls.embedded and (locations.data is not None or target.name in locations.datasets):
        root = locations.dataset(target.name, None, embedded=False)
    return kit.check_dataset(target.cls, root if root is not None and root.is_dir() else None)


def _asked(
    text: str, every: Sequence[Target], loaded: plugins.Plugins, kinds: Sequence[str], *, is_file: bool
) -> list[Target]:
    if is_file:
        file = Path(text).resolve()
        found = [target for target in every if plugins.source(target.cls) == file]
        if not found:
            raise OsarbenchError(f"{text} offers no {' or '.join(kinds)}: its hooks return none.")
        return found
    named = [target for target in every if target.name == text]
    if named:
        return named
    entries = [entry for entry in plugins.installed() if entry.dist and _plain(entry.dist.name) == _plain(text)]
    for title, error in loaded.broken.items():
        if any(f"'{entry.name}' of the package" in title for entry in entries):
            raise _broken(title, error)
    offered = {cls for entry in entries for cls in _offered(entry, kinds)}
    if entries:
        return [target for target in every if target.cls in offered]
    if Path(f"{text}.py").is_file():
        raise OsarbenchError(f"There is no plugin or package '{text}', but a file {text}.py. Name it with its suffix.")
    packages = {entry.dist.name for entry in plugins.installed() if entry.dist}
    raise unknown_name("plugin, plugin file or package", text, [*(target.name for target in every), *packages])


def _may_be(kind: str, asked: Sequence[str]) -> bool:
    """Say whether one of the names may be a plugin of a kind, from source text alone, as loading takes seconds."""
    listed = catalogue()
    kinds_named = [{item.kind for item in listed if text in (item.name, item.origin)} for text in asked]
    return not kinds_named or any(not found or KINDS[kind] in found for found in kinds_named)


def _offered(entry: EntryPoint, kinds: Sequence[str]) -> Iterator[Any]:
    plugin = entry.load()
    for kind in kinds:
        hook = getattr(plugin, f"osarbench_{KINDS[kind]}", None)
        if hook is not None:
            yield from hook()


def _plain(name: str) -> str:
    """Return the name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _broken(title: str, error: Exception) -> OsarbenchError:
    return OsarbenchError(f"The installed plugin {title} cannot be loaded ({type(error).__name__}: {error}).")
