"""Artifacts of a run: written atomically, reused when they fit, refused when they do not."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from osarbench.artifacts import locks, manifest, storage
from osarbench.errors import OsarbenchError


def make(file: Path, content: str = "numbers", **identity: object) -> None:
    with manifest.write_artifact(file, identity) as temporary:
        temporary.write_text(content)


def test_a_file_of_the_same_identity_stands(tmp_path: Path) -> None:
    make(tmp_path / "scores.csv", seed=1)
    assert manifest.is_fresh(tmp_path / "scores.csv", {"seed": 1}, redo=False)


def test_a_file_of_another_identity_is_refused_by_the_name_of_what_differs(tmp_path: Path) -> None:
    make(tmp_path / "network.pt", training={"epochs": 8}, seed=1)
    with pytest.raises(OsarbenchError, match=r"(?s)training\.epochs: 8 there, 3 here.*--redo"):
        manifest.is_fresh(tmp_path / "network.pt", {"training": {"epochs": 3}, "seed": 1}, redo=False)


def test_redo_makes_another_identity_anew(tmp_path: Path) -> None:
    make(tmp_path / "network.pt", seed=1)
    assert not manifest.is_fresh(tmp_path / "network.pt", {"seed": 2}, redo=True)


def test_a_file_without_manifest_does_not_stand(tmp_path: Path) -> None:
    (tmp_path / "network.pt").write_text("half of it")
    assert not manifest.is_fresh(tmp_path / "network.pt", {}, redo=False)


def test_a_damaged_file_does_not_stand(tmp_path: Path) -> None:
    file = tmp_path / "features.npy"
    make(file, "0123456789")
    file.write_text("0123456780")
    os.utime(file, ns=(1, 1))
    assert not manifest.is_fresh(file, {}, redo=False)


def test_a_touched_but_equal_file_stands(tmp_path: Path) -> None:
    make(tmp_path / "features.npy")
    os.utime(tmp_path / "features.npy", ns=(1, 1))
    assert manifest.is_fresh(tmp_path / "features.npy", {}, redo=False)


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    file = tmp_path / "index.csv"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError), storage.atomic_write(file) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["index.csv"]
    assert file.read_text() == "old"


def test_a_full_disk_is_said_in_words(tmp_path: Path) -> None:
    with (
        pytest.raises(OsarbenchError, match="No space left while writing"),
        storage.atomic_write(tmp_path / "a") as temporary,
    ):
        raise OSError(28, "No space left on device", str(temporary))


def test_a_full_disk_that_torch_does_not_name_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "LITTLE_SPACE", 1e30)
    with pytest.raises(OsarbenchError, match="No space left while writing"), storage.atomic_write(tmp_path / "a"):
        raise RuntimeError("basic_ios::clear: iostream error")


def test_the_manifest_says_what_made_the_file(tmp_path: Path) -> None:
    make(tmp_path / "a.csv", "numbers", protocol="abc")
    content = json.loads((tmp_path / "a.csv.manifest.json").read_text())
    assert content["identity"] == {"protocol": "abc"}
    assert content["sha256"] == storage.sha256(tmp_path / "a.csv")


def _hold(folder: Path, ready: Path) -> None:
    with locks.exclusive_lock(folder, "x"):
        ready.write_text("held")
        time.sleep(60)


def test_a_killed_run_leaves_no_lock_behind(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path / "entry", ready))
    holder.start()
    while not ready.exists():
        time.sleep(0.01)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    said: list[str] = []
    with locks.exclusive_lock(tmp_path / "entry", "x", said.append):
        assert said == []


def test_what_stood_before_a_failed_write_still_stands(tmp_path: Path) -> None:
    make(tmp_path / "checkpoint.pt", epoch=1)
    with pytest.raises(OSError, match="no space"), manifest.write_artifact(tmp_path / "checkpoint.pt", {"epoch": 2}):
        raise OSError("no space")
    assert manifest.is_fresh(tmp_path / "checkpoint.pt", {"epoch": 1}, redo=False)


def test_a_file_beside_the_manifest_of_an_older_one_does_not_stand(tmp_path: Path) -> None:
    make(tmp_path / "checkpoint.pt", "old numbers", epoch=1)
    (tmp_path / "checkpoint.pt").write_text("new numbers")  # what a kill between the two renames leaves
    assert not manifest.is_fresh(tmp_path / "checkpoint.pt", {"epoch": 1}, redo=False)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OsarbenchError, match=r"file/report\.json cannot be written"):
        storage.write_text(tmp_path / "file/report.json", "{}")
    with (
        pytest.raises(OsarbenchError, match="runs cannot be written"),
        locks.exclusive_lock(tmp_path / "file/runs", "it"),
    ):
        pass
