"""What a network leans on shows when its test videos are changed: in time, in motion, in their background."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from test_run import HERE, request
from torch import Tensor

from osarbench.cli import cli
from osarbench.data import perturbations
from osarbench.errors import OsarbenchError
from osarbench.run import diagnosis
from osarbench.run.run import run
from osarbench.scores import table as tables


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a method that fits, with the folder of the cache beside the runs."""
    folder = tmp_path_factory.mktemp("diagnosed")
    (entry,) = run(request(folder, folder / "cache", "toy_nearest"))
    return entry.folder


def diagnose(folder: Path, *conditions: str) -> diagnosis.Diagnosis:
    config = request(folder.parents[4], folder.parents[4] / "cache", "toy_nearest")
    read = diagnosis.config_of(
        folder, config.locations, protocol=config.protocol, plugin_files=config.plugin_files, device="cpu"
    )
    assert (read.methods, read.backbone, read.seeds, read.runs) == (("toy_nearest",), "toy", (0,), config.runs)
    return diagnosis.diagnose(folder, read, conditions=conditions, draws=200)


def view() -> Tensor:
    """A square of 8 pixels that moves to the right over a still, structured background."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 60, (3, 1, 32, 32), generator=generator, dtype=torch.uint8).repeat(1, 8, 1, 1)
    for time in range(8):
        frames[:, time, 12:20, 3 * time : 3 * time + 8] = 250
    return frames


def changed(name: str, seed: int = 0) -> Tensor:
    return perturbations.PERTURBATIONS[name](view(), np.random.default_rng(seed))


def test_shuffling_keeps_every_frame_and_never_their_order() -> None:
    for seed in range(20):
        frames = changed("shuffled", seed)
        assert not torch.equal(frames, view())
        assert sorted(frames.sum(dim=(0, 2, 3)).tolist()) == sorted(view().sum(dim=(0, 2, 3)).tolist())
    pair = view()[:, :2]
    assert torch.equal(perturbations.shuffled(pair, np.random.default_rng(1)), pair.flip(1))
    assert torch.equal(perturbations.shuffled(pair[:, :1], np.random.default_rng(1)), pair[:, :1])


def test_backwards_is_the_reverse_and_static_the_middle_frame() -> None:
    assert torch.equal(changed("backwards")[:, 0], view()[:, 7])
    assert all(torch.equal(changed("static")[:, time], view()[:, 4]) for time in range(8))


@pytest.mark.parametrize("name", perturbations.OF_COLOURS)
def test_what_moves_is_kept_and_what_does_not_is_changed(name: str) -> None:
    frames = changed(name)
    for time in range(8):
        square = (slice(None), time, slice(12, 20), slice(3 * time, 3 * time + 8))
        assert torch.equal(frames[square], view()[square])
    assert frames.dtype == torch.uint8
    far = frames[:, :, :4].float()
    assert (far.std() < 0.5 * view()[:, :, :4].float().std()) == (name == "background_blurred")


def test_a_frozen_background_does_not_flicker() -> None:
    frames = view()
    frames[:, 3, 0:4] += 4  # less than what counts as motion
    frozen = perturbations.background_frozen(frames, np.random.default_rng(0))
    assert torch.equal(frozen[:, 3, 0:2], frozen[:, 2, 0:2])


def test_only_test_videos_are_changed_and_each_condition_is_a_scores_table(finished: Path) -> None:
    result = diagnose(finished)
    original = tables.read(finished / "scores.csv")
    for condition in perturbations.PERTURBATIONS:
        table = tables.read(finished / "diagnosis" / f"{condition}.csv")
        assert list(table["role"].value_counts().sort_index()) == list(original["role"].value_counts().sort_index())
        before, after = (its[its["role"] == "calibration"].reset_index(drop=True) for its in (original, table))
        pd.testing.assert_frame_equal(before, after)
    assert {its.condition for its in result.changes} == set(perturbations.PERTURBATIONS)
    assert not list((finished / "diagnosis").glob("*.npy"))


def test_a_change_is_that_of_the_metric_on_the_same_videos(finished: Path) -> None:
    result = diagnose(finished, "static")
    for its in result.changes:
        assert its.change == pytest.approx(its.value - result.original[its.metric])
        assert its.low <= its.change <= its.high
    accuracy = tables.read(finished / "diagnosis/static.csv").query("role == 'known'")
    expected = float((accuracy["label"] == accuracy["predicted"]).mean())
    (stated,) = [its.value for its in result.changes if its.metric == "closed_accuracy"]
    assert stated == pytest.approx(expected)
    assert set(result.classes["static"]["known"]) == {"red", "green", "blue"}


def test_a_second_diagnosis_makes_nothing_again(finished: Path) -> None:
    diagnose(finished, "backwards")
    before = (finished / "diagnosis/backwards.csv").stat().st_mtime_ns
    diagnose(finished, "backwards")
    assert (finished / "diagnosis/backwards.csv").stat().st_mtime_ns == before


def test_splits_with_matched_and_swapped_scenes_are_compared(finished: Path) -> None:
    table = tables.read(finished / "scores.csv").drop(columns="label_rank", errors="ignore")
    grey = table[table["role"] == "unknown"]  # a second unknown class
    table = pd.concat([table, grey.assign(label="white", video="w" + grey["video"])], ignore_index=True)
    known = (table["role"] == "known").to_numpy()
    half = known & (table.groupby(["role", "label"]).cumcount() % 2 == 1)
    table.loc[known, "source"] = "toy/test_matched"
    table.loc[half, "source"] = "toy/test_swapped"
    table.loc[half, "predicted"] = "blue"
    result = diagnosis._compared(finished, {"original": table, "static": table}, {}, 200)
    (swap,) = [i for i in result.changes if i.condition == "scenes_swapped" and i.metric == "closed_accuracy"]
    right = (table["label"] == table["predicted"])[known & ~half].mean()
    assert swap.value == pytest.approx(1 / 3)
    assert swap.change == pytest.approx(1 / 3 - right)


def test_the_command_shows_changes_and_writes_all_numbers(finished: Path) -> None:
    out = finished / "diagnosis.json"
    found = CliRunner().invoke(cli, [
        "diagnose", str(finished), "--condition", "static", "--protocol", str(HERE / "toy.toml"), "--plugin",
        str(HERE / "toy.py"), "--cache", str(finished.parents[4] / "cache"), "--device", "cpu", "--json", str(out),
    ])  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "static" in found.output
    assert json.loads(out.read_text())["changes"][0]["condition"] == "static"


def test_a_run_that_is_none_and_a_condition_that_is_none_are_named(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="is no folder of a method"):
        diagnosis.config_of(tmp_path, request(tmp_path, tmp_path).locations)
    with pytest.raises(OsarbenchError, match="There is no condition 'shuffeld'. Did you mean 'shuffled'"):
        diagnose(finished, "shuffeld")


def test_a_run_whose_network_is_gone_is_refused(finished: Path) -> None:
    network = finished.parent / "network.pt"
    network.rename(network.with_name("away"))
    try:
        with pytest.raises(OsarbenchError, match="'train linear-0' of this run is missing"):
            diagnose(finished, "static")
    finally:
        network.with_name("away").rename(network)
