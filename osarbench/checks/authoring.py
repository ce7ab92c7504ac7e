"""`osarbench new`: a working plugin, with its test, to start from."""

import keyword
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from osarbench.checks import templates
from osarbench.errors import OsarbenchError
from osarbench.plugins.catalogue import catalogue
from osarbench.plugins.loading import ALL_POSTHOC

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
BUILT_IN = Path("plugins", "osarbench_plugins")  #: in a clone


class Written(NamedTuple):
    """The files that were written, and what to do with them."""

    files: Sequence[Path]  #: the plugin first, then its test
    next_steps: Sequence[str]  #: lines for the terminal


def write(kind: str, name: str, folder: Path, *, package: bool = False) -> Written:
    """Write a plugin and its test: built-in where the folder is a clone of osarbench, else a file for ``--plugin``.

    Args:
        kind: "method", "backbone" or "dataset".
        name: in snake_case.
        folder: the folder to write to; a package becomes a new folder in it.
        package: whether to write an installable package with an entry point.

    Raises:
        OsarbenchError: the name is invalid or taken, or a file exists already (nothing is written then); or the folder
            is not writable.
    """
    check_name(kind, name)
    if package:
        files, steps = _package(kind, name, folder)
    elif is_clone(folder):
        files, steps = _built_in(kind, name, folder)
    else:
        files, steps = _loose(kind, name, folder)
    for file in files:
        if file.exists():
            raise OsarbenchError(f"{file} exists already. Nothing was written; choose another name or folder.")
    try:
        for file, text in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OsarbenchError(f"{folder} cannot be written to ({error}). Choose another folder.") from error
    return Written(list(files), steps)


def check_name(kind: str, name: str) -> None:
    """Raise an `OsarbenchError` for a name that is not in snake_case, is a keyword or module of Python, or is taken."""
    if NAME.fullmatch(name) is None or keyword.iskeyword(name):
        snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")
        hint = f" Did you mean '{snake}'?" if NAME.fullmatch(snake) and not keyword.iskeyword(snake) else ""
        raise OsarbenchError(
            f"'{name}' cannot be the name of a {kind}: it is a Python name in lower-case letters, digits and _.{hint}"
        )
    if name in sys.stdlib_module_names or name in ("numpy", "osarbench", "pandas", "torch", "torchvision"):
        raise OsarbenchError(f"A file {name}.py would hide the Python module of this name. Choose another name.")
    taken = {listing.name: listing.origin for listing in catalogue() if listing.kind == f"{kind}s"}
    if name in taken or name == ALL_POSTHOC:
        raise OsarbenchError(f"There is a {kind} '{name}' already ({taken.get(name, 'a group')}). Choose another name.")


def is_clone(folder: Path) -> bool:
    """Say whether a folder is a clone of osarbench, where a new plugin becomes a built-in one."""
    project = folder / "pyproject.toml"
    if not (folder / BUILT_IN / "methods").is_dir() or not project.is_file():
        return False
    try:
        content = tomllib.loads(project.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError:
        return False
    return bool(content.get("project", {}).get("name") == "osarbench")


def _built_in(kind: str, name: str, folder: Path) -> tuple[Mapping[Path, str], Sequence[str]]:
    file, test = folder / BUILT_IN / f"{kind}s" / f"{name}.py", folder / "tests" / f"test_{name}.py"
    files = _filled(kind, name, file, test, module=f"osarbench_plugins.{kind}s.{name}", built_in=True)
    return files, [f"  osarbench check {name}", f"  pytest {test}", f"  {_run(kind, name)}"]


def _loose(kind: str, name: str, folder: Path) -> tuple[Mapping[Path, str], Sequence[str]]:
    file, test = folder / f"{name}.py", folder / f"test_{name}.py"
    steps = [f"  osarbench check {file}", f"  pytest {test}", f"  {_run(kind, name, file)}"]
    return _filled(kind, name, file, test, module=name), steps


def _package(kind: str, name: str, folder: Path) -> tuple[Mapping[Path, str], Sequence[str]]:
    module, root = f"osarbench_{name}", folder / f"osarbench-{name.replace('_', '-')}"
    file, test = root / f"{module}.py", root / f"test_{module}.py"
    run = _run(kind, name)
    fields = {"kind": kind, "name": name, "dashed": name.replace("_", "-"), "run": run}
    files = dict(_filled(kind, name, file, test, module=module))
    files[root / "pyproject.toml"] = Template(templates.PYPROJECT).substitute(fields)
    files[root / "README.md"] = Template(templates.README).substitute(fields)
    steps = [f"  pip install -e {root}", f"  osarbench check {name}", f"  pytest {test}", f"  {run}"]
    return files, steps


def _filled(kind: str, name: str, file: Path, test: Path, *, module: str, built_in: bool = False) -> Mapping[Path, str]:
    fields = {"name": name, "cls": _class_name(name), "title": _title(name)}
    own = f"from {module} import {fields['cls']}"
    imports = _imports(templates.PLUGIN_IMPORTS[kind], "", built_in=built_in)
    imports_of_test = _imports(templates.TEST_IMPORTS[kind], own, built_in=built_in)
    return {
        file: Template(templates.PLUGINS[kind]).substitute(fields, imports=imports),
        test: Template(templates.TESTS[kind]).substitute(fields, imports=imports_of_test),
    }


def _imports(parts: templates.Imports, own: str, *, built_in: bool) -> str:
    """Return import lines in ruff's order: osarbench is first-party in its clone, one package of many elsewhere."""
    if built_in:
        blocks = [parts.standard, parts.third_party, "\n".join(filter(None, [parts.ours, own]))]
    else:
        lines = f"{parts.third_party}\n{parts.ours}".strip().splitlines()
        lines.sort(key=lambda line: (line.startswith("from"), line.split()[1]))
        blocks = [parts.standard, "\n".join(lines), own]
    return "\n\n".join(filter(None, blocks))


def _run(kind: str, name: str, file: Path | None = None) -> str:
    """Return the first command to try."""
    option = f" --plugin {file}" if file else ""
    return Template(templates.RUNS[kind]).substitute(name=name, option=option, target=file or name)


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
