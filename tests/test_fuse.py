"""Fusion: weighted sums as published, and several runs as one entry."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from test_run import request

from osarbench.artifacts import manifest
from osarbench.errors import OsarbenchError
from osarbench.run import fusion, parts
from osarbench.run.fuse import FuseConfig, fuse
from osarbench.run.run import Entry, run
from osarbench.scores.metrics.closed import mean_class_accuracy

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of one protocol with other seeds, the second with its training videos' features too."""
    folder = tmp_path_factory.mktemp("two")
    for seed in (0, 1):
        run(request(folder, folder / "cache", "dnn", "toy_nearest", seeds=(seed,)))
    top = folder / "runs" / "toy" / "toy"
    return top / "linear-0", top / "linear-1"


def asked(runs: tuple[Path, ...], into: Path, **changes: Any) -> FuseConfig:
    return replace(FuseConfig(runs=runs, into=into, plugin_files=(HERE / "toy.py",)), **changes)


def table(entry: Entry) -> pd.DataFrame:
    return pd.read_csv(entry.scores)


def test_two_streams_fused_as_published_have_the_published_scores_and_mean_class_accuracies(shared: Path) -> None:
    stored = np.load(shared / "data/parity/tsn/fusion.npz")
    streams = [torch.from_numpy(stored[f"{name}_frame_crop_class"].astype(np.float64)).mean(dim=2).mean(dim=1)
               for name in ("spatial", "temporal")]  # fmt: skip
    fused = fusion.combine(streams, (1, 1.5), "logits")
    np.testing.assert_allclose(fused, stored["fused_1_to_1p5"], atol=2e-4, rtol=0)
    found = [mean_class_accuracy(stored["labels"], each.argmax(dim=1).numpy()) for each in (*streams, fused)]
    np.testing.assert_allclose(np.array(found, dtype=float), stored["mean_class_acc"], atol=1e-12)


def test_sums_are_those_of_hand() -> None:
    one, other = torch.tensor([[0.0, 2.0]]), torch.tensor([[3.0, 1.0]])
    assert fusion.combine([one, other], (1, 2), "logits").tolist() == [[6.0, 4.0]]
    logs = fusion.combine([one, other], (1, 2), "log-probabilities")
    torch.testing.assert_close(logs.softmax(dim=1), torch.tensor([[6.0, 4.0]], dtype=torch.float64).softmax(dim=1))
    mixed = fusion.combine([one, other], (1, 3), "probabilities").softmax(dim=1)
    expected = (one.double().softmax(dim=1) + 3 * other.double().softmax(dim=1)) / 4
    torch.testing.assert_close(mixed, expected)


@pytest.mark.parametrize("of", fusion.KINDS)
def test_fitted_weights_prefer_the_network_that_knows(of: fusion.Of) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(5, (400,), generator=generator)
    noise = torch.randn(2, 400, 5, generator=generator)
    knows = noise[0] + 2 * torch.nn.functional.one_hot(labels, 5)
    knowing, guessing = fusion.fit([knows, noise[1]], labels, of)
    assert knowing > 5 * guessing


def test_the_fitted_share_of_two_equal_networks_is_a_half() -> None:
    logits = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert fusion.fit([logits, logits], torch.arange(50) % 3, "probabilities") == (0.5, 0.5)


