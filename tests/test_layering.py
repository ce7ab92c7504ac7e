"""Imports go down only, and the core names no plugin."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import osarbench

CORE = Path(osarbench.__file__).parent
MODULES = sorted(file for file in CORE.rglob("*.py") if file.name != "__init__.py")
#: From the top down: a module of ``osarbench/``, or a package in it.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands", "api"},
    {"checks", "testing", "audits"},
    {"leaderboard"},
    {"reports"},
    {"run"},
    {"published"},
    {"model"},
    {"data", "scores"},
    {"artifacts", "plugins"},
    {"protocols", "console"},
    {"interfaces"},
    {"errors", "digests", "output"},
]


def layer(part: str) -> int:
    return next(position for position, parts in enumerate(LAYERS) if part in parts)


def part_of(file: Path) -> str:
    return file.relative_to(CORE).with_suffix("").parts[0]


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("osarbench"):
            head, *inner = node.module.split(".")
            names |= {inner[0]} if inner else {alias.name for alias in node.names}
            assert head == "osarbench", f"{file.name} imports the plugin {node.module}"
    return {name for name in names if any(name in parts for parts in LAYERS)}


def test_every_module_imports_from_its_own_layer_or_below() -> None:
    assert len(MODULES) > 100
    upward = [
        f"{file.relative_to(CORE)} imports {name}"
        for file in MODULES
        for name in sorted(imported(file))
        if layer(name) < layer(part_of(file))
    ]
    assert upward == []


def test_every_module_is_one_idea_and_not_a_long_one() -> None:
    assert [str(file.relative_to(CORE)) for file in MODULES if len(file.read_text().splitlines()) > 300] == []


@pytest.mark.parametrize("command", [["--help"], ["list"], ["run", "--help"]], ids=" ".join)
def test_help_and_list_import_neither_torch_nor_pandas(command: list[str]) -> None:
    code = f"import sys; from osarbench.cli import cli; cli.main({command}, standalone_mode=False); "
    code += "heavy = {'torch', 'pandas', 'timm', 'av', 'pydantic'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_public_names_are_sorted_and_there() -> None:
    assert osarbench.__all__ == sorted(osarbench.__all__)
    assert all(getattr(osarbench, name) for name in osarbench.__all__)
