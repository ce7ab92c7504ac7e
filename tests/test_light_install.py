"""`pip install osarbench` judges scores tables without torch; whatever needs the extra `run` says so in one line."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import osarbench
from osarbench.errors import EXTRAS, RUN_LIBRARIES

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Libraries whose import name is not the name under which they are installed.
IMPORTED_AS = {"opencv_python_headless": "cv2", "pillow": "PIL", "scikit_learn": "sklearn"}
#: What must load where no library of the extra `run` is installed.
LIGHT = ("artifacts", "commands", "leaderboard", "plugins", "protocols", "published", "reports", "scores")

#: Runs before the code of a test, in a process of its own: the libraries of the extra cannot be found.
WITHOUT_EXTRA = f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {RUN_LIBRARIES}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT_EXTRA + code], capture_output=True, text=True, check=False)


def osarbench_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return python(f"from osarbench.cli import main; main({list(arguments)})")


def names(requirements: list[str]) -> set[str]:
    """Return the import names of requirements."""
    stems = [re.split(r"[^\w.-]", text)[0].replace("-", "_") for text in requirements]
    return {IMPORTED_AS.get(stem, stem) for stem in stems}


def imports(package: Path) -> Iterator[str]:
    """Yield the top-level names of what the files of a package import, wherever in the file."""
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def test_the_rooms_that_judge_results_import_without_the_extra() -> None:
    core = Path(osarbench.__file__).parent
    files = [file for room in LIGHT for file in sorted((core / room).rglob("*.py"))]
    modules = [".".join(file.relative_to(core.parent).with_suffix("").parts) for file in files]
    done = python(f"import importlib\nfor name in {modules}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_data_sets_load_without_the_extra() -> None:
    done = python("from osarbench.plugins.loading import load; print(*load(kinds=('datasets',)).datasets)")
    assert "motion" in done.stdout.split(), done.stderr


def test_a_scores_table_is_evaluated_without_the_extra() -> None:
    entry = sorted((ROOT / "leaderboards" / "motion").glob("*/*.csv.gz"))[0]
    done = osarbench_command("evaluate", str(entry))
    assert "AUROC" in done.stdout, done.stderr


def test_backbones_are_listed_without_their_sizes_where_torch_is_missing() -> None:
    done = osarbench_command("list", "backbones", "-v")
    assert done.returncode == 0, done.stderr
    assert "tsm" in done.stdout
    assert "pip install 'osarbench[run]'" in done.stdout


@pytest.mark.parametrize("command", ["run --method dear --backbone tsm", "check dnn"])
def test_a_command_that_needs_torch_names_the_extra_in_one_line(command: str) -> None:
    done = osarbench_command(*command.split())
    assert done.returncode == 1
    assert done.stderr == (
        "osarbench: This needs torch, which is not installed. Install it with: pip install 'osarbench[run]'\n"
    )


def test_another_module_that_is_missing_keeps_its_traceback() -> None:
    done = python(
        "import osarbench.cli as its\ndef broken(**_): import no_such_module\nits.cli.main = broken\nits.main([])"
    )
    assert "Traceback" in done.stderr
    assert "no_such_module" in done.stderr


def test_the_extra_is_what_errors_call_it() -> None:
    assert names(PROJECT["optional-dependencies"]["run"]) == set(RUN_LIBRARIES)
    others = {extra: names(its) for extra, its in PROJECT["optional-dependencies"].items() if extra != "run"}
    assert {(library, extra) for extra, its in others.items() for library in its} == set(EXTRAS.items())


@pytest.mark.parametrize("package", ["osarbench", "plugins/osarbench_plugins"])
def test_every_library_that_is_imported_is_declared(package: str) -> None:
    declared = names(PROJECT["dependencies"]) | set(RUN_LIBRARIES) | set(EXTRAS)
    ours = {"osarbench", "osarbench_plugins"}
    assert set(imports(ROOT / package)) - set(sys.stdlib_module_names) - ours <= declared


def test_every_declared_library_is_imported() -> None:
    used = {name for package in ("osarbench", "plugins") for name in imports(ROOT / package)}
    assert names(PROJECT["dependencies"]) | set(RUN_LIBRARIES) <= used | {"tensorboard"}  # torch imports it
