"""`osarbench differences`: which differences between published methods are more than chance, from their files alone."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from osarbench.commands.published import differences as command
from osarbench.errors import OsarbenchError
from osarbench.leaderboard import pages
from osarbench.leaderboard.differences import FILE
from osarbench.published import differences, differences_text, tables
from osarbench.published.differences import Differences
from osarbench.published.tables import PublishedTable
from osarbench.published.test_sets import SETS

DEAR = "results/TSM_EDLNoKLAvUCDebias_EDL_HMDB_result.npz", "results_ft_hmdb/tsm_dear_ft.npz"


def papers(*names: str) -> list[PublishedTable]:
    """Return the published tables with their rows of fine-tuned networks against HMDB-51 alone, which are quick."""
    found = [tables.read(name) for name in names]
    return [
        its._replace(
            rows=tuple(row for row in its.rows if row.protocol == "ucf101-hmdb51" and row.training != "scratch")
        )
        for its in found
    ]


@pytest.fixture(scope="module")
def found(shared: Path) -> Differences:
    (its,) = differences.differences(
        papers("psl2023", "uosr2023"), [shared / "data/scores/psl", shared / "data/scores/uosr"]
    )
    return its


def test_the_two_files_of_dear_lie_further_apart_than_most_methods(found: Differences) -> None:
    (dear,) = found.twice
    assert dear.files == DEAR
    assert dear.published == (84.164, 91.49)
    assert dear.difference == pytest.approx(91.496 - 84.164, abs=0.01)
    assert 3 < dear.low < dear.difference < dear.high < 12
    assert dear.p_holm < 0.001
    assert (dear.smaller, dear.of) == (69, 81)


def test_a_paired_difference_survives_where_intervals_overlap(found: Differences) -> None:
    (psl, _) = found.groups
    named = {its.method: its for its in psl.methods}
    # published beside this: 94.05 and 90.53; the intervals of PSL and RPL overlap
    assert named["psl"].low < named["rpl"].high
    assert "rpl" not in named["psl"].not_apart
    assert "bnn" in named["psl"].not_apart
    assert [its.method for its in psl.methods] == ["psl", "bnn", "openmax", "rpl", "mc_dropout", "dear"]
    assert (psl.survive, len(psl.gaps)) == (9, 15)


def test_values_are_those_of_distinct_rows(shared: Path, found: Differences) -> None:
    """PSL's file repeats 9 known and 6 unknown rows; without them AUROC is that of scikit-learn on the rest."""
    with np.load(shared / "data/scores/uosr/results_ft_hmdb/TSM_openmax_ft.npz") as file:
        known, labels = file["ind_unctt"], file["ind_label"]
        unknown = file["ood_unctt"][~np.isin(file["ood_label"], [15, 26, 29, 30, 31, 34, 35, 43])]
    (surplus,) = np.flatnonzero(np.bincount(labels) > np.array(SETS["ucf101/test1"].counts))
    every = [np.delete(known, row) for row in np.flatnonzero(labels == surplus)]
    values = [
        100 * roc_auc_score(np.repeat([0, 1], [len(its), len(unknown)]), np.concatenate([its, unknown]))
        for its in every
    ]
    openmax = next(its for its in found.groups[1].methods if its.method == "openmax")
    assert min(values) - 1e-6 <= openmax.value <= max(values) + 1e-6
    assert openmax.value != pytest.approx(100 * roc_auc_score(
        np.repeat([0, 1], [len(known), len(unknown)]), np.concatenate([known, unknown])), abs=1e-6)  # fmt: skip


def test_each_surviving_difference_stands_once_in_the_table(found: Differences) -> None:
    for group in found.groups:
        lines = [row for row in differences_text.rows(found) if row[0] == group.name]
        beaten = [name for line in lines if line[-1] != "-" for name in line[-1].split(", ")]
        assert len(beaten) == group.survive


def test_what_is_written_is_read_again(tmp_path: Path, found: Differences) -> None:
    differences.write(found, tmp_path / FILE)
    again = differences.read(tmp_path / FILE)
    assert differences_text.text(again) == differences_text.text(found)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(OsarbenchError, match="is damaged. Make it again: osarbench differences FOLDER --publish"):
        differences.read(tmp_path / FILE)


def test_a_page_that_differs_from_what_is_kept_is_found(tmp_path: Path, found: Differences) -> None:
    for file, text in pages.render(tmp_path).items():
        file.write_text(text, encoding="utf-8")
    assert pages.check(tmp_path) == []
    differences.write(found, tmp_path / "ucf101-hmdb51" / FILE)
    assert any("ucf101-hmdb51.md is not what" in problem for problem in pages.check(tmp_path))


def test_files_whose_videos_cannot_be_told_by_class_are_left_out_with_the_reason(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data/scores/uosr"
    for name in (*DEAR, "results_ft_hmdb/TSM_openmax_ft.npz", "results_ft_hmdb/TSM_CRL.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        with np.load(folder / name) as file:
            arrays = dict(file)
        if "CRL" in name:
            arrays["ood_label"] = np.where(arrays["ood_label"] > 10, 11, arrays["ood_label"])
        np.savez(tmp_path / name, **arrays)
    (its,) = differences.differences(papers("uosr2023"), [tmp_path], draws=200)
    assert [name for name, _ in its.left_out] == ["results_ft_hmdb/TSM_CRL.npz"]
    assert "have the class number 11, which stands for others" in its.left_out[0][1]
    assert {one.method for one in its.groups[0].methods} == {"openmax", "dear"}
    assert "Left out: results_ft_hmdb/TSM_CRL.npz" in differences_text.text(its)


def test_folders_without_the_files_are_an_error(tmp_path: Path) -> None:
    error = CliRunner().invoke(command, [str(tmp_path)]).exception
    assert isinstance(error, OsarbenchError)
    assert "has no two score files of one published table" in str(error)
