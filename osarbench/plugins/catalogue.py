"""What there is, read from source text alone: `osarbench list` answers without importing torch or a plugin."""

import ast
import importlib.util
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple

from osarbench.plugins import loading as plugins
from osarbench.protocols import files as benchmark_files


class Listing(NamedTuple):
    """One line of `osarbench list`."""

    kind: str  #: one of `loading.KINDS`, or "protocols"
    name: str
    summary: str  #: one line
    origin: str  #: "built-in", or the package or file it comes from


def catalogue() -> list[Listing]:
    """Return every plugin and protocol, by kind and name."""
    found: list[Listing] = []
    folder = plugins.builtin_folder()
    for module in plugins.builtin_modules():
        _, kind, stem = module.split(".")
        found += plugins_in(folder / kind / f"{stem}.py", "built-in")
    for entry in plugins.installed():
        found += _installed(entry)
    for name, file in benchmark_files.shipped().items():
        found.append(Listing("protocols", name, _title(file), "built-in"))
    order = (*plugins.KINDS, "protocols")
    return sorted(found, key=lambda listing: (order.index(listing.kind), listing.name))


def plugins_in(file: Path, origin: str) -> Iterator[Listing]:
    """Yield what a plugin file offers: the classes its hooks return, by the `name` in their body."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    offered = [(kind, cls) for kind, names in _hooks(tree) for cls in names if cls in classes]
    for kind, cls in offered:
        docstring = ast.get_docstring(tree) if len(offered) == 1 else None
        summary = (docstring or ast.get_docstring(classes[cls]) or "").split("\n")[0]
        yield Listing(kind, _class_name(classes[cls]) or cls, summary, origin)


def _hooks(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.removeprefix("osarbench_") in plugins.KINDS:
            returned = [value for value in ast.walk(node) if isinstance(value, ast.Return)]
            names = [item.id for item in ast.walk(returned[-1]) if isinstance(item, ast.Name)] if returned else []
            yield node.name.removeprefix("osarbench_"), names


def _class_name(cls: ast.ClassDef) -> str | None:
    for node in cls.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "name" for target in targets):
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
    return None


def _installed(entry: EntryPoint) -> Iterator[Listing]:
    package = entry.dist.name if entry.dist else entry.module
    try:
        spec = importlib.util.find_spec(entry.module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        yield Listing("methods", entry.name, f"(cannot be found: {entry.value})", package)
        return
    yield from plugins_in(Path(spec.origin), package)


def _title(file: Path) -> str:
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8")).get("title", ""))
    except tomllib.TOMLDecodeError as error:
        return f"(cannot be read: {error})"
