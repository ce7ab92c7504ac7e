"""`osarbench new` and `osarbench check`: what is written works, what is refused is explained; and the guide."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from test_run import request

from osarbench import cli
from osarbench.checks import authoring, checks
from osarbench.commands.authoring import check, new
from osarbench.errors import OsarbenchError
from osarbench.run.run import run

HERE = Path(__file__).parent
GUIDE = HERE.parent / "docs" / "writing-a-plugin.md"
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
KINDS = ("method", "backbone", "dataset")


def invoke(command: click.Command, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def python(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        text=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def lint(folder: Path, *options: str) -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("needs ruff")
    for command in (["check", *options], ["format", "--check", *options]):
        done = subprocess.run([ruff, *command, "."], cwd=folder, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_checked_at_once(kind: str, tmp_path: Path) -> None:
    wrote = invoke(new, kind, "my_own", str(tmp_path))
    assert wrote.exit_code == 0, wrote.output
    assert f"wrote {tmp_path / 'my_own.py'}" in wrote.output
    checked = invoke(check, str(tmp_path / "my_own.py"))
    assert checked.exit_code == 0, checked.output
    assert f"ok      {kind} my_own: " in checked.output
    lint(tmp_path, "--config", "line-length = 120", "--isolated")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_test_of_a_new_plugin_passes(kind: str, tmp_path: Path) -> None:
    authoring.write(kind, "my_own", tmp_path)
    python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_my_own.py")


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_name_leaves_the_files_formatted(kind: str, tmp_path: Path) -> None:
    authoring.write(kind, "a_rather_long_name_of_a_plugin", tmp_path, package=True)
    lint(tmp_path / "osarbench-a-rather-long-name-of-a-plugin")


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_clone_a_new_plugin_is_built_in(kind: str, tmp_path: Path) -> None:
    project = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    for each in KINDS:
        (tmp_path / "plugins" / "osarbench_plugins" / f"{each}s").mkdir(parents=True)
    written = authoring.write(kind, "my_own", tmp_path)
    assert written.files == [
        tmp_path / f"plugins/osarbench_plugins/{kind}s/my_own.py",
        tmp_path / "tests/test_my_own.py",
    ]
    assert f"from osarbench_plugins.{kind}s.my_own import MyOwn" in written.files[1].read_text(encoding="utf-8")
    lint(tmp_path)


def test_a_new_method_runs_beside_a_built_in_one(tmp_path: Path) -> None:
    written = authoring.write("method", "my_own", tmp_path)
    files = (HERE / "toy.py", written.files[0])
    entries = run(request(tmp_path, tmp_path / "cache", "my_own", "dnn", plugin_files=files))
    assert [entry.method for entry in entries] == ["my_own", "dnn"]
    assert entries[0].metrics["headline"]["auroc"] > 0.5


def test_a_new_package_names_its_plugin_as_entry_point(tmp_path: Path) -> None:
    written = authoring.write("method", "my_own", tmp_path, package=True)
    root = tmp_path / "osarbench-my-own"
    assert [file.name for file in written.files] == [
        "osarbench_my_own.py", "test_osarbench_my_own.py", "pyproject.toml", "README.md"
    ]  # fmt: skip
    assert 'my_own = "osarbench_my_own"' in (root / "pyproject.toml").read_text(encoding="utf-8")
    lint(root)
    assert invoke(check, str(root / "osarbench_my_own.py")).exit_code == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MyMethod", "cannot be the name of a method.*Did you mean 'my_method'"),
        ("my-method", "Did you mean 'my_method'"),
        ("2fast", "cannot be the name"),
        ("lambda", "cannot be the name"),
        ("random", "would hide the Python module"),
        ("dnn", r"There is a method 'dnn' already \(built-in\)"),
    ],
)
def test_an_unfit_name_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match=reason):
        authoring.write("method", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "test_my_own.py").write_text("mine")
    with pytest.raises(OsarbenchError, match=r"test_my_own\.py exists already"):
        authoring.write("method", "my_own", tmp_path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_a_broken_plugin_exits_with_1_and_says_what_and_why() -> None:
    done = invoke(check, str(HERE / "toy.py"), "--kind", "method", "-v")
    assert done.exit_code == 1
    assert re.search(r"failed  method toy_raising: \d+ passed, 1 failed", done.output)
    assert "ZeroDivisionError: a bug of toy_raising" in done.output
    assert "osarbench: failed checks: method toy_broken, " in done.output


def test_a_plugin_file_that_raises_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    with pytest.raises(OsarbenchError, match=r"ZeroDivisionError: division by zero.*wrong\.py"):
        invoke(check, str(tmp_path / "wrong.py"))


def test_a_plugin_file_without_hook_is_explained(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(OsarbenchError, match=r"empty\.py offers nothing: it implements no hook"):
        invoke(check, str(tmp_path / "empty.py"))


def test_a_data_set_is_looked_for_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "folder" / "videos" / "run").mkdir(parents=True)
    shutil.copy(HERE / "toy.py", tmp_path / "folder" / "videos" / "run" / "a.mp4")
    done = invoke(check, "folder", "--data", str(tmp_path))
    assert done.exit_code == 1
    assert "The first video of 'all' cannot be read" in done.output


@pytest.mark.parametrize("index", range(sum(language == "python" for language, _ in BLOCKS)))
def test_a_plugin_of_the_guide_passes_its_checks(index: int, tmp_path: Path) -> None:
    code = [text for language, text in BLOCKS if language == "python"][index]
    if "@hookimpl" in code:
        (tmp_path / "guide.py").write_text(code, encoding="utf-8")
        done = invoke(check, str(tmp_path / "guide.py"))
        assert done.exit_code == 0, done.output
    else:
        compile(code, "guide.py", "exec")


def test_the_methods_of_the_guide_become_rows(tmp_path: Path) -> None:
    codes = [text for language, text in BLOCKS if language == "python" and "osarbench_methods" in text]
    files = [tmp_path / f"guide{index}.py" for index in range(len(codes))]
    for file, code in zip(files, codes, strict=True):
        file.write_text(code, encoding="utf-8")
    names = [name for code in codes for name in re.findall(r'\(Method\):.*?name = "(\w+)"', code, re.DOTALL)]
    entries = run(request(tmp_path, tmp_path / "cache", *names, plugin_files=(HERE / "toy.py", *files)))
    assert [entry.method for entry in entries] == names
    assert len(names) >= 2


def test_every_check_of_the_guide_exists() -> None:
    named = {
        name
        for row in re.findall(r"^\| (`\w+`.*?) \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert len(named) > 8
    assert named <= {check.name for check in checks("method")}


def test_every_command_of_the_guide_exists() -> None:
    commands = {**cli.cli.commands, "check": check, "new": new}
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    used = [line.split()[1] for line in lines if line.startswith("osarbench ")]
    assert set(used) <= set(commands)
    assert {"new", "check", "run", "leaderboard"} <= set(used)


def test_a_file_named_without_its_suffix_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authoring.write("method", "my_own", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OsarbenchError, match=r"no plugin or package 'my_own', but a file my_own\.py"):
        invoke(check, "my_own")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OsarbenchError, match="file cannot be written to .* Choose another folder"):
        authoring.write("method", "my_own", tmp_path / "file")
