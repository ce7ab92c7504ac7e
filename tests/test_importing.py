"""`osarbench import`: every arrangement of other people's files becomes a sound table, and nothing in them is run."""

import gzip
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from osarbench.artifacts import storage
from osarbench.cli import cli
from osarbench.commands.published import import_
from osarbench.errors import OsarbenchError
from osarbench.leaderboard import pages as leaderboard
from osarbench.published import importing, npz
from osarbench.scores import metrics, table

KNOWN, UNKNOWN, CLASSES = 40, 30, 5


def arrays(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """The arrays of a file in DEAR's arrangement; None takes one away."""
    generator = np.random.default_rng(0)
    made: dict[str, np.ndarray | None] = {}
    for prefix, rows, shift in (("ind", KNOWN, 0.0), ("ood", UNKNOWN, 1.0)):
        made[f"{prefix}_conf"] = generator.uniform(0.2, 1, rows).astype(np.float32)
        made[f"{prefix}_unctt"] = generator.normal(shift, 0.5, rows)
        made[f"{prefix}_pred"] = generator.integers(0, CLASSES, rows)
        made[f"{prefix}_label"] = np.arange(rows) % CLASSES
    made |= changes
    return {key: value for key, value in made.items() if value is not None}


def softmax(rows: int, classes: int = CLASSES) -> np.ndarray:
    scores = np.exp(np.random.default_rng(rows).normal(0, 2, (rows, classes)))
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def saved(tmp_path: Path, name: Any = "scores.npz", **changes: Any) -> Path:
    np.savez(tmp_path / name, **arrays(**changes))  # type: ignore[arg-type]
    return tmp_path / name


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(import_, [str(its) for its in arguments])


def failure(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, OsarbenchError), result.output
    return str(result.exception)


def test_probabilities_give_the_top_five_accuracy(tmp_path: Path) -> None:
    many = {"ind_softmax": softmax(KNOWN, 9), "ood_softmax": softmax(UNKNOWN, 9)}
    gone = dict.fromkeys(["ind_conf", "ind_unctt", "ind_pred", "ood_conf", "ood_unctt", "ood_pred"])
    rows = importing.to_table(npz.read(saved(tmp_path, **gone, **many)))
    table.validate(rows)
    expected = (np.argsort(-many["ind_softmax"])[:, :5] == (np.arange(KNOWN) % CLASSES)[:, None]).any(axis=1).mean()
    assert metrics.evaluate(rows)["headline"]["closed_top5"] == expected


def test_a_published_file_becomes_a_table_with_its_origin(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/scores/psl/results/TSM_BNN_BALD_HMDB_result.npz"
    classes = shared / "data/annotations/ucfTrainTestlist/classInd.txt"
    result = run(file, "-o", tmp_path / "bnn.csv.gz", "--known-classes", classes, "--unknown-classes", "hmdb51")
    assert result.exit_code == 0, result.output
    rows = table.read(tmp_path / "bnn.csv.gz")
    assert set(rows["source"]) == {"ucf101/test1", "hmdb51/test1"}
    assert rows["video"].tolist()[:2] == ["row 00000", "row 00001"]
    assert rows.loc[rows["role"] == "unknown", "label"].value_counts()["shoot_bow"] == 30
    headline = metrics.evaluate(rows)["headline"]
    assert 100 * headline["auroc"] == pytest.approx(85.35, abs=0.005)
    assert 100 * headline["closed_accuracy"] == pytest.approx(94.713, abs=0.0005)
    origin = json.loads((tmp_path / "bnn.origin.json").read_text())
    assert origin["files"] == [{"name": file.name, "sha256": storage.sha256(file)}]
    assert origin["table_sha256"] == storage.sha256(tmp_path / "bnn.csv.gz")
    assert "the known videos are of ucf101/test1: by their number (3,783) and classes" in origin["choices"]
    assert origin["findings"][0]["kind"] == "repeated rows"
    assert str(shared) not in (tmp_path / "bnn.origin.json").read_text()


def test_every_published_file_can_be_imported(shared: Path) -> None:
    files = sorted((shared / "data/scores/psl").rglob("*.npz"))
    assert len(files) == 25
    for file in files:
        rows = importing.to_table(npz.read(file))
        table.validate(rows)


def test_numbers_keep_the_order_and_value_that_they_had(tmp_path: Path) -> None:
    given = arrays()
    rows = importing.to_table(npz.read(saved(tmp_path)))
    known = rows[rows["role"] == "known"]
    assert known["uncertainty"].tolist() == given["ind_unctt"].tolist()
    assert known["confidence"].tolist() == given["ind_conf"].astype(float).tolist()
    assert known["label"].tolist()[:2] == ["class 000", "class 001"]
    assert set(rows.loc[rows["role"] == "unknown", "label"]) == {f"unknown class {n:03d}" for n in range(CLASSES)}


def test_of_two_columns_of_uncertainty_the_first_is_taken_and_told(tmp_path: Path) -> None:
    pairs = {f"{prefix}_unctt": np.stack([arrays()[f"{prefix}_unctt"], np.zeros(rows)], axis=1)
             for prefix, rows in (("ind", KNOWN), ("ood", UNKNOWN))}  # fmt: skip
    scores = npz.read(saved(tmp_path, **pairs))
    assert scores.known.uncertainty.tolist() == arrays()["ind_unctt"].tolist()
    assert any("first of two columns" in choice for choice in scores.choices)


def test_softmax_alone_gives_prediction_confidence_and_the_published_uncertainty(tmp_path: Path) -> None:
    gone = {f"{prefix}_{key}": None for prefix in ("ind", "ood") for key in ("conf", "unctt", "pred")}
    known, unknown = softmax(KNOWN), softmax(UNKNOWN)
    scores = npz.read(saved(tmp_path, **gone, ind_softmax=known, ood_softmax=unknown))
    assert scores.known.uncertainty.tolist() == (1 - known.max(axis=1)).astype(float).tolist()
    assert scores.unknown.predicted.tolist() == unknown.argmax(axis=1).tolist()
    assert scores.variant == "{ind,ood}_{softmax,label}"
    assert any("1 - the largest softmax probability" in choice for choice in scores.choices)


def test_openmax_gives_the_probability_of_the_class_beyond_the_known_ones(tmp_path: Path) -> None:
    gone = {f"{prefix}_{key}": None for prefix in ("ind", "ood") for key in ("conf", "unctt", "pred")}
    known, unknown = softmax(KNOWN, CLASSES + 1), softmax(UNKNOWN, CLASSES + 1)
    extra = {"ind_softmax": softmax(KNOWN), "ood_softmax": softmax(UNKNOWN)}
    scores = npz.read(saved(tmp_path, **gone, **extra, ind_openmax=known, ood_openmax=unknown))
    assert scores.known.uncertainty.tolist() == known[:, -1].astype(float).tolist()
    assert scores.known.predicted.max() < CLASSES
    assert any("DEAR scored only whether it is the largest" in choice for choice in scores.choices)


def test_logits_in_place_of_confidences_are_left_out_and_told(tmp_path: Path) -> None:
    scores = npz.read(saved(tmp_path, ind_conf=np.linspace(-2, 30, KNOWN)))
    assert np.isnan(scores.known.confidence).all()
    assert np.isnan(scores.unknown.confidence).all()
    assert any("logits" in choice for choice in scores.choices)


def test_logits_in_place_of_softmax_are_refused(tmp_path: Path) -> None:
    gone = {f"{prefix}_{key}": None for prefix in ("ind", "ood") for key in ("conf", "unctt", "pred")}
    logits = {"ind_softmax": softmax(KNOWN) * 30 - 4, "ood_softmax": softmax(UNKNOWN)}
    assert "known videos): the rows of softmax are no probabilities" in failure(saved(tmp_path, **gone, **logits))


def test_names_training_videos_and_threshold_of_soar_are_kept(tmp_path: Path) -> None:
    names = {"ind_video_names": np.array([f"v_{n}.avi" for n in range(KNOWN)]),
             "ood_video_names": np.array([f"o_{n % 29}.avi" for n in range(UNKNOWN)])}  # fmt: skip
    train = {"train_unctt": np.linspace(0, 1, 20), "train_label": np.arange(20) % CLASSES}
    file = saved(tmp_path, **names, **train, threshold=np.array(0.75))
    result = run(file, "-o", tmp_path / "soar.csv")
    assert result.exit_code == 0, result.output
    rows = table.read(tmp_path / "soar.csv")
    assert rows["role"].value_counts().to_dict() == {"known": KNOWN, "unknown": UNKNOWN - 1, "train": 20}
    assert "v_3.avi" in set(rows["video"])
    assert "1 unknown rows name a video that another row names" in result.output
    assert json.loads((tmp_path / "soar.origin.json").read_text())["threshold"] == 0.75
    assert metrics.evaluate(rows, threshold_from="train")["thresholded"]["threshold_videos"] == 20


def test_training_videos_without_labels_are_left_out_and_told(tmp_path: Path) -> None:
    scores = npz.read(saved(tmp_path, train_unctt=np.linspace(0, 1, 20)))
    assert scores.train is None
    assert any("left out" in choice for choice in scores.choices)


def test_an_unknown_class_with_a_known_name_is_kept_apart(tmp_path: Path) -> None:
    names = ["run", "walk", "jump", "sit", "stand"]
    rows = importing.to_table(npz.read(saved(tmp_path)), known_classes=names, unknown_classes=[*names[:1], *"abcd"])
    table.validate(rows, known_classes=names)
    assert set(rows.loc[rows["role"] == "unknown", "label"]) == {"run (unknown)", *"abcd"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b\na\n", ["b", "a"]),
        ("1 Apply Eye\n2 Lips\n", ["Apply Eye", "Lips"]),
        ("praying,1\nclapping,0\n", ["clapping", "praying"]),
    ],
)
def test_lists_of_classes_are_read_in_their_three_forms(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "classes.txt").write_text(text)
    assert importing.read_classes(tmp_path / "classes.txt") == expected


@pytest.mark.parametrize(
    ("text", "message"), [("1 a\n3 b\n", "without gaps"), ("a\na\n", "'a' twice"), ("", "is empty")]
)
def test_a_wrong_list_of_classes_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    assert message in failure(saved(tmp_path), "--known-classes", tmp_path / "classes.txt", "-o", tmp_path / "t.csv")


def test_a_list_that_is_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("a\nb\n")
    message = failure(saved(tmp_path), "--unknown-classes", tmp_path / "classes.txt", "-o", tmp_path / "t.csv")
    assert "the unknown class 4, and the list of unknown classes names 2 (0 to 1)" in message


def test_the_list_of_another_version_of_a_data_set_is_refused(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/scores/psl/results/TSM_DNN_BALD_MiT_result.npz"
    listed = shared / "data/annotations/mit_label_map.txt"
    assert "names 339 classes" in failure(file, "--unknown-classes", listed, "-o", tmp_path / "t.csv.gz")


def test_a_missing_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    file = saved(tmp_path, ood_unctt=None, ood_uncert=np.zeros(UNKNOWN))
    assert "has no array 'ood_unctt'. Did you mean 'ood_uncert'?" in failure(file)


def test_features_in_place_of_scores_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, ind_unctt=np.zeros((KNOWN, 128)))
    assert "ind_unctt has 128 columns, so it holds features" in failure(file)


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    assert "different lengths (40 uncertainty" in failure(saved(tmp_path, ind_pred=np.zeros(39, int)))


def test_an_archive_with_pickled_objects_is_refused_and_not_run(tmp_path: Path) -> None:
    file = saved(tmp_path, ood_video_names=np.array([Bomb(tmp_path / "ran")] * UNKNOWN, object))
    assert "unpickling a stranger's file runs whatever code is in it" in failure(file)
    assert not (tmp_path / "ran").exists()


class Bomb:
    """An object whose unpickling leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (self.trace, "w"))


@pytest.mark.parametrize("name", ["dump.pkl", "dump.pickle", "dump.dat"])
def test_a_pickle_is_refused_by_name_and_by_content_and_not_run(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    message = failure(tmp_path / name)
    assert "is a pickle" in message
    assert "import dump.json" in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "is a web page"),
        (b"\n <html>", "is a web page"),
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "is a Git LFS pointer"),
        (b"\x93NUMPY\x01\x00", "holds one array (.npy)"),
        (b"PK\x03\x04 and then nothing", "is cut short or damaged"),
        (b"\x00\x01\x02", "is not a NumPy archive"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "scores.npz").write_bytes(content)
    assert message in failure(tmp_path / "scores.npz")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_reported_with_its_path(tmp_path: Path, share: float) -> None:
    file = saved(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert f"{file} is cut short or damaged" in failure(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert "There is no file" in failure(tmp_path / "none.npz")


def dump(tmp_path: Path, name: str, scores: np.ndarray, **changes: object) -> Path:
    """The predictions of MMAction2 as its dump holds them, converted to JSON."""
    items = [{"pred_score": row.tolist(), "gt_label": [n % CLASSES], **changes} for n, row in enumerate(scores)]
    (tmp_path / name).write_text(json.dumps(items))
    return tmp_path / name


def test_two_dumps_of_mmaction_become_a_table(tmp_path: Path) -> None:
    known, unknown = softmax(KNOWN).astype(float), softmax(UNKNOWN).astype(float)
    files = dump(tmp_path, "ucf.json", known), dump(tmp_path, "hmdb.json", unknown)
    result = run(*files, "-o", tmp_path / "table.csv")
    assert result.exit_code == 0, result.output
    rows = table.read(tmp_path / "table.csv")
    assert rows["uncertainty"].tolist() == [*(1 - known.max(axis=1)), *(1 - unknown.max(axis=1))]
    origin = json.loads((tmp_path / "table.origin.json").read_text())
    assert [its["name"] for its in origin["files"]] == ["ucf.json", "hmdb.json"]


def test_dumps_of_mmaction_1_0_are_read_too(tmp_path: Path) -> None:
    for name, rows in (("a.json", KNOWN), ("b.json", UNKNOWN)):
        items = [{"pred_scores": {"item": row.tolist()}, "gt_labels": {"item": [0]}} for row in softmax(rows)]
        (tmp_path / name).write_text(json.dumps(items))
    (loaded,) = importing.load([tmp_path / "a.json", tmp_path / "b.json"])
    assert len(loaded.scores.known.labels) == KNOWN


def test_the_command_that_converts_a_dump_works(tmp_path: Path) -> None:
    for name, rows in (("known", KNOWN), ("unknown", UNKNOWN)):
        items = [{"pred_score": row, "gt_label": np.array([1])} for row in softmax(rows)]  # as tensors, with .tolist()
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(items))
        found = re.search(r'python -c "(.*)"', failure(tmp_path / f"{name}.pkl"))
        assert found is not None
        subprocess.run([sys.executable, "-c", found[1]], check=True, cwd=tmp_path)
    (loaded,) = importing.load([tmp_path / "known.json", tmp_path / "unknown.json"])
    assert loaded.scores.unknown.labels.tolist() == [1] * UNKNOWN


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (softmax(UNKNOWN, 4), "5 scores a video"),
        (10 * softmax(UNKNOWN), "do not sum to 1"),
        (softmax(UNKNOWN)[:, None].repeat(3, axis=1), "have the shape [3, 5]"),
    ],
)
def test_wrong_scores_of_mmaction_are_refused(tmp_path: Path, scores: np.ndarray, message: str) -> None:
    assert message in failure(dump(tmp_path, "known.json", softmax(KNOWN)), dump(tmp_path, "unknown.json", scores))


def test_one_dump_alone_is_refused(tmp_path: Path) -> None:
    assert "Name two such files: that of the known videos" in failure(dump(tmp_path, "known.json", softmax(KNOWN)))


def test_a_dump_without_scores_names_the_nearest_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"pred_scor": [1], "gt_label": 0}]')
    message = failure(tmp_path / "a.json", tmp_path / "a.json")
    assert "a video has no pred_score. Did you mean 'pred_scor'?" in message


CSV = "Clip ID,is_ood,target,prediction,max prob,OOD score\n" + "".join(
    f"clip{n},{n % 2},{'b' if n % 2 else 'a'},a,0.{n + 1},{n}\n" for n in range(9)
)


def test_common_names_of_columns_are_understood_and_told(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text(CSV)
    result = run(tmp_path / "scores.csv", "-o", tmp_path / "table.csv")
    assert result.exit_code == 0, result.output
    rows = table.read(tmp_path / "table.csv")
    assert rows["role"].value_counts().to_dict() == {"known": 5, "unknown": 4}
    assert rows["video"].tolist()[:2] == ["clip0", "clip2"]
    assert rows["uncertainty"].tolist()[:2] == [0, 2]
    assert "the column 'OOD score' is taken for uncertainty" in result.output


@pytest.mark.parametrize("separator", [";", "\t"])
def test_two_csv_files_without_roles_are_known_then_unknown(tmp_path: Path, separator: str) -> None:
    for name, label in (("known.csv", 0), ("unknown.csv", 1)):
        lines = ["label,pred,conf", *(f"{label},{n % 2},0.{n + 1}" for n in range(6))]
        (tmp_path / name).write_text("\n".join(lines).replace(",", separator))
    (loaded,) = importing.load([tmp_path / "known.csv", tmp_path / "unknown.csv"])
    assert loaded.scores.known.labels.tolist() == [0] * 6
    assert loaded.scores.unknown.uncertainty.tolist() == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert "there is no uncertainty: 1 - confidence is used" in loaded.scores.choices


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("OOD score", "scoring", "lacks"),
        ("target", "trget", "no column for the label"),
        ("is_ood", "group", "it has no column 'role'"),
        (",0.3,2\n", ",0.3,two\n", "'two' is no number, in the column for uncertainty"),
        ("clip1,1", "clip1,knwn", "'knwn' is no role. Did you mean 'known'?"),
    ],
)
def test_a_wrong_csv_file_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "scores.csv").write_text(CSV.replace(old, new))
    if message == "lacks":
        assert importing.load([tmp_path / "scores.csv"])[0].scores.choices[-1].startswith("there is no uncertainty")
    else:
        assert message in failure(tmp_path / "scores.csv")


def test_our_own_table_is_checked_and_kept_as_it_is(tmp_path: Path) -> None:
    rows = importing.to_table(npz.read(saved(tmp_path)))
    table.write(rows, tmp_path / "own.csv.gz", facts={"made": "here"})
    result = run(tmp_path / "own.csv.gz", "-o", tmp_path / "again.csv.gz")
    assert result.exit_code == 0, result.output
    assert table.read(tmp_path / "again.csv.gz").equals(table.read(tmp_path / "own.csv.gz"))
    assert "is the file to import" in failure(tmp_path / "own.csv.gz", "-o", tmp_path / "own.csv.gz")


def test_a_truncated_csv_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "scores.csv.gz").write_bytes(gzip.compress(CSV.encode())[:-20])
    assert "is cut short" in failure(tmp_path / "scores.csv.gz")


def test_checking_alone_writes_nothing_and_fails_where_numbers_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good, flipped = saved(tmp_path), saved(tmp_path, "flipped.npz", ood_unctt=np.linspace(-9, -8, UNKNOWN))
    before = sorted(tmp_path.iterdir())
    assert run(good, "--check-only").exit_code == 0
    result = run(good, flipped, "--check-only")
    assert result.exit_code == 1
    assert "nothing found" in result.output
    assert "the sign is flipped" in result.output
    assert sorted(tmp_path.iterdir()) == before


def test_several_files_make_a_table_each_beside_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = saved(tmp_path, "a.npz"), saved(tmp_path, "b.npz")
    assert "2 files make 2 tables" in failure(*files, "-o", tmp_path / "t.csv")
    assert run(*files).exit_code == 0
    assert (tmp_path / "a.csv.gz").is_file()
    assert (tmp_path / "b.origin.json").is_file()


def test_nan_is_told_and_then_refused(tmp_path: Path) -> None:
    uncertainty = np.linspace(0, 1, KNOWN)
    uncertainty[3] = np.nan
    result = run(saved(tmp_path, ind_unctt=uncertainty), "-o", tmp_path / "t.csv")
    assert "1 known row has the uncertainty NaN, the first is row 00003" in result.output
    assert isinstance(result.exception, OsarbenchError)
    assert not (tmp_path / "t.csv").exists()


def test_a_published_file_becomes_a_rescored_entry_without_the_excluded_classes(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/scores/psl/results_ft_hmdb/TSM_openmax_ft.npz"
    names = shared / "data/annotations"
    called = CliRunner().invoke(
        cli, ["import", str(file), "-o", str(tmp_path / "openmax.csv.gz"), "--publish", str(tmp_path / "boards"),
              "--protocol", "ucf101-hmdb51", "--backbone", "tsm", "--method", "openmax",
              "--known-classes", str(names / "ucf101_label_map.txt"),
              "--unknown-classes", str(names / "hmdb51_label_map.txt")], catch_exceptions=False,
    )  # fmt: skip
    assert called.exit_code == 0
    page = leaderboard.render(tmp_path / "boards")[tmp_path / "boards/ucf101-hmdb51.md"]
    assert re.search(r"\|\s+\| openmax +\| re-scored +\| 1 +\| 95\.32 ", page)
    entry = table.read(tmp_path / "boards/ucf101-hmdb51/tsm/openmax-0.csv.gz")
    assert (entry["role"] == "unknown").sum() == 1530 - 12 * 30


def test_a_file_with_errors_enters_no_leaderboard(tmp_path: Path) -> None:
    flipped = {f"{prefix}_unctt": -arrays()[f"{prefix}_unctt"] for prefix in ("ind", "ood")}
    boards = tmp_path / "boards"
    said = failure(saved(tmp_path, **flipped), "-o", tmp_path / "t.csv", "--publish", boards, "--protocol", "motion",
                   "--backbone", "tsm", "--method", "m")  # fmt: skip
    assert "Nothing is published: errors were found" in said
    assert not boards.exists()


def test_a_file_of_another_protocol_is_refused_before_it_is_published(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/scores/psl/results_ft_hmdb/TSM_openmax_ft.npz"
    said = failure(file, "-o", tmp_path / "t.csv", "--publish", tmp_path / "boards", "--protocol", "ucf101-mit",
                   "--backbone", "tsm", "--method", "m")  # fmt: skip
    assert "The file holds unknown test videos of hmdb51/test1, and the protocol 'ucf101-mit' tests mit/val" in said
    assert not (tmp_path / "boards").exists()


def test_class_names_that_need_annotations_say_how_to_give_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSARBENCH_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("OSARBENCH_DATA", raising=False)
    said = failure(saved(tmp_path), "-o", tmp_path / "t.csv", "--known-classes", "ucf101")
    assert "Name their file (classInd.txt" in said
    assert "--data" not in said


def test_an_entry_of_unnamed_classes_cannot_leave_any_out(shared: Path, tmp_path: Path) -> None:
    file = shared / "data/scores/psl/results_ft_hmdb/TSM_openmax_ft.npz"
    with pytest.raises(OsarbenchError, match="excludes 12 unknown classes .* Give the names of its classes"):
        CliRunner().invoke(
            cli, ["import", str(file), "-o", str(tmp_path / "o.csv.gz"), "--publish", str(tmp_path / "boards"),
                  "--protocol", "ucf101-hmdb51", "--backbone", "tsm", "--method", "openmax"], catch_exceptions=False,
        )  # fmt: skip
