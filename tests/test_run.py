"""The whole pipe on a toy: its files, reuse, refusal, and what happens when it is killed."""

import gzip
import hashlib
import json
import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toy

from osarbench.artifacts import storage
from osarbench.data import locations
from osarbench.errors import OsarbenchError
from osarbench.leaderboard import entries
from osarbench.protocols import protocol as protocols
from osarbench.reports.figures import draw
from osarbench.run import weights as starting_weights
from osarbench.run.config import RunConfig
from osarbench.run.run import Entry, Failed, plan, run
from osarbench.scores import table

HERE = Path(__file__).parent
WORDED = """
from osarbench import Method, hookimpl

class Worded(Method):
    name = "worded"

    def __init__(self, *, word: str = "none") -> None:
        self.word = word

    def uncertainty(self, outputs):
        return -outputs.logits.amax(dim=1)

@hookimpl
def osarbench_methods():
    return [Worded]
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def request(folder: Path, cache: Path, *methods: str, **changes: Any) -> RunConfig:
    found = locations.Locations(data=None, datasets={}, cache=cache, weights=None)
    asked = RunConfig(
        protocol=str(HERE / "toy.toml"), backbone="toy", methods=methods or ("dnn",), locations=found,
        runs=folder / "runs", device="cpu", plugin_files=(HERE / "toy.py",),
    )  # fmt: skip
    return replace(asked, **changes)


def scores(entry: Entry) -> pd.DataFrame:
    return pd.read_csv(entry.folder / "scores.csv")


def times(folder: Path) -> dict[str, int]:
    kept = (".pt", ".npy", ".csv", ".png")
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*") if file.suffix in kept}


def test_a_run_leaves_the_whole_chain_of_files(tmp_path: Path, cache: Path) -> None:
    (entry,) = run(request(tmp_path, cache), draw=draw)
    folder = tmp_path / "runs" / "toy" / "toy" / "linear-0"
    assert entry.folder == folder / "dnn"
    for file in ("../../index.csv", "../../skipped.json", "network.pt", "features.npy", "training.csv",
                 "dnn/scores.csv", "dnn/metrics.json", "dnn/scores.png"):  # fmt: skip
        assert (folder / file).is_file(), file
    for file in ("../../index.csv", "network.pt", "features.npy", "dnn/scores.csv", "dnn/metrics.json"):
        assert (folder / f"{file}.manifest.json").is_file(), file
    assert not (folder / "checkpoint.pt").exists()
    assert list(folder.glob("tensorboard/*"))


def test_colours_are_learnt_and_every_role_has_its_rows(tmp_path: Path, cache: Path) -> None:
    (entry,) = run(request(tmp_path, cache))
    assert entry.metrics["headline"]["closed_accuracy"] > 0.9
    assert scores(entry)["role"].value_counts().to_dict() == {"known": 24, "unknown": 8, "calibration": 12}


def test_a_second_run_makes_nothing_again(tmp_path: Path, cache: Path) -> None:
    run(request(tmp_path, cache))
    before = times(tmp_path / "runs")
    run(request(tmp_path, cache))
    assert times(tmp_path / "runs") == before


def test_methods_of_one_head_share_its_network_and_features(tmp_path: Path, cache: Path) -> None:
    run(request(tmp_path, cache, "dnn"))
    before = times(tmp_path / "runs")
    entries = run(request(tmp_path, cache, "dnn", "toy_max_logit", "toy_nearest"))
    after = times(tmp_path / "runs")
    assert [entry.method for entry in entries] == ["dnn", "toy_max_logit", "toy_nearest"]
    assert {name: after[name] for name in before} == before
    assert [path.name for path in (tmp_path / "runs/toy/toy").iterdir()] == ["linear-0"]


def test_a_method_with_its_own_head_trains_its_own_network(tmp_path: Path, cache: Path) -> None:
    run(request(tmp_path, cache, "dnn", "dear"))
    assert {path.name for path in (tmp_path / "runs/toy/toy").iterdir()} == {"linear-0", "dear-0"}


def test_other_settings_are_refused_and_redo_makes_them(tmp_path: Path, cache: Path) -> None:
    run(request(tmp_path, cache))
    with pytest.raises(OsarbenchError, match=r"training\.epochs: 4 there, 2 here"):
        run(request(tmp_path, cache, epochs=2))
    (entry,) = run(request(tmp_path, cache, epochs=2, redo=True))
    manifest = json.loads((entry.folder / "scores.csv.manifest.json").read_text())
    assert manifest["origin"]["deviations"] == {"epochs": 2}


def test_a_setting_is_one_entry_however_it_is_written(tmp_path: Path, cache: Path) -> None:
    folders = [
        run(request(tmp_path, cache, "energy", settings={"energy": {"temperature": two}}))[0].folder for two in (2, 2.0)
    ]
    assert folders[0] == folders[1]
    assert folders[0].name == "energy,temperature=2.0"


def test_a_setting_of_text_cannot_lead_out_of_the_folder(tmp_path: Path, cache: Path) -> None:
    plugin = tmp_path / "worded.py"
    plugin.write_text(WORDED)
    asked = request(tmp_path, cache, "worded", settings={"worded": {"word": "../../away"}})
    (entry,) = run(replace(asked, plugin_files=(*asked.plugin_files, plugin)))
    assert entry.folder.name.startswith("worded,word=")
    assert entry.folder.resolve().parent.name == "linear-0"


def test_a_deviation_that_is_to_be_published_is_refused_before_it_costs_a_training(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"deviates from the protocol 'toy' \(epochs = 2\)"):
        run(request(tmp_path, cache, epochs=2, publish=True))
    assert not (tmp_path / "runs").exists()


def test_a_run_is_the_same_twice(tmp_path: Path, cache: Path) -> None:
    (first,) = run(request(tmp_path / "a", cache, "dear"))
    (second,) = run(request(tmp_path / "b", cache, "dear"))
    assert (first.folder / "scores.csv").read_bytes() == (second.folder / "scores.csv").read_bytes()


def test_another_seed_is_another_entry(tmp_path: Path, cache: Path) -> None:
    (first,) = run(request(tmp_path, cache))
    (second,) = run(request(tmp_path, cache, seeds=(1,)))
    assert first.folder != second.folder
    assert not scores(first)["uncertainty"].equals(scores(second)["uncertainty"])


def _killed_after_epoch(asked: RunConfig, epoch: int) -> None:
    from osarbench.model import train

    torch.set_num_threads(1)
    write = train._checkpoint

    def kill(*arguments: Any) -> None:
        write(*arguments)
        if arguments[3] == epoch:
            os.kill(os.getpid(), signal.SIGKILL)

    train._checkpoint = kill  # type: ignore[assignment]
    run(asked)


@pytest.mark.parametrize("method", ["dnn", pytest.param("dear", marks=pytest.mark.slow)])
def test_a_killed_training_goes_on_to_the_result_of_an_unbroken_one(tmp_path: Path, cache: Path, method: str) -> None:
    asked = request(tmp_path / "broken", cache, method)
    victim = multiprocessing.get_context("spawn").Process(target=_killed_after_epoch, args=(asked, 1))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    (resumed,) = run(asked)
    (unbroken,) = run(request(tmp_path / "unbroken", cache, method))
    assert (resumed.folder / "scores.csv").read_bytes() == (unbroken.folder / "scores.csv").read_bytes()
    history = pd.read_csv(resumed.folder.parent / "training.csv")
    assert history["epoch"].tolist() == [1, 2, 3, 4]


def _killed_while_joining(asked: RunConfig) -> None:
    from osarbench.model import extract

    torch.set_num_threads(1)
    extract.PIECE = 16
    extract._join = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    run(asked)


def test_a_killed_extraction_keeps_its_pieces(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from osarbench.model import extract

    asked = request(tmp_path, cache)
    victim = multiprocessing.get_context("spawn").Process(target=_killed_while_joining, args=(asked,))
    victim.start()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL
    pieces = sorted((tmp_path / "runs").rglob("0*.npy"))
    assert len(pieces) == 3
    monkeypatch.setattr(extract, "PIECE", 16)
    monkeypatch.setattr(extract, "_features", None)  # nothing is extracted again
    (entry,) = run(asked)
    assert entry.metrics["headline"]["auroc"] is not None
    assert not any(piece.exists() for piece in pieces)


def _run(asked: RunConfig) -> None:
    torch.set_num_threads(1)
    run(asked)


@pytest.mark.slow
def test_two_runs_at_once_give_one_whole_result(tmp_path: Path) -> None:
    asked = request(tmp_path, tmp_path / "cache")
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=_run, args=(asked,)) for _ in range(2)]
    for process in runs:
        process.start()
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]
    before = times(tmp_path / "runs")
    run(asked)
    assert times(tmp_path / "runs") == before


def test_a_few_unreadable_videos_are_left_out_and_listed(tmp_path: Path) -> None:
    asked = request(tmp_path, tmp_path / "cache", protocol=protocol(tmp_path, "broken = 1", "max_unreadable = 0.05"))
    (entry,) = run(asked)
    skipped = json.loads((tmp_path / "runs/toy-2/skipped.json").read_text())
    assert [video["video"] for video in skipped] == ["train/red_g0_c0.avi"]
    assert skipped[0]["path"].endswith("red_g0_c0.avi")
    assert skipped[0]["reason"]
    assert entry.metrics["counts"]["unknown"] == 8


def test_too_many_unreadable_videos_stop_the_run(tmp_path: Path) -> None:
    asked = request(tmp_path, tmp_path / "cache", protocol=protocol(tmp_path, "broken = 3", "max_unreadable = 0.01"))
    with pytest.raises(OsarbenchError, match=r"3 of \d+ videos cannot be read.*max_unreadable = 0.01"):
        run(asked)


def protocol(folder: Path, setting: str, limit: str) -> str:
    file = folder / "toy-2.toml"
    file.write_text(f"{limit}\n{(HERE / 'toy.toml').read_text()}\n[data.toy]\n{setting}\n")
    return str(file)


def test_a_loss_that_is_not_a_number_stops_and_keeps_the_checkpoint(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from osarbench.interfaces.method import LinearHead

    def loss(self: LinearHead, features: Any, labels: Any, progress: Any) -> Any:
        logits = self(features.vector)
        return logits, {"loss_cls": logits.mean() * (float("nan") if progress.epoch == 2 else 1.0)}

    monkeypatch.setattr(LinearHead, "loss", loss)
    with pytest.raises(OsarbenchError, match="not a number any more in epoch 3. The checkpoint of epoch 2 is kept"):
        run(request(tmp_path, cache))
    assert (tmp_path / "runs/toy/toy/linear-0/checkpoint.pt").is_file()


def test_a_method_that_returns_nan_is_named_and_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"'toy_broken' returns uncertainty that is NaN .* 1 of \d+ videos"):
        run(request(tmp_path, cache, "toy_broken"))


def test_a_method_that_raises_is_named_with_the_stage_and_the_others_go_on(tmp_path: Path, cache: Path) -> None:
    failed: list[Failed] = []
    entries = run(
        request(tmp_path, cache, "dnn", "toy_unmade", "toy_raising", "toy_broken", "toy_max_logit"), failed=failed
    )
    assert [entry.method for entry in entries] == ["dnn", "toy_max_logit"]
    assert [method for method, _ in failed] == ["toy_unmade", "toy_raising", "toy_broken"]
    notes = [failed[position].error.__notes__ for position in (0, 1)]
    assert notes[0] == ["osarbench: raised while the method 'toy_unmade' was made"]
    assert notes[1] == ["osarbench: raised while the method 'toy_raising' scored videos"]


def test_all_posthoc_stands_for_every_post_hoc_method(tmp_path: Path, cache: Path) -> None:
    entries = run(request(tmp_path, cache, "dnn", "all-posthoc"), failed=[])
    names = [entry.method for entry in entries]
    assert names[0] == "dnn"
    assert "toy_nearest" in names
    assert "toy_max_logit" not in names


def test_what_a_method_says_of_its_scores_is_kept_by_source(tmp_path: Path, cache: Path) -> None:
    (entry,) = run(request(tmp_path, cache, "toy_nearest"))
    facts = json.loads((entry.folder / "diagnostics.json").read_text())
    assert set(facts) == set(scores(entry)["source"])
    assert all(isinstance(value["mean_logit"], float) for value in facts.values())


def test_a_published_network_is_evaluated_without_training(tmp_path: Path, cache: Path) -> None:
    (trained,) = run(request(tmp_path, cache))
    weights = str(trained.folder.parent / "network.pt")
    taken, alike = run(request(tmp_path, cache, "dnn", "toy_nearest", weights=weights, train=False))
    assert taken.folder.parent == alike.folder.parent != trained.folder.parent
    assert scores(taken).equals(scores(trained))
    assert not (taken.folder.parent / "training.csv").exists()
    with pytest.raises(OsarbenchError, match=r"deviates from its protocol \(training = none: network.pt\)"):
        entries.publish_run(taken.scores, tmp_path / "boards")


def test_a_file_without_classifier_leaves_nothing_to_evaluate(tmp_path: Path, cache: Path) -> None:
    (trained,) = run(request(tmp_path, cache))
    state = torch.load(trained.folder.parent / "network.pt", weights_only=True)
    torch.save({**state, "head": {}}, tmp_path / "bare.pt")
    with pytest.raises(OsarbenchError, match="has no classifier that 'toy' could use"):
        run(request(tmp_path, cache, weights=str(tmp_path / "bare.pt"), train=False))


def test_bad_weights_are_known_before_any_video_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_bytes(b"<html>")
    asked = request(tmp_path, tmp_path / "cache", backbone="tsm", weights=str(tmp_path / "page.pth"))
    with pytest.raises(OsarbenchError, match="is a web page"):
        run(asked)
    assert not (tmp_path / "cache/clips").exists()


def test_not_to_train_needs_weights(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(OsarbenchError, match="--no-train takes a trained network from a file"):
        run(request(tmp_path, cache, train=False))


def test_a_folder_of_weights_needs_a_protocol_that_names_a_file_in_it(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(OsarbenchError, match="is a folder, and the protocol .* names no file in it"):
        run(request(tmp_path, cache, weights=str(tmp_path)))


def deviation(folder: Path, protocol: str, weights: str | None, configured: Path | None = None) -> str | None:
    """Return how weights, of --weights or of the environment, depart from what a protocol names for TSM."""
    read = protocols.read(protocol)
    found = locations.Locations(data=None, datasets={}, cache=folder, weights=configured)
    asked = replace(request(folder, folder, protocol=protocol, weights=weights), locations=found)

    class Known(toy.ToyBackbone):
        def fetch_weights(self, source: str, folder: Path) -> Path:
            (folder / "fetched.pth").write_bytes(b"a library's")
            return folder / "fetched.pth"

    (folder / "weights").mkdir(exist_ok=True)
    return starting_weights.resolve(asked, read, read.recipe("tsm"), Known()).deviation


def test_other_weights_than_the_protocols_are_a_deviation(tmp_path: Path) -> None:
    own = tmp_path / "mine.pth"
    own.write_bytes(b"mine")
    digest = storage.sha256(own)[:8]
    assert deviation(tmp_path, "dear2021-hmdb51", "none") == "none"
    assert deviation(tmp_path, "dear2021-hmdb51", "torchvision") == "torchvision"
    assert deviation(tmp_path, "dear2021-hmdb51", str(own)) == f"mine.pth (sha256 {digest})"
    assert deviation(tmp_path, "dear2021-hmdb51", None, own) == f"mine.pth (sha256 {digest})"
    assert deviation(tmp_path, "psl2023-hmdb51-scratch", str(own)) == f"mine.pth (sha256 {digest})"
    assert deviation(tmp_path, "psl2023-hmdb51-scratch", "none") is None
    assert deviation(tmp_path, "psl2023-hmdb51-scratch", None) is None


def named_by_its_hash(folder: Path, content: bytes = b"the zoo's") -> tuple[str, Path]:
    """Return a protocol that names a file by eight digits of its sha256 as MMAction2 does, and that file."""
    digits = hashlib.sha256(content).hexdigest()[:8]
    file = folder / f"tsm_r50-{digits}.pth"
    file.write_bytes(content)
    text = protocols.read("dear2021-hmdb51").file.read_text()
    protocol = folder / "named.toml"
    protocol.write_text(text.replace("tsm_r50_dense_256p_1x1x8_100e_kinetics400_rgb_20200727-e1e0c785.pth", file.name))
    return str(protocol), file


def test_the_content_that_a_protocol_names_is_no_deviation_whatever_the_files_name(tmp_path: Path) -> None:
    protocol, file = named_by_its_hash(tmp_path)
    assert deviation(tmp_path, protocol, str(tmp_path), tmp_path) is None
    renamed = file.rename(tmp_path / "kinetics.pth")
    assert deviation(tmp_path, protocol, str(renamed)) is None


def test_another_content_under_the_name_that_a_protocol_names_is_refused(tmp_path: Path) -> None:
    protocol, file = named_by_its_hash(tmp_path)
    file.write_bytes(b"another one")
    with pytest.raises(OsarbenchError, match="is not the weights file that the protocol names: its sha256 begins"):
        deviation(tmp_path, protocol, None, tmp_path)


def test_weights_that_a_protocol_names_without_a_hash_are_a_deviation(tmp_path: Path) -> None:
    protocol, file = named_by_its_hash(tmp_path)
    bare = tmp_path / "bare.toml"
    bare.write_text(Path(protocol).read_text().replace(file.name, "tsm.pth"))
    file.rename(tmp_path / "tsm.pth")
    assert str(deviation(tmp_path, str(bare), None, tmp_path)).startswith("tsm.pth (sha256 ")


def test_a_damaged_feature_file_is_made_again(tmp_path: Path, cache: Path) -> None:
    (entry,) = run(request(tmp_path, cache))
    file = entry.folder.parent / "features.npy"
    whole = np.load(file)
    file.write_bytes(file.read_bytes()[:-100])
    run(request(tmp_path, cache))
    assert np.array_equal(np.load(file), whole)


@pytest.mark.parametrize("frames", [17, 10])  # 10 as before: the same length and size, other pictures
def test_a_video_that_changed_under_its_name_makes_the_network_stale(tmp_path: Path, frames: int) -> None:
    asked = request(tmp_path, tmp_path / "cache")
    run(asked)
    toy.write(tmp_path / "cache/data/toy/videos/train/red_g0_c0.avi", (60, 60, 220), seed=9, frames=frames)
    with pytest.raises(OsarbenchError, match="videos: .* there, .* here"):
        run(asked)


def test_frames_need_not_be_kept(tmp_path: Path, cache: Path) -> None:
    (kept,) = run(request(tmp_path / "a", cache, store="raw"))
    (decoded,) = run(request(tmp_path / "b", cache, store="none"))
    assert (kept.folder / "scores.csv").read_bytes() == (decoded.folder / "scores.csv").read_bytes()


def test_loader_processes_change_nothing(tmp_path: Path, cache: Path) -> None:
    (alone,) = run(request(tmp_path / "a", cache, workers=0))
    (helped,) = run(request(tmp_path / "b", cache, workers=1))
    assert (alone.folder / "scores.csv").read_bytes() == (helped.folder / "scores.csv").read_bytes()


def test_a_dry_run_says_what_is_missing_fresh_and_stale_and_makes_nothing(tmp_path: Path, cache: Path) -> None:
    def states(**changes: Any) -> dict[str, str]:
        planned, _ = plan(request(tmp_path, cache, "dnn", **changes))
        assert planned is not None
        return {step.name.split(" ")[0]: step.state()[0] for step in planned.steps}

    run(request(tmp_path / "elsewhere", cache, "dnn"))  # decodes
    assert states() == {"decode": "fresh", "train": "missing", "extract": "missing", "list": "missing",
                        "score": "missing", "evaluate": "missing"}  # fmt: skip
    assert not (tmp_path / "runs").exists()
    run(request(tmp_path, cache, "dnn"))
    assert set(states().values()) == {"fresh"}
    assert states(epochs=2)["train"] == "stale"


def test_an_entry_carries_its_whole_origin(tmp_path: Path, cache: Path) -> None:
    (entry,) = run(request(tmp_path, cache))
    file = entries.publish_run(entry.scores, tmp_path / "boards")
    facts = table.read_facts(file) or {}
    assert {"protocol", "backbone", "method", "settings", "seed", "weights", "commit", "code", "network", "features",
            "versions", "python", "osarbench", "made"} <= set(facts)  # fmt: skip
    assert facts["weights"] is None  # from scratch
    assert set(facts["code"]) == {"train", "extract", "score"}
    assert {"device", "name", "devices", "precision", "threads", "seconds", "identity", "sha256"} <= set(
        facts["network"]
    )
    assert facts["network"]["precision"] == "32-true"


def test_the_facts_of_an_entry_are_sealed_with_its_rows(tmp_path: Path, cache: Path) -> None:
    (entry,) = run(request(tmp_path, cache))
    file = entries.publish_run(entry.scores, tmp_path / "boards")
    text = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(text.replace(b'"threads": 1', b'"threads": 8', 1)))
    with pytest.raises(OsarbenchError, match="facts in the first line of .* were changed"):
        table.read_facts(file)


NOTHING_TRAINED = """
[training]
mode = "none"
"""


def test_a_protocol_may_say_that_nothing_is_trained(tmp_path: Path, cache: Path) -> None:
    (trained,) = run(request(tmp_path, cache))
    weights = trained.folder.parent / "network.pt"
    text = re.sub(r"\[training\].*?(?=\n\[|\Z)", NOTHING_TRAINED, (HERE / "toy.toml").read_text(), flags=re.DOTALL)
    file = tmp_path / "frozen.toml"
    file.write_text(f'{text}\n[backbones.toy]\nweights = "network.pt"\nweights_sha256 = "{storage.sha256(weights)}"\n')
    asked = request(tmp_path, cache, protocol=str(file), publish=True)
    asked = replace(asked, locations=replace(asked.locations, weights=weights.parent))
    (taken,) = run(asked)
    assert scores(taken).equals(scores(trained))
    assert not (taken.folder.parent / "training.csv").exists()
