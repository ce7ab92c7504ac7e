"""The source files that a plugin is made of: its own, and what these import from its folder, package and distribution.

They are read, not run.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from pathlib import Path
from typing import NamedTuple

BUILTIN = "osarbench_plugins"
CORE = ("osarbench", "osarbench_benchmarks")  #: not a part of any plugin


class _Module(NamedTuple):
    """A source file under the name that it is imported by."""

    name: str
    file: Path

    @property
    def package(self) -> str:
        """The package that relative imports start from; empty for a module outside packages."""
        return self.name if self.file.name == "__init__.py" else self.name.rpartition(".")[0]


def installed() -> list[EntryPoint]:
    """Return the entry points of other packages, in a fixed order."""
    return sorted(entry_points(group="osarbench"), key=lambda entry: (entry.name, entry.value))


def source(plugin: type) -> Path | None:
    """Return the file that a plugin class is written in."""
    file = getattr(sys.modules.get(plugin.__module__), "__file__", None)
    return None if file is None else Path(file).resolve()


def code_files(plugin: type) -> list[Path]:
    """Return the source files a plugin class is made of: those of it and its bases, and all that these import.

    Imports are read from the source, wherever they are: at the top, inside functions, relative or not, and by
    ``importlib.import_module`` with a constant name. They are followed into the plugin's folder and package, into what
    else its distribution installs, into other plugins, and into any other source that no installed distribution owns.
    The core and libraries are not followed, nor is what only a type checker imports.
    """
    own = source(plugin)
    if own is None:
        return []
    todo = [_Module(plugin.__module__, own)]
    for base in plugin.__mro__:
        file = source(base)
        if file is not None and _is_own(base.__module__, file, own.parent):
            todo.append(_Module(base.__module__, file))
    found: dict[Path, None] = {}
    while todo:
        module = todo.pop()
        if module.file in found:
            continue
        found[module.file] = None
        if module.file.suffix == ".py":
            for name in _imports(module.file, module.file.stat().st_mtime_ns, module.package):
                todo += _modules(name, own.parent)
    return sorted(found)


def _modules(name: str, folder: Path) -> Iterator[_Module]:
    """Yield the source files that an import of a dotted name runs: packages on the way to it, and itself."""
    parts = name.split(".")
    places = [path for path in _places(parts[0], folder) if _is_own(parts[0], path, folder)]
    for depth, part in enumerate(parts):
        if depth:
            places = [its for path in places if path.is_dir() for its in _at(path, part)]
        for path in places:
            file = path / "__init__.py" if path.is_dir() else path
            if file.is_file():
                yield _Module(".".join(parts[: depth + 1]), file.resolve())


def _places(top: str, folder: Path) -> list[Path]:
    """Return where a top-level module is, its file or its folders: as it is loaded, else as it would be."""
    if top in CORE or top in sys.stdlib_module_names:
        return []
    module = sys.modules.get(top)
    spec = getattr(module, "__spec__", None)
    if spec is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
    if spec is None:  # a folder that the plugin puts on the path when it needs it
        return _at(folder, top)
    if spec.submodule_search_locations is not None:
        return [Path(path) for path in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.has_location and spec.origin else []


def _at(folder: Path, part: str) -> list[Path]:
    """Return the package or module of a name in a folder, as Python would choose."""
    package, module = folder / part, folder / f"{part}.py"
    if (package / "__init__.py").is_file():
        return [package]
    if module.is_file():
        return [module]
    extensions = sorted(folder.glob(f"{part}.*.so"))
    return extensions[:1] or ([package] if package.is_dir() else [])


def _is_own(name: str, path: Path, folder: Path) -> bool:
    """Whether a module is a plugin's: by its name, by being in the plugin's folder, or because it is no library."""
    top = name.split(".")[0]
    if top in CORE or top in sys.stdlib_module_names:
        return False
    if top in _of_plugins():
        return True
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return path.resolve().is_relative_to(folder) or top not in _of_distributions()


@lru_cache(maxsize=1)
def _of_plugins() -> set[str]:
    """Return the top-level names of plugins: the built-in ones, and all that a distribution with plugins installs."""
    names = {BUILTIN}
    for entry in installed():
        names.add(entry.module.split(".")[0])
        if entry.dist is not None:
            names |= set((entry.dist.read_text("top_level.txt") or "").split())
    return names


@lru_cache(maxsize=1)
def _of_distributions() -> frozenset[str]:
    return frozenset(packages_distributions())


@lru_cache(maxsize=4096)
def _imports(file: Path, modified: int, package: str) -> tuple[str, ...]:
    """Return the absolute names that a source file imports; of ``from a import b``, ``a.b`` too, if it is a module."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # never loaded, or it would not be here
        return ()
    return tuple(dict.fromkeys(name for node in _executed(tree) for name in _named(node, package)))


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes of a module, without what is under ``if TYPE_CHECKING``."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and _last_name(node.test) == "TYPE_CHECKING":
            todo += node.orelse
        else:
            todo += ast.iter_child_nodes(node)


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _named(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), package)
        if base:
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and _last_name(node.func) in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield from filter(None, [_absolute(first.value, package)])


def _absolute(name: str, package: str) -> str:
    """Return a name without leading dots; nothing where these lead out of the package.

    >>> _absolute("..b", "a.c.d"), _absolute("x.y", ""), _absolute(".b", "")
    ('a.c.b', 'x.y', '')
    """
    bare = name.lstrip(".")
    level = len(name) - len(bare)
    if not level:
        return bare
    parts = package.split(".")[: len(package.split(".")) - level + 1] if package else []
    return ".".join([*parts, *filter(None, [bare])]) if parts else ""
