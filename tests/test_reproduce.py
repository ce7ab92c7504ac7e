"""`osarbench reproduce`: published numbers from the score files they are of, and the same files seen in other ways."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.metrics import auc, balanced_accuracy_score, precision_recall_curve, roc_auc_score, roc_curve

from osarbench.commands.published import reproduce as command
from osarbench.errors import OsarbenchError
from osarbench.published import reproduce, standings, tables

PSL_EIGHT = [15, 26, 29, 30, 31, 34, 35, 43]
#: Points within which a recomputed number must agree: half a unit of the last printed digit and a little, by paper.
CLOSE = {"psl2023": 0.001, "dear2021": 0.01}


@pytest.fixture(scope="module", params=CLOSE)
def reproduced(request: pytest.FixtureRequest, shared: Path) -> tuple[str, reproduce.Reproduction]:
    return request.param, reproduce.reproduce(tables.read(request.param), shared / "data/scores/psl")


@pytest.fixture(scope="module")
def dear_standings(shared: Path) -> list[standings.Standing]:
    published = tables.read("dear2021")
    result = reproduce.reproduce(published, shared / "data/scores/psl")
    return standings.standings(published, result.files, {"hmdb51": {"PSL-8": PSL_EIGHT}})


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(its) for its in arguments])


def test_every_published_number_with_a_file_is_reproduced(reproduced: tuple[str, reproduce.Reproduction]) -> None:
    name, result = reproduced
    assert not result.missing
    assert len(result.files) == {"psl2023": 25, "dear2021": 7}[name]
    exact = [cell for cell in result.cells if not cell.column.startswith("open_macro_f1")]
    assert len(exact) == {"psl2023": 100, "dear2021": 9}[name]
    assert {(its.row.file, its.column): its.off for its in exact if abs(its.off) > CLOSE[name]} == {}


def test_open_macro_f1_is_reproduced_within_its_standard_deviation(shared: Path) -> None:
    result = reproduce.reproduce(tables.read("dear2021"), shared / "data/scores/psl")
    drawn = [cell for cell in result.cells if cell.column == "open_macro_f1"]
    assert len(drawn) == 7
    assert all(abs(cell.off) < cell.row.numbers["open_macro_f1_std"] for cell in drawn)
    stds = [cell for cell in result.cells if cell.column == "open_macro_f1_std"]
    assert [cell.recomputed for cell in stds] == pytest.approx([cell.published for cell in stds], abs=0.015)


def test_numbers_over_all_thresholds_are_those_of_scikit_learn(shared: Path) -> None:
    with np.load(shared / "data/scores/psl/results/TSM_BNN_BALD_HMDB_result.npz") as file:
        known, unknown = file["ind_unctt"], file["ood_unctt"][~np.isin(file["ood_label"], PSL_EIGHT)]
    truth, scores = np.repeat([0, 1], [len(known), len(unknown)]), np.concatenate([known, unknown])
    alarms, hits, _ = roc_curve(truth, scores)
    precision, recall, _ = precision_recall_curve(truth, scores)
    numbers = reproduce.at_every_threshold(known.astype(float), unknown.astype(float))
    expected = roc_auc_score(truth, scores), auc(recall, precision), alarms[np.argmin(np.abs(hits - 0.95))]
    assert list(numbers.values()) == pytest.approx([100 * value for value in expected], abs=1e-9)


def test_the_published_auc_of_dear_is_balanced_accuracy(shared: Path) -> None:
    with np.load(shared / "data/scores/psl/results/TSM_EDLNoKLAvUCDebias_EDL_HMDB_result.npz") as file:
        scores = np.concatenate([file["ind_unctt"], file["ood_unctt"]])
        truth = np.repeat([0, 1], [len(file["ind_unctt"]), len(file["ood_unctt"])])
    assert 100 * balanced_accuracy_score(truth, scores > 0.004549) == pytest.approx(78.65, abs=0.005)
    assert 100 * roc_auc_score(truth, scores) == pytest.approx(78.54, abs=0.005)


def test_chunks_take_known_rows_beyond_the_fixed_number_into_the_first() -> None:
    generator = np.random.default_rng(0)
    known, unknown = generator.normal(0, 1, 53), generator.normal(1, 1, 99)
    numbers = reproduce.in_chunks(known, unknown, chunks=10, known_rows=50)
    rest = np.concatenate([known[50:], unknown])[:100].reshape(10, 10)
    truths = [np.repeat([0, 1], [53, 7]), *[np.repeat([0, 1], [50, 10])] * 9]
    means = [roc_auc_score(truth, np.concatenate([known[:50], part])) for truth, part in zip(truths, rest, strict=True)]
    assert numbers["auroc"] == pytest.approx(100 * np.mean(means))


def test_the_order_of_dears_table_turns_round_without_its_thresholds(dear_standings: list[standings.Standing]) -> None:
    hmdb = dear_standings[0]
    assert standings.order(hmdb, hmdb.reference) == ["dear", "mc_dropout", "rpl", "bnn"]
    reversals = {reversal.view: reversal for reversal in standings.rank_reversals(hmdb)}
    assert reversals["AUROC"].order == ["bnn", "rpl", "mc_dropout", "dear"]
    assert {view: len(reversal.pairs) for view, reversal in reversals.items()} == {
        "open_macro_f1 as published": 0, "AUROC": 6, "FPR95": 6, "AUROC, without PSL-8": 6, "FPR95, without PSL-8": 6,
        standings.REJECTED: 4, standings.MATCHED_F1: 4,
    }  # fmt: skip
    # reference values computed with scikit-learn from the same files
    expected = {"dear": 78.54, "mc_dropout": 81.89, "rpl": 84.21, "bnn": 85.35}
    assert hmdb.values["AUROC"] == pytest.approx(expected, abs=0.005)


def test_the_gap_in_open_macro_f1_vanishes_at_a_matched_operating_point(
    dear_standings: list[standings.Standing],
) -> None:
    # reference values with ten draws and an interpolated quantile; published at its own thresholds: 84.69, 69.11, 71.52
    values = dear_standings[0].values[standings.MATCHED_F1]
    assert values == pytest.approx({"dear": 87.85, "bnn": 88.53, "mc_dropout": 86.74, "rpl": values["rpl"]}, abs=0.05)


def test_reversed_pairs_name_who_is_better_in_the_view() -> None:
    standing = standings.Standing(
        "a-b", "tsm", "scratch", "auroc as published",
        {"auroc as published": {"x": 90.0, "y": 80.0, "z": 70.0}, "FPR95": {"x": 30.0, "y": 20.0, "z": 30.0}},
    )  # fmt: skip
    (reversal,) = standings.rank_reversals(standing)
    assert reversal == standings.RankReversal("FPR95", ["y", "x", "z"], [("y", "x")], 2)


def test_published_tables_hold_every_row_reported_or_with_a_file() -> None:
    psl, dear = tables.read("psl2023"), tables.read("dear2021")
    assert Counter((row.protocol, row.backbone) for row in psl.rows if not row.note.startswith("released")) == {
        (protocol, backbone): 14 for protocol in ("ucf101-hmdb51", "ucf101-mit") for backbone in ("tsm", "i3d")
    }
    published = [row for row in dear.rows if row.method != "edl" and "correction" not in row.note]
    assert Counter(row.backbone for row in published) == dict.fromkeys(("i3d", "tsm", "tpn", "slowfast"), 12)
    assert (sum(row.file is not None for row in psl.rows), sum(row.file is not None for row in dear.rows)) == (25, 7)
    for published_table in (psl, dear):
        assert published_table.citation
        assert "http" not in published_table.source
        assert all(row.numbers for row in published_table.rows)


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("\nmethd =", "\nmethod =", "no key 'methd'. Did you mean 'method'?"),
        ("auroc = 120", "auroc = 90.888", "auroc = 120 is no percentage"),
        ('protocol = "ucf101-hmdb5"', 'protocol = "ucf101-hmdb51"', "has no [conventions.ucf101-hmdb5]"),
    ],
)
def test_a_wrong_entry_of_a_table_is_named(tmp_path: Path, wrong: str, right: str, message: str) -> None:
    source = Path(__file__).parents[1] / "benchmarks/published/psl2023.toml"
    file = tmp_path / "mine.toml"
    file.write_text(source.read_text().replace(right, wrong, 1))
    with pytest.raises(OsarbenchError) as error:
        tables.read(str(file))
    assert message in str(error.value)


def test_a_misspelt_table_is_named_with_the_nearest() -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'psl2023'"):
        tables.read("psl2032")


def test_the_command_prints_each_cell_and_the_finding(shared: Path, tmp_path: Path) -> None:
    result = run("dear", shared / "data/scores/psl", "--json", tmp_path / "dear.json")
    assert result.exit_code == 0, result.output
    assert "23 published numbers recomputed from 7 files" in result.output
    assert "AUROC, without PSL-8 or SOAR-12" in result.output
    assert "bnn, rpl, mc_dropout, dear. The whole order is reversed." in " ".join(result.output.split())
    written = json.loads((tmp_path / "dear.json").read_text())
    assert len(written["cells"]) == 23
    assert written["standings"][0]["values"]["AUROC"]["dear"] == pytest.approx(78.537195, abs=1e-6)


def test_files_that_are_missing_are_listed_and_skipped(shared: Path, tmp_path: Path) -> None:
    name = "results/TSM_BNN_BALD_HMDB_result.npz"
    (tmp_path / "results").mkdir()
    shutil.copy(shared / "data/scores/psl" / name, tmp_path / name)
    result = run("psl", tmp_path)
    assert result.exit_code == 0, result.output
    assert "4 published numbers recomputed from 1 files" in result.output
    assert "results_ft_hmdb/TSM_openmax_ft.npz" in result.output


def test_a_web_page_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/TSM_BNN_BALD_HMDB_result.npz").write_text("<!DOCTYPE html>")
    assert "TSM_BNN_BALD_HMDB_result.npz is a web page" in str(run("psl", tmp_path).exception)


def test_a_folder_without_any_of_the_files_is_an_error(tmp_path: Path) -> None:
    result = run("psl", tmp_path)
    assert isinstance(result.exception, OsarbenchError)
    assert "has none of the 25 score files" in str(result.exception)


def test_a_paper_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    result = run("deer", tmp_path)
    assert "There is no paper to reproduce 'deer'. Did you mean 'dear'?" in str(result.exception)
