"""What a run would cost is said before it starts, and is about what it then takes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_run import request

from osarbench.commands.plan_text import plan_text
from osarbench.data.stores import trial
from osarbench.model import measuring
from osarbench.run import costs
from osarbench.run.run import plan, run


@pytest.fixture(autouse=True)
def _briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SECONDS", 0.05)


def of(folder: Path, cache: Path, **changes: object) -> costs.Costs:
    planned, _ = plan(request(folder, cache, "dnn", **changes))
    assert planned is not None
    return costs.of(planned)


def test_work_disk_and_time_are_told_before_anything_is_made(tmp_path: Path) -> None:
    told = {cost.name: cost for cost in of(tmp_path, tmp_path / "cache").steps}
    assert told["decode"].work == "72 videos, about 720 frames, kept as raw"  # 8 of 80 are copies
    assert told["decode"].disk == 72 * 10 * 24 * 32 * 3
    assert told["train linear-0"].work == "36 videos, 4 epochs, 128 clips"  # 4 batches of 8 an epoch
    assert told["extract linear-0/features.npy"].work == "44 videos, 88 views"
    assert all(told[name].seconds for name in ("decode", "train linear-0", "extract linear-0/features.npy"))
    assert not (tmp_path / "runs").exists()
    assert not list((tmp_path / "cache/clips").glob("*/*.pack"))


def test_what_was_told_is_what_is_written(tmp_path: Path) -> None:
    told = {cost.name: cost for cost in of(tmp_path, tmp_path / "cache").steps}
    run(request(tmp_path, tmp_path / "cache", "dnn"))
    features = (tmp_path / "runs/toy/toy/linear-0/features.npy").stat().st_size
    assert told["extract linear-0/features.npy"].disk == features - 128  # the header of a .npy file
    packs = sum(file.stat().st_size for file in (tmp_path / "cache/clips").glob("*/*.pack"))
    assert told["decode"].disk == pytest.approx(packs, rel=0.05)


def test_what_stands_is_reused_and_costs_nothing(tmp_path: Path) -> None:
    run(request(tmp_path, tmp_path / "cache", "dnn"))
    told = of(tmp_path, tmp_path / "cache")
    assert {cost.state for cost in told.steps} == {"fresh"}
    assert (told.seconds, told.disk) == (0, 0)
    assert "Everything is there" in plan_text(told)
    stale = of(tmp_path, tmp_path / "cache", epochs=2)
    assert [cost.state for cost in stale.steps][:2] == ["fresh", "stale"]
    assert "2 epochs, 64 clips" in plan_text(stale)
    assert "--redo" in plan_text(stale)


def test_memory_of_a_training_is_weights_gradients_momentum_and_what_each_clip_keeps() -> None:
    layer = torch.nn.Linear(10, 10, bias=False)

    def step(count: int) -> None:
        (layer(torch.zeros(count, 10, requires_grad=True)) ** 2).sum().backward()

    assert measuring._kept_by(step) == (2 * 10 * 4 + 2 * 10 * 4 + 400) / 2  # input, output, and the weights


def test_reading_and_computing_go_on_at_once_only_where_processes_read() -> None:
    assert costs._per_clip(100.0, 50.0, overlap=True) == pytest.approx(1 / 50)
    assert costs._per_clip(100.0, 50.0, overlap=False) == pytest.approx(3 / 100)


@pytest.mark.parametrize("kind", ["raw", "jpeg", "none"])
def test_a_store_of_noise_reads_as_the_store_would(kind: str) -> None:
    frames = trial.of_noise(kind, 24, None).frames(3, np.array([0, 5, 5]))
    assert frames.shape == (3, 24, 32, 3)
    assert frames.dtype == np.uint8


def test_a_plan_that_does_not_fit_the_disk_says_so() -> None:
    cost = costs.Cost("decode", "missing", (), "videos", 60.0, 2e9)
    text = plan_text(costs.Costs([cost], 1e9, 1e9, []))
    assert "That does not fit" in text
    assert "about 1:00 min" in text
    assert "about 2.0 GB; 1.0 GB are free" in text
