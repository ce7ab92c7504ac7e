"""`osarbench overlap`: the published score files tell which unknown classes repeat known ones, and what lists do."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from osarbench.audits import exclusions, names, overlap, sweep
from osarbench.commands import audits
from osarbench.errors import OsarbenchError
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import protocol
from osarbench.scores import metrics, table

SHIPPED = benchmark_files.shipped("exclusion list")["hmdb51"]
PSL_EIGHT = {"golf", "pullup", "pushup", "ride_bike", "ride_horse", "shoot_ball", "shoot_bow", "swing_baseball"}
FILES = {
    "dear": "results/TSM_EDLNoKLAvUCDebias_EDL_HMDB_result",
    "mc_dropout": "results/TSM_DNN_BALD_HMDB_result",
    "openmax": "results_ft_hmdb/TSM_openmax_ft",
    "bnn": "results/TSM_BNN_BALD_HMDB_result",
    "psl": "results_ft_hmdb/TSM_PSL_80_n_s_shu_ft_score",
    "rpl": "results_baselines/rpl/TSM_RPL_HMDB_result",
}
# Recomputed with scikit-learn from the same files: AUROC with all 51 classes and without each list's, and OSCR.
AUROC = {
    "dear": (78.54, 84.16, 85.19, 85.98),
    "mc_dropout": (81.89, 88.23, 88.65, 89.56),
    "rpl": (84.21, 90.53, 91.14, 91.79),
    "openmax": (84.31, 90.89, 91.07, 91.48),
    "bnn": (85.35, 91.81, 92.05, 93.04),
    "psl": (89.42, 94.05, 94.53, 95.01),
}
OSCR = {"dear": (75.04, 82.15), "mc_dropout": (79.61, 86.93), "rpl": (82.13, 89.33), "openmax": (81.38, 88.11),
        "bnn": (82.50, 89.70), "psl": (86.46, 91.68)}  # fmt: skip


@pytest.fixture(scope="module")
def tables(shared: Path) -> dict[str, pd.DataFrame]:
    hmdb = (shared / "data/annotations/hmdb51_label_map.txt").read_text().split()
    ucf = (shared / "data/annotations/ucfTrainTestlist/classInd.txt").read_text().split()[1::2]
    return {name: published(shared / f"data/scores/psl/{file}.npz", ucf, hmdb) for name, file in FILES.items()}


def published(file: Path, known: Sequence[str], unknown: Sequence[str]) -> pd.DataFrame:
    """One of the files of the PSL paper as a scores table; its clips have no names."""
    parts = []
    with np.load(file) as read:
        for prefix, role, source, classes in (
            ("ind", "known", "ucf101/test1", known),
            ("ood", "unknown", "hmdb51/test1", unknown),
        ):
            if f"{prefix}_softmax" in read:
                predicted, uncertainty = read[f"{prefix}_softmax"].argmax(1), 1 - read[f"{prefix}_softmax"].max(1)
            else:
                predicted, uncertainty = read[f"{prefix}_pred"], read[f"{prefix}_unctt"]
            labels = np.array(classes)[read[f"{prefix}_label"].astype(int)]
            columns = {
                "video": [f"{role}/{row}" for row in range(len(labels))],
                "role": role,
                "source": source,
                "label": labels,
                "predicted": np.array(known)[predicted.astype(int)],
                "confidence": np.nan,
                "uncertainty": uncertainty.reshape(len(labels), -1)[:, 0].astype(np.float64),
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def small(**purities: int) -> pd.DataFrame:
    """Ten videos a class; of an unknown class so many fall into Run, the others into Swim."""
    rows = [("known", label, label) for label in ("Run", "Swim") for _ in range(10)]
    for label, count in purities.items():
        rows += [("unknown", label, "Run" if position < count else "Swim") for position in range(10)]
    frame = pd.DataFrame(rows, columns=["role", "label", "predicted"])
    videos = [f"{position}.mp4" for position in range(len(frame))]
    return frame.assign(video=videos, source="toy/test", confidence=1.0, uncertainty=np.linspace(0, 1, len(frame)))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(audits.overlap, arguments)


def by_purity(found: Sequence[overlap.Candidate]) -> list[str]:
    return [candidate.name for candidate in sorted(found, key=lambda candidate: -candidate.purity)]


def test_the_eight_purest_classes_are_the_eight_that_psl_takes_out(tables: dict[str, pd.DataFrame]) -> None:
    assert set(by_purity(overlap.candidates(tables.values()))[:8]) == PSL_EIGHT
    for name in ("dear", "mc_dropout", "rpl", "openmax", "bnn"):  # each file alone says so, too
        assert set(by_purity(overlap.candidates([tables[name]]))[:8]) == PSL_EIGHT


def test_purity_is_that_of_the_metrics_and_pooled_over_tables(tables: dict[str, pd.DataFrame]) -> None:
    rows = metrics.evaluate(tables["bnn"])["per_class"]["unknown"]
    found = {candidate.name: candidate for candidate in overlap.candidates([tables["bnn"]])}
    assert {name: its.purity for name, its in found.items()} == {name: row["purity"] for name, row in rows.items()}
    pooled = overlap.candidates([small(walk=9), small(walk=4)])[0]
    assert (pooled.purity, pooled.most_predicted, pooled.videos) == (0.65, "Run", 20)


def test_what_scores_miss_names_find(tables: dict[str, pd.DataFrame]) -> None:
    found = overlap.candidates(tables.values(), protocol=protocol.read("ucf101-hmdb51"))
    first = [candidate.name for candidate in found[:12]]
    assert {"fencing", "dive", "handstand"} <= set(first)
    assert all(candidate.status for candidate in found[:12])
    assert "drink" in [candidate.name for candidate in found if candidate.evidence >= overlap.NOTABLE]  # a false one


def test_results_by_list_are_those_recomputed_from_the_same_files(tables: dict[str, pd.DataFrame]) -> None:
    lists = {name: its.classes for name, its in exclusions.read("hmdb51").items()}
    results = {(result.table, result.list): result for result in sweep.sweep(tables, lists)}
    for name, expected in AUROC.items():
        values = [results[name, title].auroc for title in ("none", "psl8", "soar12", "union13")]
        assert 100 * np.array(values) == pytest.approx(expected, abs=0.0051)
        areas = [results[name, title].oscr for title in ("none", "union13")]
        assert 100 * np.array(areas) == pytest.approx(OSCR[name], abs=0.0051)


def test_a_list_turns_the_order_of_two_methods(tables: dict[str, pd.DataFrame]) -> None:
    lists = {"soar12": exclusions.read("hmdb51")["soar12"].classes}
    found = sweep.rank_reversals(sweep.sweep({name: tables[name] for name in ("openmax", "rpl", "dear")}, lists))
    assert found == [sweep.RankReversal("soar12", "auroc", better="openmax", worse="rpl")]


def test_the_command_shows_candidates_lists_and_turns(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    files = [tmp_path / name / "scores.csv" for name in ("openmax", "rpl")]
    for file in files:
        file.parent.mkdir()
        table.write(tables[file.parent.name], file)
    arguments = ["--protocol", "ucf101-hmdb51", "--json", str(tmp_path / "all.json")]
    shown = call(*map(str, files), *arguments).output
    assert "not a verdict" in shown
    assert "excluded         psl8, soar12, vssl17" in shown
    assert "AUROC: openmax is before rpl with all classes, behind without soar12, union13, osarbench12" in shown
    assert "Jun-CEN/PSL" in shown
    content = json.loads((tmp_path / "all.json").read_text())
    assert len(content["candidates"]) == 51
    assert len(content["results"]) == 2 * 7


@pytest.mark.parametrize("dataset", ["hmdb51", "mit"])
def test_lists_and_reasons_are_those_of_the_protocols(dataset: str) -> None:
    lists = exclusions.read(dataset)
    part = protocol.read(f"ucf101-{dataset}").sections.unknown[0]
    own, wide = ("osarbench12", "union20") if dataset == "hmdb51" else ("osarbench18", "both49")
    assert set(lists[own].classes) == set(part.exclude)
    assert set(lists[wide].classes) == {*part.exclude, *part.contested}
    cited = [lists[name] for name in ("psl8", "soar12", "vssl17") if name in lists]
    for label, reason in lists[wide].classes.items():
        titles = ", ".join(its.title for its in cited if label in its.classes)
        assert {**part.exclude, **part.contested}[label] == (f"{reason} ({titles})" if titles else reason)


def test_published_lists_have_their_published_length_and_mits_needs_review() -> None:
    assert {name: len(its.classes) for name, its in exclusions.read("hmdb51").items()} == {
        "psl8": 8, "soar12": 12, "vssl17": 17, "union13": 13, "union20": 20, "osarbench12": 12}  # fmt: skip
    assert set(exclusions.read("hmdb51")["psl8"].classes) == PSL_EIGHT
    assert all(its.needs_review for its in exclusions.read("mit").values())


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"catch", "climb"', '"catch", "clim"', "the class 'clim' has no reason in [classes]. Did you mean 'climb'?"),
        ("needs_review", "need_review", "has no key 'need_review'. Did you mean 'needs_review'?"),
        ('["psl8", "soar12"]', '["psl8", "soar"]', "there is no list of classes 'soar'. Did you mean 'soar12'?"),
        ('known = "ucf101"', "", "needs a key 'known'"),
        ("[classes]", '[classes]\nhug = "nothing"', "no list names hug"),
        ("[classes]", "[classes", "is not TOML"),
        ('union = ["psl8", "soar12"]', "", "[lists.union13] needs either classes or a union"),
    ],
)
def test_a_file_of_lists_is_read_strictly(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = SHIPPED.read_text().replace("[lists.psl8]", "[lists.psl8]\nneeds_review = false")
    (tmp_path / "own.toml").write_text(text.replace(before, after))
    with pytest.raises(OsarbenchError) as raised:
        exclusions.read(str(tmp_path / "own.toml"))
    assert message in str(raised.value)


def test_a_run_without_the_lists_classes_says_so(tmp_path: Path) -> None:
    rows = small(hug=3, jump=5).replace({"source": {"toy/test": "hmdb51/test1"}})
    table.write(rows, tmp_path / "scores.csv")
    shown = call(str(tmp_path / "scores.csv")).output
    assert "0 of 8" in shown
    assert "1 of 17" in shown


def test_a_list_that_leaves_no_unknown_video_leaves_the_numbers_empty() -> None:
    result = sweep.sweep({"one": small(jump=5)}, {"all": ["jump"]})[1]
    assert (result.unknown, result.auroc, result.fpr95_unknown_first, result.oscr) == (0, None, None, None)
    assert result.closed_accuracy == 1


def test_without_lists_the_candidates_are_shown_alone(tmp_path: Path) -> None:
    table.write(small(running=9, hug=5), tmp_path / "scores.csv")
    shown = call(str(tmp_path / "scores.csv")).output
    assert "running" in shown
    assert "No exclusion lists are known" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a/scores.csv", "--lists", "hmbd51"], "Did you mean 'hmdb51'?"),
        (["a/scores.csv", "--lists", "none.toml"], "There is no exclusion list file none.toml"),
        (["a/scores.csv", "--protocol", "ucf101-mit"], "none of the 49 unknown classes that the protocol"),
        (
            ["a/scores.csv", "--protocol", "ucf12-hmdb20"],
            "The table's class 'hug' is no unknown class of the protocol 'ucf12-hmdb20'",
        ),
        (["a/scores.csv", "b/scores.csv"], "a and b do not have the same unknown classes: hug, talk"),
        (["a/scores.csv", "a/scores.csv"], "named twice"),
        (["none.csv"], "There is no scores table at none.csv"),
    ],
)
def test_what_the_user_can_mend_is_said(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rows in (("a", small(hug=3)), ("b", small(talk=3))):
        Path(name).mkdir()
        table.write(rows, Path(name, "scores.csv"))
    raised = call(*arguments).exception
    assert isinstance(raised, OsarbenchError)
    assert message in str(raised)


@pytest.mark.parametrize(
    ("first", "second", "similarity"),
    [
        ("ride_horse", "HorseRiding", 1.0),
        ("pullup", "PullUps", 1.0),
        ("push", "push up", 2 / 3),
        ("playing+music", "PlayingGuitar", 0.5),
        ("driving", "Diving", 0.0),
        ("skiing", "Ski", 1.0),
        ("fencing", "fencing (sport)", 2 / 3),
        ("", "Diving", 0.0),
    ],
)
def test_names_are_alike_by_their_stems(first: str, second: str, similarity: float) -> None:
    assert names.similarity(first, second) == pytest.approx(similarity)
    assert names.similarity(second, first) == pytest.approx(similarity)


def test_every_class_of_the_lists_is_one_of_the_data_set(shared: Path) -> None:
    hmdb = set((shared / "data/annotations/hmdb51_label_map.txt").read_text().split())
    assert {label for its in exclusions.read("hmdb51").values() for label in its.classes} <= hmdb
    content = tomllib.loads(SHIPPED.read_text())
    assert content["classes"].keys() <= hmdb


def test_lists_that_name_no_class_of_the_tables_are_told(tmp_path: Path) -> None:
    rows = small(hug=3).assign(source="hmdb51/test1")
    table.write(rows, tmp_path / "scores.csv")
    shown = call(str(tmp_path / "scores.csv")).output
    assert "none of the listed classes by name" in shown
