"""`osarbench results`: one table of a folder of runs that says what is stale, and breaks on no name."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hostile_names import HOSTILE
from test_report import rows

from osarbench.artifacts import manifest
from osarbench.artifacts.code import Code
from osarbench.cli import cli
from osarbench.errors import OsarbenchError
from osarbench.protocols import protocol as protocols
from osarbench.reports import latex, overview, overview_text
from osarbench.scores import metrics, table
from osarbench.scores.metrics import registry

Change = Callable[[Path], Any]


def finished(folder: Path, *, seed: int = 0, method: str = "dnn", **origin: Any) -> Path:
    """Write what a run of one method leaves, and return its scores table."""
    file = folder / f"motion/tsm/linear-{seed}" / method / "scores.csv"
    for name, output in (("network", "network.pt"), ("features", "features.npy")):
        shared = file.parent.parent / output
        with manifest.write_artifact(shared, {}, {}) as temporary:
            temporary.write_text(f"{name} {seed}")
    facts = {
        "protocol": {"name": "motion", "sha256": protocols.read("motion").sha256},
        "backbone": "tsm", "seed": seed, "deviations": {}, "code": {"score": Code.of(metrics.evaluate).facts()},
        "network": {"sha256": manifest.digest_of(file.parent.parent / "network.pt"), "seconds": 100.0},
        "features": {"sha256": manifest.digest_of(file.parent.parent / "features.npy"), "seconds": 20.0},
    }  # fmt: skip
    with manifest.write_artifact(file, {}, {"origin": facts | origin, "seconds": 0.5}) as temporary:
        table.write(rows(seed), temporary)
    evaluate(file)
    return file


def evaluate(file: Path) -> None:
    identity = {"inputs": {"scores": manifest.digest_of(file)}, "code": registry.code().digest}
    with manifest.write_artifact(file.with_name("metrics.json"), identity) as temporary:
        temporary.write_text(metrics.evaluate(table.read(file)).to_json())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one method, and a second method on the network of the first."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, method in ((0, "dnn"), (1, "dnn"), (0, "energy,scale=2.0")):
        finished(folder, seed=seed, method=method, deviations={"epochs": 2} if seed else {})
    return folder


def shown(*arguments: Any) -> str:
    done = CliRunner().invoke(cli, ["results", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_row_says_what_was_run_with_which_numbers_in_what_time(runs: Path) -> None:
    listed = list(csv.DictReader(io.StringIO(shown(runs, "--format", "csv"))))
    assert [(one["protocol"], one["backbone"], one["method"], one["seed"], one["deviations"]) for one in listed] == [
        ("motion", "tsm", "dnn", "0", "none"),
        ("motion", "tsm", "energy,scale=2.0", "0", "none"),
        ("motion", "tsm", "dnn", "1", "epochs = 2"),
    ]
    for one in listed:
        assert float(one["auroc"]) == metrics.evaluate(table.read(Path(one["file"]))).headline["auroc"]
        assert (one["seconds"], one["train_seconds"], one["extract_seconds"]) == ("120.5", "100.0", "20.0")
        assert one["stale"] == ""


def test_the_terminal_shows_percent_and_counts_a_shared_training_once(runs: Path) -> None:
    text = shown(runs)
    value = metrics.evaluate(rows(1)).headline["auroc"]
    assert value is not None
    assert f"{100 * value:.2f}" in text
    assert "3 results of 2 trained networks. Time, decoding not counted: train 3:20 min, extract 40.0 s, " in text


def test_rows_are_chosen_by_any_column_and_the_best_comes_first(runs: Path) -> None:
    assert len(json.loads(shown(runs, "--format", "json", "--where", "method=e*"))) == 1
    assert len(json.loads(shown(runs, "--format", "json", "--where", "seed=0", "--where", "stale=no"))) == 2
    assert json.loads(shown(runs, "--format", "json", "--where", "seed=7")) == []
    assert "0 results" in shown(runs, "--where", "seed=7")
    for column, best in (("auroc", max), ("fpr95_unknown_first", min), ("seed", min)):
        values = [one[column] for one in json.loads(shown(runs, "--format", "json", "--sort", column))]
        assert values[0] == best(values)
        turned = [one[column] for one in json.loads(shown(runs, "--format", "json", "--sort", column, "--reverse"))]
        assert turned == values[::-1]


def test_a_column_that_does_not_exist_is_named_with_the_nearest(runs: Path) -> None:
    with pytest.raises(OsarbenchError, match="no column 'metod'. Did you mean 'method'"):
        overview.chosen([], ["metod=dnn"], None)
    with pytest.raises(OsarbenchError, match="is not COLUMN=VALUE"):
        overview.chosen([], ["dnn"], None)


def test_a_folder_without_runs_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="There is no folder"):
        overview.overview(tmp_path / "runs")
    with pytest.raises(OsarbenchError, match="No scores table"):
        overview.overview(tmp_path)


def retrained(file: Path) -> None:
    with manifest.write_artifact(file.parent.parent / "network.pt", {}) as temporary:
        temporary.write_text("another network")


def rescored(file: Path) -> None:
    made = manifest.read(file)
    assert made is not None
    with manifest.write_artifact(file, {}, {"origin": made["origin"]}) as temporary:
        table.write(rows(5), temporary)


CHANGES: dict[str, Change] = {
    "network replaced": retrained,
    "not evaluated": rescored,
    "scores changed after they were made": lambda file: table.write(rows(6), file),
    "nothing states what it was made from": lambda file: manifest.manifest_of(file).unlink(),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_what_is_not_what_was_made_is_stale_and_says_why(reason: str, tmp_path: Path) -> None:
    file = finished(tmp_path)
    CHANGES[reason](file)
    (row,) = overview.overview(tmp_path)
    assert row.stale == (reason,)
    assert f"{file.parent}: {reason}" in shown(tmp_path)


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ({"code": {"train": {"digest": "0", "roots": [], "files": []}}}, "code of train changed"),
        ({"protocol": {"name": "motion", "sha256": "0"}}, "protocol changed"),
    ],
)
def test_what_was_made_by_other_code_or_of_another_protocol_is_stale(
    origin: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    finished(tmp_path, **origin)
    assert overview.overview(tmp_path)[0].stale == (reason,)


def test_a_protocol_and_a_plugin_that_are_elsewhere_are_not_judged(tmp_path: Path) -> None:
    elsewhere = {"digest": "0", "roots": [], "files": ["mine.py"]}
    finished(tmp_path, protocol={"name": "my-own", "sha256": "0"}, code={"score": elsewhere})
    assert overview.overview(tmp_path)[0].stale == ()


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_a_name_holds_a_row_stays_a_row(name: str, runs: Path) -> None:
    plain = overview.overview(runs)[0]
    row = plain._replace(method=name, backbone=name, deviations={name: name})
    for form in ("table", "csv", "latex"):
        text, same = (overview_text.FORMATS[form]([its]) for its in (row, plain))
        assert len(text.splitlines()) == len(same.splitlines())
        assert all(line.isprintable() for line in text.splitlines())
    assert json.loads(overview_text.as_json([row]))[0]["method"] == name


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_sees_no_command_no_column_and_no_option_in_a_name(name: str) -> None:
    text = latex.escape(name)
    for harmless in (r"\{", r"\}", r"\$", r"\&", r"\#", r"\%", r"\_", "{[}", "{]}", "{*}", "{-}"):
        text = text.replace(harmless, "")
    for command in ("backslash", "asciitilde", "asciicircum", "less", "greater", "bar", "asciigrave", "quotesingle",
                    "quotedbl"):  # fmt: skip
        text = text.replace(f"\\text{command}{{}}", "")
    assert not set(text) & set("\\{}$&#%_^~<>|`[]*\n")


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" in CliRunner().invoke(cli, ["list", "datasets"], color=True).output
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in CliRunner().invoke(cli, ["list", "datasets"], color=True).output
