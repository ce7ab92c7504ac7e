"""The Python API: what its documentation shows works, and it says what the commands say."""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from test_report import rows

import osarbench
from osarbench.cli import cli
from osarbench.scores import table

ROOT = Path(__file__).parents[1]
ENTRIES = [ROOT / f"leaderboards/motion/tsm/{name}.csv.gz" for name in ("dear-0", "dnn-0")]


def test_the_examples_of_the_documentation_run() -> None:
    done = doctest.testfile(str(ROOT / "docs/python-api.md"), module_relative=False, encoding="utf-8")
    assert done.attempted >= 10
    assert done.failed == 0


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_shells_are_told_what_completes_a_command(shell: str) -> None:
    done = CliRunner().invoke(cli, env={"_OSARBENCH_COMPLETE": f"{shell}_source"}, prog_name="osarbench")
    assert "_OSARBENCH_COMPLETE" in done.output


def test_a_file_is_evaluated_as_the_command_does_it() -> None:
    done = CliRunner().invoke(cli, ["evaluate", "--json", str(ENTRIES[0])], catch_exceptions=False)
    (printed,) = json.loads(done.stdout).values()
    assert json.loads(osarbench.evaluate(ENTRIES[0]).to_json()) == printed


def test_a_table_and_its_file_say_the_same() -> None:
    loaded = osarbench.load_scores(str(ENTRIES[0]))
    assert osarbench.evaluate(loaded, protocol="motion") == osarbench.evaluate(ENTRIES[0])
    assert osarbench.evaluate(loaded, quantile=0.5).settings.quantile == 0.5


def test_excluded_classes_are_left_out_with_a_warning(tmp_path: Path) -> None:
    stated = (ROOT / "benchmarks/motion.toml").read_text(encoding="utf-8")
    entry = osarbench.load_scores(ENTRIES[0])
    label = entry.loc[entry["role"] == "unknown", "label"].iloc[0]
    own = tmp_path / "motion-less.toml"
    own.write_text(
        stated.replace("[[unknown]]", f'[[unknown]]\nexclude = {{ {label} = "too near" }}', 1), encoding="utf-8"
    )
    with pytest.warns(UserWarning, match="excludes are left out"):
        found = osarbench.evaluate(entry, protocol=own)
    assert found.counts["unknown"] == (entry["role"] == "unknown").sum() - (entry["label"] == label).sum()


def test_tables_files_and_lists_of_seeds_compare_alike() -> None:
    files = osarbench.compare({"dear": ENTRIES[0], "dnn": ENTRIES[1]}, metrics=["auroc"], draws=100)
    tables = osarbench.compare(
        {"dear": [osarbench.load_scores(ENTRIES[0])], "dnn": [ENTRIES[1]]}, metrics=["auroc"], draws=100
    )
    assert files.pairs[0].difference == tables.pairs[0].difference


def test_a_page_is_written_of_tables_and_of_files(tmp_path: Path) -> None:
    table.write(rows(), tmp_path / "one.csv")
    for results in ({"one": rows()}, [tmp_path / "one.csv"]):
        page = osarbench.report(results, tmp_path / "page.html")
        assert "<title>one</title>" in page.read_text(encoding="utf-8")


def test_methods_run_from_python_and_what_is_there_is_reused(tmp_path: Path) -> None:
    here = Path(__file__).parent
    asked: dict[str, Any] = {
        "backbone": "toy", "protocol": here / "toy.toml", "runs": tmp_path / "runs", "cache": tmp_path / "cache",
        "plugin_files": (here / "toy.py",), "device": "cpu",
    }  # fmt: skip
    (alone,) = osarbench.run_methods("dnn", **asked).to_dict("records")
    made = (alone["folder"] / "scores.csv").stat().st_mtime_ns
    frame = osarbench.run_methods(["dnn", "energy"], **asked)
    assert frame["method"].tolist() == ["dnn", "energy"]
    assert frame["auroc"][0] == osarbench.evaluate(alone["folder"] / "scores.csv").headline["auroc"]
    assert (alone["folder"] / "scores.csv").stat().st_mtime_ns == made
