"""Trackers: what they are given, that names suit them, and that their absence is one line before anything runs."""

import re
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from osarbench import cli
from osarbench.run import trackers


class Fake(types.ModuleType):
    """A library that notes what it is called with."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[str, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "start_run":

            @contextmanager
            def started(**named: Any) -> Any:
                self.calls.append((name, (), named))
                yield
                self.calls.append(("end_run", (), {}))

            return started
        return lambda *given, **named: self.calls.append((name, given, named))


@pytest.fixture
def run(tmp_path: Path) -> trackers.Tracked:
    (tmp_path / "energy").mkdir()
    (tmp_path / "training.csv").write_text("epoch,loss,clips/s\n1,2.5,10\n2,1.5,\n")
    numbers = {"auroc": 0.75, "closed_top5": None, "known": 3}
    return trackers.tracked(tmp_path / "energy", numbers, {"protocol": "motion", "seed": "0"})


def test_a_method_is_given_with_its_numbers_and_its_training(run: trackers.Tracked) -> None:
    assert run.name == "motion-0-energy"
    assert run.config == {"protocol": "motion", "seed": "0", "method": "energy"}
    assert run.numbers == {"auroc": 0.75, "known": 3.0}
    assert run.history == [{"epoch": 1, "loss": 2.5, "clips/s": 10}, {"epoch": 2, "loss": 1.5}]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_each_method_is_a_run_of_its_own(monkeypatch: pytest.MonkeyPatch, run: trackers.Tracked, name: str) -> None:
    library = Fake(name)
    monkeypatch.setitem(sys.modules, name, library)
    trackers.track(name, [run, run])
    one = [
        ("init", (), {"project": "osarbench", "name": run.name, "config": dict(run.config)}),
        ("log", ({"train/loss": 2.5, "train/clips/s": 10.0},), {"step": 1}),
        ("log", ({"train/loss": 1.5},), {"step": 2}),
        ("log", (dict(run.numbers),), {}),
        ("finish", (), {}),
    ]
    assert library.calls == [*one, *one]


def test_mlflow_is_given_names_that_it_takes(monkeypatch: pytest.MonkeyPatch, run: trackers.Tracked) -> None:
    library = Fake("mlflow")
    monkeypatch.setitem(sys.modules, "mlflow", library)
    trackers.track("mlflow", [run])
    assert [call[0] for call in library.calls] == [
        "set_experiment", "start_run", "log_params", "log_metrics", "log_metrics", "log_metrics", "end_run"
    ]  # fmt: skip
    names = [name for call in library.calls if call[0] == "log_metrics" for name in call[1][0]]
    assert all(re.fullmatch(r"[\w\-./ ]+", name) for name in names)


@pytest.mark.parametrize("name", trackers.NAMES)
def test_a_tracker_that_is_not_installed_is_one_line_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    given = ["run", "--method", "energy", "--backbone", "tsm", "--tracker", name, "--runs", str(tmp_path / "runs")]
    with pytest.raises(SystemExit):
        cli.main(given)
    assert f"This needs {name}, which is not installed. Install it with: pip install 'osarbench[{name}]'" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "runs").exists()
