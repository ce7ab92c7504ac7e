"""`osarbench reproduce uosr`: tables 3, 6 and 19 of UOSR from its score files, few-shot files among them."""

import json
import shutil
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from osarbench.commands.published import reproduce as command
from osarbench.errors import OsarbenchError
from osarbench.published import few_shot, npz, reproduce, tables, uosr
from osarbench.published.scores import Scores, part

FOLDER = "data/scores/uosr"
FEW_SHOT = "results_few_shot/TSM_fs_knns_5shot.npz"


@pytest.fixture(scope="module")
def reproduced(shared: Path) -> reproduce.Reproduction:
    return reproduce.reproduce(tables.read("uosr2023"), shared / FOLDER)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(its) for its in arguments])


def file_of(folder: Path, **changes: Any) -> Path:
    """Write a small file of few-shot scores with three draws; an array of None is left out."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "d_in": generator.random((3, 20)), "d_ood": generator.random((3, 12)), "d_train": generator.random((3, 30)),
        "d_ood_fs": generator.random((3, 8)), "msp_in": generator.random(20), "msp_ood": generator.random(12),
        "ind_pred": np.arange(20) % 4, "ind_label": np.arange(20) % 5, "ood_pred": np.arange(12) % 4,
        "ood_label": np.arange(12) % 3,
    }  # fmt: skip
    path = folder / "few.npz"
    np.savez(path, **{key: its for key, its in {**arrays, **changes}.items() if its is not None})
    return path


def test_every_number_with_a_file_is_reproduced(reproduced: reproduce.Reproduction) -> None:
    limits = {"aurc": 0.1}
    off = {(cell.row.file, cell.column): cell.off for cell in reproduced.cells
           if abs(cell.off) > limits.get(cell.column, 0.005) + 1e-4}  # fmt: skip
    assert off == {}
    assert len(reproduced.cells) == 163
    assert reproduced.missing == [
        "results_baselines/openmax/TSM_OpenMax_HMDB_result.npz", "results_few_shot/TSM_fs_knns_1shot.npz",
    ]  # fmt: skip


def test_the_order_of_methods_in_every_column_is_the_papers(reproduced: reproduce.Reproduction) -> None:
    pairs = 0
    for printed in tables.read("uosr2023").tables:
        for column in printed.columns:
            cells = [its for its in reproduced.cells if printed.name in its.row.tables and its.column == column]
            for first, second in combinations(cells, 2):
                if first.published != second.published:
                    pairs += 1
                    found = first.recomputed > second.recomputed
                    assert found == (first.published > second.published), (printed.name, column, first.row.method)
    assert pairs == 791


def test_in_both_halves_of_table_6_every_score_is_nearer_to_uosr(reproduced: reproduce.Reproduction) -> None:
    numbers: dict[int, dict[str, float]] = {}
    for cell in reproduced.cells:
        if any(name.startswith("6") for name in cell.row.tables):
            numbers.setdefault(id(cell.row), {})[cell.column] = cell.recomputed
    assert len(numbers) == 25
    assert all(its["uosr_auroc"] > its["auroc"] for its in numbers.values())


def test_aurc_in_any_order_of_ties_differs_where_the_file_has_ties(reproduced: reproduce.Reproduction) -> None:
    free = {cell.row.method: cell.order_free for cell in reproduced.cells
            if cell.column == "aurc" and cell.row.training == "kinetics400" and not cell.row.shots}  # fmt: skip
    # reference values: the expected risk within ties, computed with pandas from the same files
    assert free["bnn"] == pytest.approx(73.337, abs=0.001)
    assert free["sirc_msp_res"] == pytest.approx(70.325, abs=0.001)
    assert free["dear"] == pytest.approx(102.011, abs=0.001)


def test_published_aurc_cuts_ties_in_favour_of_known_rows_and_float32_makes_ties() -> None:
    known, unknown, right = np.array([0.25, 0.5]), np.array([0.25]), np.array([True, True])
    assert uosr.aurc_known_first(known, unknown, right) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    known, unknown = np.array([2e-9]), np.array([1e-9])  # apart, until they are taken from 1 in float32
    assert uosr.aurc_known_first(known, unknown, right[:1]) == pytest.approx((1 + 1 / 2) / 2)
    assert uosr.aurc_known_first(known, unknown, right[:1], "float32") == pytest.approx((0 + 1 / 2) / 2)


def test_numbers_leave_out_areas_without_pairs_and_excluded_classes() -> None:
    known = part("known", uncertainty=[0.1, 0.2], predicted=[0, 1], labels=[0, 1])
    unknown = part("unknown", uncertainty=[0.0, 0.3], predicted=[0, 0], labels=[7, 8])
    published, free = uosr.numbers(Scores(known, unknown, "made"), excluded=[7])
    assert set(published) == {"auroc", "uosr_auroc", "inc_ood_auroc", "aurc"}
    assert published["auroc"] == 100
    assert free["aurc"] == pytest.approx(published["aurc"])


def test_scores_keep_the_precision_of_their_file(shared: Path) -> None:
    assert npz.read(shared / FOLDER / "results_scratch_hmdb/TSM_bnn.npz").precision == "float32"
    assert npz.read(shared / FOLDER / "results_scratch_hmdb/TSM_openmax.npz").precision == "float64"


def test_of_two_kinds_of_probabilities_the_named_one_is_scored(tmp_path: Path) -> None:
    softmax = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], np.float32)
    openmax = np.array([[0.5, 0.2, 0.1, 0.2], [0.1, 0.5, 0.1, 0.3]], np.float32)
    arrays = {
        f"{side}_{kind}": its for side in ("ind", "ood") for kind, its in (("softmax", softmax), ("openmax", openmax))
    }
    np.savez(tmp_path / "both.npz", ind_label=[0, 1], ood_label=[3, 4], **arrays)  # type: ignore[arg-type]
    assert npz.read(tmp_path / "both.npz").known.uncertainty.tolist() == pytest.approx([0.2, 0.3])
    assert npz.read(tmp_path / "both.npz", kind="softmax").known.uncertainty.tolist() == pytest.approx([0.4, 0.3])


def test_the_published_scale_looks_at_test_videos_and_the_other_does_not(tmp_path: Path) -> None:
    few = few_shot.read(file_of(tmp_path))
    for of_test, changes in ((True, True), (False, False)):
        before = list(few_shot.scored(few, "knns", of_test=of_test))
        moved = few._replace(unknown=np.where(np.arange(12) == 3, 9.0, few.unknown))
        after = list(few_shot.scored(moved, "knns", of_test=of_test))
        assert np.allclose(before[0].known.uncertainty, after[0].known.uncertainty) is not changes


def test_formulas_are_those_of_the_paper(tmp_path: Path) -> None:
    few = few_shot.read(file_of(tmp_path))
    assert few.train is not None
    assert few.shots is not None
    everything = np.concatenate([few.known[1], few.unknown[1], few.train[1], few.shots[1]])
    low, span = everything.min(), everything.max() - everything.min()
    softmax = np.concatenate(few.softmax)
    msp = (few.softmax[0] - softmax.min()) / (softmax.max() - softmax.min())
    d, train, shots = ((its[1] - low) / span for its in (few.known, few.train, few.shots))
    b = shots.mean() - 0.5 * shots.std()
    expected = [msp[n] + d[n] / (1 + np.exp(-50 * (d[n] - b))) for n in range(20)]
    assert list(few_shot.scored(few, "knns"))[1].known.uncertainty == pytest.approx(np.array(expected))
    a = train.mean() + 3 * train.std()
    expected = [np.log(msp[n] * (1 + np.exp((d[n] - a) / train.std())) + 1e-6) for n in range(20)]
    assert list(few_shot.scored(few, "sirc"))[1].known.uncertainty == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_ood": np.ones((2, 12))}, "different numbers of draws (d_in has 3, d_ood has 2, d_train has 3"),
        ({"d_in": np.ones((3, 21))}, "a draw of d_in has 21 videos, and ind_label names 20. Padded rows"),
        ({"d_ood": None, "d_odd": np.ones((3, 12))}, "has no array 'd_ood', so it is no file of few-shot scores. Did"),
        ({"d_in": np.full((3, 20), np.nan)}, "60 distances in d_in are NaN or infinite"),
        ({"d_in": np.ones((3, 20, 2))}, "it must hold distances [draws, videos]"),
        ({"msp_in": np.ones(19)}, "different lengths"),
        ({"ind_label": np.array([None] * 20)}, "pickled objects"),
    ],
)
def test_a_few_shot_file_that_does_not_fit_together_is_one_clear_line(
    tmp_path: Path, changes: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(OsarbenchError) as error:
        few_shot.read(file_of(tmp_path, **changes))
    assert message in str(error.value)


def test_a_score_without_its_distances_is_refused(tmp_path: Path) -> None:
    few = few_shot.read(file_of(tmp_path, d_train=None))
    with pytest.raises(OsarbenchError, match="d_train, which 'sirc' needs"):
        next(few_shot.scored(few, "sirc"))
    with pytest.raises(OsarbenchError, match="no few-shot score 'knn'. Did you mean 'knns'"):
        next(few_shot.scored(few, "knn"))


def test_a_few_shot_file_is_no_scores_table(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="holds distances of draws of few shots"):
        npz.read(file_of(tmp_path))


def test_the_command_shows_the_papers_tables_and_says_where_there_is_no_file(shared: Path, tmp_path: Path) -> None:
    result = run("uosr", shared / FOLDER, "--json", tmp_path / "uosr.json")
    assert result.exit_code == 0, result.output
    for title in (
        "Table 3 (",
        "Table 6, from scratch (",
        "Table 6, pre-trained (",
        "Table 19, 1 shot (",
        "Table 19, 5",
    ):
        assert title in result.output
    assert "68.08 (no file)" in result.output
    assert "69.89 (69.890)" in result.output
    assert "a distributed sampler repeats some" in result.output
    assert "scaled by training videos and shots alone" in result.output
    written = json.loads((tmp_path / "uosr.json").read_text())
    assert len(written["cells"]) == 163
    assert len(written["not_recomputed"]) == 29
    assert written["not_recomputed"][0]["reason"].endswith("TSM_OpenMax_HMDB_result.npz is not there")


def test_few_files_are_enough(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "results_few_shot").mkdir()
    shutil.copy(shared / FOLDER / FEW_SHOT, tmp_path / FEW_SHOT)
    result = run("uosr", tmp_path)
    assert result.exit_code == 0, result.output
    assert "25 published numbers recomputed from 1 files" in result.output


def test_a_row_that_lacks_a_column_of_its_table_is_named(tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "benchmarks/published/uosr2023.toml"
    (tmp_path / "mine.toml").write_text(source.read_text().replace("\ninw_ood_auroc = 64.47", "", 1))
    with pytest.raises(OsarbenchError, match="table 3 has the column inw_ood_auroc, and the row has no such number"):
        tables.read(str(tmp_path / "mine.toml"))
