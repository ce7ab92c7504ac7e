"""A third-party package: built, installed next to osarbench, found by its entry point, listed, checked."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from osarbench.checks import checks, targets
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading as plugins

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package was installed without network."""
    folder = tmp_path_factory.mktemp("site")
    source = shutil.copytree(HERE / "example_plugin", folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    plain = ["--no-deps", "--no-build-isolation", "--quiet", "--target", str(folder / "site"), str(source)]
    for installer in (
        ["uv", "pip", "install", "--offline", "--python", sys.executable],
        [sys.executable, "-m", "pip", "install"],
    ):
        if shutil.which(installer[0]) and subprocess.run([*installer, *plain], capture_output=True).returncode == 0:
            return folder / "site"
    pytest.skip("neither uv nor pip can build a package here (setuptools is needed)")


def osarbench(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from osarbench.cli import cli; from osarbench.commands.authoring import check; "
    code += "cli.add_command(check); cli(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], text=True, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_it_is_listed_with_its_package(site: Path) -> None:
    listed = osarbench(site, "list", "methods").stdout
    (line,) = [line for line in listed.splitlines() if line.split()[:1] == ["margin"]]
    assert line.endswith("[osarbench-margin]")


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["margin", "osarbench_margin"])
def test_it_is_checked_by_name_and_by_package(site: Path, asked: str) -> None:
    done = osarbench(site, "check", asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"method margin: {len(checks('method'))} passed, 0 failed, 0 skipped" in done.stdout


def test_a_package_that_offers_nothing_here_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", list)
    with pytest.raises(
        OsarbenchError, match="There is no plugin, plugin file or package 'energie'. Did you mean 'energy'"
    ):
        targets.find(["energie"])


def test_an_installed_plugin_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("sparkling", "no_such_module", "osarbench")
    monkeypatch.setattr(plugins, "installed", lambda: [entry])
    with pytest.raises(OsarbenchError, match=r"installed plugin 'sparkling' .* cannot be loaded \(ModuleNotFoundError"):
        targets.find([])
    assert [target.name for target in targets.find(["energy"])] == ["energy"]
