"""Imports go down only, and the core names no plugin."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import osarbench

CORE = Path(osarbench.__file__).parent
LAYERS = [
    {"__main__"},
    {"cli"},
    {"run", "leaderboard", "report", "datacheck", "catalogue"},
    {"bench"},
    {"index", "store", "clips", "train", "extract", "score", "metrics", "figures", "network", "optimize", "device"},
    {"conventions", "expectation", "per_class"},
    {"outcome"},
    {"ranking", "openness", "calibration", "thresholds", "closed"},
    {"table", "manifest", "video", "sampling", "transforms", "places", "console"},
    {"protocol", "plugins"},
    {"hookspecs"},
    {"method"},
    {"backbone", "dataset", "protocol_files"},
    {"errors"},
    {"__init__"},
]


def layer(module: str) -> int:
    return next(place for place, modules in enumerate(LAYERS) if module in modules)


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("osarbench"):
            head, _, module = node.module.partition(".")
            names |= {module} if module else {alias.name for alias in node.names}
            assert head == "osarbench", f"{file.name} imports the plugin {node.module}"
    return {name for name in names if (CORE / f"{name}.py").is_file()}


@pytest.mark.parametrize("file", sorted(CORE.glob("*.py")), ids=lambda file: file.stem)
def test_a_module_imports_from_its_own_layer_or_below(file: Path) -> None:
    if file.stem == "__init__":
        return
    upward = {name for name in imported(file) if layer(name) < layer(file.stem)}
    assert upward == set()


@pytest.mark.parametrize("file", sorted(CORE.glob("*.py")), ids=lambda file: file.stem)
def test_a_module_is_one_idea_and_not_a_long_one(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 300


@pytest.mark.parametrize("command", [["--help"], ["list"], ["run", "--help"]], ids=" ".join)
def test_help_and_list_import_neither_torch_nor_pandas(command: list[str]) -> None:
    code = f"import sys; from osarbench.cli import cli; cli.main({command}, standalone_mode=False); "
    code += "heavy = {'torch', 'pandas', 'timm', 'av', 'pydantic'} & set(sys.modules); assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_public_names_are_sorted_and_there() -> None:
    assert osarbench.__all__ == sorted(osarbench.__all__)
    assert all(getattr(osarbench, name) for name in osarbench.__all__)
