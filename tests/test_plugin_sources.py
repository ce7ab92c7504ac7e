"""Which files a plugin is made of: whatever it imports from its own folder, wherever the import stands."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from osarbench.plugins import loading as plugins

PLUGIN = """
{top}
from osarbench import Method, hookimpl

class Mine(Method):
    name = "mine"
    def uncertainty(self, outputs):
        {inside}
        return outputs.logits.sum(dim=1)

@hookimpl
def osarbench_methods():
    return [Mine]
"""


def plugin(folder: Path, *, top: str = "", inside: str = "") -> Path:
    file = folder / "mine.py"
    file.write_text(PLUGIN.format(top=top, inside=inside))
    return file


def files_of(file: Path) -> set[str]:
    cls = plugins.load(("methods",), [file]).method("mine")
    return {its.relative_to(file.parent).as_posix() for its in plugins.code_files(cls)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules can be imported from; what was imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("near", "nearer"):
        (tmp_path / f"{name}.py").write_text("VALUE = 1")
    (tmp_path / "unused.py").write_text("")
    (tmp_path / "package" / "deep").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "sibling.py").write_text("")
    (tmp_path / "package" / "deep" / "__init__.py").write_text("from .. import sibling")
    (tmp_path / "package" / "deep" / "inner.py").write_text("from ..sibling import nothing_that_is_a_module")
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("top", "inside", "found"),
    [
        ("import near", "", {"near.py"}),
        ("from near import VALUE", "", {"near.py"}),
        ("", "import near", {"near.py"}),
        ("", "from nearer import VALUE as value", {"nearer.py"}),
        ("", "__import__('near')", {"near.py"}),
        ("import importlib", "importlib.import_module('near')", {"near.py"}),
        ("", "import package.deep", {"package/__init__.py", "package/deep/__init__.py", "package/sibling.py"}),
        ("", "from package import sibling", {"package/__init__.py", "package/sibling.py"}),
        ("import torch, numpy, random, osarbench.data.sampling", "", set()),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import near", "", set()),
        ("try:\n    import near\nexcept ImportError:\n    import nearer", "", {"near.py", "nearer.py"}),
    ],
)
def test_what_a_plugin_file_imports_from_its_folder_is_its_code(
    top: str, inside: str, found: set[str], folder: Path
) -> None:
    assert files_of(plugin(folder, top=top, inside=inside)) == {"mine.py", *found}


def test_helpers_of_helpers_count(folder: Path) -> None:
    (folder / "near.py").write_text("def late():\n    import nearer")
    assert files_of(plugin(folder, top="import near")) == {"mine.py", "near.py", "nearer.py"}


def test_a_folder_that_is_put_on_the_path_later_counts(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "apart.py").write_text("")
    top = "import sys, pathlib\nsys.path.append(str(pathlib.Path(__file__).parent / 'lib'))\nimport apart"
    assert files_of(plugin(folder, top=top)) == {"mine.py", "lib/apart.py"}


def test_a_helper_elsewhere_that_nobody_installed_counts(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "common_scores.py").write_text("")
    monkeypatch.syspath_prepend(str(elsewhere))
    cls = plugins.load(("methods",), [plugin(folder, inside="import common_scores")]).method("mine")
    assert elsewhere / "common_scores.py" in plugins.code_files(cls)


def test_a_namesake_of_a_library_next_to_a_plugin_is_the_one_that_python_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "random.py").write_text("")
    assert files_of(plugin(tmp_path, top="import torch, random")) == {"mine.py"}


def test_a_folder_without_init_is_a_package_too(folder: Path) -> None:
    (folder / "bare").mkdir()
    (folder / "bare" / "helper.py").write_text("")
    assert files_of(plugin(folder, inside="from bare import helper")) == {"mine.py", "bare/helper.py"}


def test_built_in_code_that_an_outside_plugin_uses_counts_and_the_core_does_not(folder: Path) -> None:
    file = plugin(folder, top="from osarbench_plugins.methods._posthoc import unit")
    found = plugins.code_files(plugins.load(("methods",), [file]).method("mine"))
    assert {"mine.py", "_posthoc.py"} <= {its.name for its in found}
    assert not any("osarbench" in its.parts for its in found)


def test_a_base_class_in_another_file_counts(folder: Path) -> None:
    (folder / "near.py").write_text("from osarbench import Method\nclass Base(Method):\n    pass")
    file = plugin(folder, top="from near import Base")
    file.write_text(file.read_text().replace("Mine(Method)", "Mine(Base)"))
    assert files_of(file) == {"mine.py", "near.py"}


def test_a_helper_that_is_no_python_does_not_stop_the_search(folder: Path) -> None:
    (folder / "near.py").write_text("this is no Python")
    assert files_of(plugin(folder, inside="import near")) == {"mine.py", "near.py"}
