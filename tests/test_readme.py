"""The README is true: its plugin runs, its commands parse, its protocols exist, and it is short."""

import fnmatch
import re
import shlex
from pathlib import Path

import click
import pytest
from test_run import request

from osarbench import cli
from osarbench.protocols import files as benchmark_files
from osarbench.run.run import run

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README.read_text(), re.DOTALL)
COMMANDS = [
    line.split("#")[0].split("uv run ")[-1]
    for language, text in BLOCKS if language == "sh" for line in text.splitlines() if "osarbench " in line
]  # fmt: skip


def test_the_method_of_the_readme_runs_beside_a_built_in_one(tmp_path: Path) -> None:
    (code,) = [text for language, text in BLOCKS if language == "python"]
    file = tmp_path / "my_energy.py"
    file.write_text(code)
    toy = Path(__file__).with_name("toy.py")
    asked = request(tmp_path, tmp_path / "cache", "my_energy", "dnn", plugin_files=(toy, file))
    entries = run(asked)
    assert [entry.method for entry in entries] == ["my_energy", "dnn"]
    assert entries[0].metrics["headline"]["auroc"] > 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_parses(command: str) -> None:
    name, *arguments = shlex.split(command)
    assert name == "osarbench"
    found: click.Command = cli.cli
    while isinstance(found, click.Group):
        found = found.commands[arguments.pop(0)]
    found.make_context(name, arguments)


def test_every_protocol_is_in_the_readme() -> None:
    rows = re.findall(r"^\| ((?:`[\w*-]+`(?:, )?)+) \|", README.read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([\w*-]+)`", row)]
    shipped = benchmark_files.shipped()
    assert all(fnmatch.filter(shipped, name) for name in named)
    assert [name for name in shipped if not any(fnmatch.fnmatch(name, shown) for shown in named)] == []


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 200
