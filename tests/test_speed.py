"""A training says how fast it reads and computes, and what share of the time it waited for clips."""

import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from test_run import request

from osarbench.data import locations
from osarbench.errors import OsarbenchError
from osarbench.model import speed
from osarbench.run.run import run

FIGURES = {"read/s": 90.0, "forward/s": 98.4, "backward/s": 217.8, "waiting": 0.034}


def test_clips_a_second_and_the_share_of_waiting_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    # a moment is asked for once or twice at each of these
    moments = iter([0.0, 1.0, 1.0, 3.0, 6.0, 6.0, 8.0, 8.0, 9.0, 10.0, 10.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    monitor = speed.SpeedMonitor(torch.device("cpu"))  # at 0
    for _ in range(2):
        monitor.came(6)  # at 1 and 8: after 1 and 2 seconds
        monitor.went_forward()  # at 3 and 9
        monitor.went_backward()  # at 6 and 10
    figures = monitor.figures()
    assert figures["read/s"] == pytest.approx(12 / 3)
    assert figures["forward/s"] == pytest.approx(12 / 3)
    assert figures["backward/s"] == pytest.approx(12 / 4)
    assert figures["waiting"] == pytest.approx(3 / 10)


def test_colours_follow_the_limits_of_the_config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("OSARBENCH_CONFIG", str(file))
    red, yellow, green = "\x1b[31m", "\x1b[33m", "\x1b[32m"
    line = speed.shown(FIGURES, locations.speed_limits(), colour=True)
    assert [line.index(text) for text in (f"{red}r=90", f"{yellow}f=98.4", f"{green}b=218", f"{green}waiting 3 %")]
    file.write_text("[speed]\nread = [10, 80]\nwaiting = [0.03, 0.01]\n")
    line = speed.shown(FIGURES, locations.speed_limits(), colour=True)
    assert f"{green}r=90" in line
    assert f"{red}waiting 3 %" in line
    assert "\x1b" not in speed.shown(FIGURES, colour=False)


@pytest.mark.parametrize("line", ["raed = [1, 2]", "read = 3", 'read = ["a", "b"]'])
def test_a_limit_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    (tmp_path / "config.toml").write_text(f"[speed]\n{line}\n")
    monkeypatch.setenv("OSARBENCH_CONFIG", str(tmp_path / "config.toml"))
    with pytest.raises(OsarbenchError, match="is no limit"):
        locations.speed_limits()


def test_every_epoch_of_a_training_has_its_speeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = run(request(tmp_path, tmp_path / "cache", "dnn"))
    history = pd.read_csv(entry.folder.parent / "training.csv")
    assert {"read/s", "forward/s", "backward/s", "waiting"} <= set(history.columns)
    assert history["waiting"].between(0, 1).all()
    parts = sum(1 / history[name] for name in ("read/s", "forward/s", "backward/s"))
    assert (1 / parts >= history["clips/s"] * 0.99).all()  # nothing is counted twice
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train: epoch")]
    assert len(lines) == 4
    assert all(" clips/s, waiting " in line for line in lines)