def test_a_fused_entry_has_the_sum_of_logits_and_features_side_by_side(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (entry,) = fuse(asked(runs, tmp_path, weights=(1, 1.5), methods=("dnn",)))
    available = parts.read(runs[0])
    stored = [np.load(folder / "features.npy").mean(axis=1) for folder in runs]
    outputs = np.load(entry.folder.parent / "outputs.npy")
    np.testing.assert_array_equal(outputs[:, 0, :16], np.concatenate(stored, axis=1))
    states = [torch.load(folder / "network.pt", weights_only=True)["head"] for folder in runs]
    each = [torch.nn.functional.linear(torch.from_numpy(vectors), state["fc.weight"], state["fc.bias"])
            for vectors, state in zip(stored, states, strict=True)]  # fmt: skip
    expected = each[0] + 1.5 * each[1]
    np.testing.assert_allclose(outputs[:, 0, 16:], expected, atol=1e-5)
    rows = table(entry)
    assert rows["video"].tolist() == available.rows.query("role != 'train'")["video"].tolist()
    np.testing.assert_allclose(rows["confidence"], expected.double().softmax(dim=1).amax(dim=1), atol=1e-5)
    head = torch.load(entry.folder.parent / "network.pt", weights_only=True)["head"]
    found = torch.from_numpy(outputs[:, 0, :16]) @ head["fc.weight"].T + head["fc.bias"]
    np.testing.assert_allclose(found, expected, atol=1e-5)  # so that methods that look at weights see the same network


@pytest.mark.slow
def test_every_posthoc_method_works_on_a_fused_entry(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = fuse(asked(runs, tmp_path, methods=("all-posthoc",)))
    assert len(found) > 30
    assert all(np.isfinite(table(entry)["uncertainty"]).all() for entry in found)


def test_a_fusion_of_a_run_with_itself_decides_as_the_run(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (entry,) = fuse(asked((runs[0], runs[0]), tmp_path, weights=(0.5, 0.5), methods=("maxlogit",)))
    (alone,) = fuse(asked((runs[0], runs[1]), tmp_path, weights=(1, 0), methods=("maxlogit",)))
    pd.testing.assert_frame_equal(table(entry), table(alone), rtol=1e-5)


def test_a_fused_entry_states_its_parts_and_is_reused_and_made_again_when_they_change(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    (entry,) = fuse(asked(runs, tmp_path, methods=("dnn",)))
    made = manifest.read(entry.scores)
    assert made is not None
    stated = made["origin"]["fusion"]
    assert stated["weights"] == [1.0, 1.0]
    assert [its["outputs"] for its in stated["parts"]] == [manifest.digest_of(run / "features.npy") for run in runs]
    assert made["origin"]["backbone"] == "toy+toy"
    outputs = entry.folder.parent / "outputs.npy"
    before = outputs.stat().st_mtime_ns
    fuse(asked(runs, tmp_path, methods=("dnn",)))
    assert outputs.stat().st_mtime_ns == before
    inputs = manifest.read(outputs)
    assert inputs is not None
    assert {"part 1", "part 2", "videos"} == set(inputs["identity"]["inputs"])


def test_a_fused_entry_can_be_fused_again(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (pair,) = fuse(asked(runs, tmp_path, methods=("maxlogit",)))
    (three,) = fuse(asked((pair.folder, runs[0]), tmp_path, methods=("maxlogit",)))
    (same,) = fuse(asked(runs, tmp_path, weights=(2, 1), methods=("maxlogit",)))
    pd.testing.assert_frame_equal(table(three), table(same), rtol=1e-5)


def test_the_methods_are_those_of_all_runs_if_none_is_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    assert [entry.method for entry in fuse(asked(runs, tmp_path))] == ["dnn", "toy_nearest"]


def test_fitted_weights_come_from_held_out_known_videos_alone(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (entry,) = fuse(asked(runs, tmp_path, weights="fit", methods=("dnn",)))
    rows, stored = parts.read(runs[0]).rows, [parts.read(folder) for folder in runs]
    tested = rows[rows["role"] != "train"].reset_index(drop=True)
    places = np.flatnonzero(tested["role"] == "calibration")
    labels = torch.tensor([stored[0].facts["classes"].index(label) for label in tested["label"][places]])
    from osarbench.plugins import loading

    available = loading.load(files=(HERE / "toy.py",))
    logits = [part.outputs(part.tested, places, part.load_head(available))[1] for part in stored]
    made = manifest.read(entry.scores)
    assert made is not None
    assert made["origin"]["fusion"]["weights"] == list(fusion.fit(logits, labels, "logits"))
    assert made["origin"]["fusion"]["fitted"] is True


def test_what_does_not_fit_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="3 weights for 2 runs"):
        fuse(asked(runs, tmp_path, weights=(1, 1, 1)))
    with pytest.raises(OsarbenchError, match="not all 0"):
        fuse(asked(runs, tmp_path, weights=(0, 0)))
    with pytest.raises(OsarbenchError, match="two runs or more"):
        fuse(asked(runs[:1], tmp_path))
    with pytest.raises(OsarbenchError, match="needs a network with the head 'edl'"):
        fuse(asked(runs, tmp_path, methods=("edl",)))
    with pytest.raises(OsarbenchError, match="holds 2 runs"):
        fuse(asked((runs[0], runs[0].parent), tmp_path))
    with pytest.raises(OsarbenchError, match="no run at"):
        fuse(asked((runs[0], tmp_path / "gone"), tmp_path))


def copied(run_: Path, into: Path) -> Path:
    import shutil

    return Path(shutil.copytree(run_, into / run_.name))


def relisted(folder: Path, rows: pd.DataFrame | None = None, **settings: Any) -> None:
    """Let a run be of other videos, or of other classes."""
    file = folder / "videos.csv"
    made = manifest.read(file)
    assert made is not None
    kept = parts.read(folder).rows if rows is None else rows
    identity = {**made["identity"], "settings": {**made["identity"]["settings"], **settings}}
    with manifest.write_artifact(file, identity, {"file": made["file"]}) as temporary:
        kept.to_csv(temporary, index=False)


def test_runs_of_other_class_orders_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = copied(runs[1], tmp_path)
    relisted(other, classes=["green", "red", "blue"])
    with pytest.raises(OsarbenchError, match="different orders: class 0 is red in one and green in the other"):
        fuse(asked((runs[0], other), tmp_path))


def test_runs_of_another_protocol_are_refused_and_those_of_another_recipe_are_not(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    text = (HERE / "toy.toml").read_text()
    (tmp_path / "warmer.toml").write_text(text.replace("learning_rate = 0.5", "learning_rate = 0.4"))
    (tmp_path / "other.toml").write_text(text.replace("calibration = 0.25", "calibration = 0.5"))
    cache = runs[0].parents[3] / "cache"
    for name in ("warmer", "other"):
        run(request(tmp_path, cache, "dnn", protocol=str(tmp_path / f"{name}.toml")))
    assert fuse(asked((runs[0], tmp_path / "runs/warmer"), tmp_path, methods=("dnn",)))
    with pytest.raises(OsarbenchError, match=r"protocol 'toy' and .* of 'other', which differ in \[known\]"):
        fuse(asked((runs[0], tmp_path / "runs/other"), tmp_path, methods=("dnn",)))


def test_videos_that_one_run_lacks_are_named_and_left_out(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copied(runs[1], tmp_path)
    rows = parts.read(other).rows
    first = rows.index[rows["role"] == "known"][0]
    relisted(other, rows.assign(video=rows["video"].where(rows.index != first, "test/elsewhere.avi")))
    with pytest.raises(OsarbenchError, match=r"linear-1 lacks toy/test/test/red_g4_c0.avi"):
        fuse(asked((runs[0], other), tmp_path / "strict", methods=("dnn",)))
    text = (HERE / "toy.toml").read_text()
    (tmp_path / "toy.toml").write_text(f"max_unreadable = 0.2\n{text}")
    for folder in (runs[0], other):
        patient = copied(folder, tmp_path / "patient")
        from osarbench.protocols import protocol as protocols

        read = protocols.read(str(tmp_path / "toy.toml"))
        made = manifest.read(patient / "videos.csv")
        assert made is not None
        identity = {**made["identity"], "settings": {**made["identity"]["settings"],
                    "protocol": {"name": "toy", "sha256": read.sha256}}}  # fmt: skip
        kept = (patient / "videos.csv").read_bytes()
        with manifest.write_artifact(patient / "videos.csv", identity, {"file": str(read.file)}) as temporary:
            temporary.write_bytes(kept)
    pair = (tmp_path / "patient/linear-0", tmp_path / "patient/linear-1")
    (entry,) = fuse(asked(pair, tmp_path / "fused", methods=("dnn",)))
    assert "linear-1 lacks toy/test/test/red_g4_c0.avi" in capsys.readouterr().err
    lacking = pd.read_csv(entry.folder.parent / "lacking.csv")
    assert lacking["video"].tolist() == ["test/elsewhere.avi", "test/red_g4_c0.avi"]
    assert len(table(entry)) == len(table_of(runs[0])) - 1
    assert json.loads((entry.folder / "metrics.json").read_text())["settings"]


def table_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "dnn" / "scores.csv")
