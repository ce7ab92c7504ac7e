"""What is wrong with score files: every known defect of the published ones, a planted case each, and no false alarm."""

from pathlib import Path

import numpy as np
import pytest
import torch.utils.data

from osarbench.published import integrity, npz, padding, row_checks, test_sets
from osarbench.published.findings import Finding
from osarbench.published.scores import Part, Scores

UCF, HMDB, MIT = (test_sets.SETS[name] for name in ("ucf101/test1", "hmdb51/test1", "mit/validation"))
PSL_HMDB = {"surplus rows known": 9, "surplus rows unknown": 6, "repeated rows known": 1}
PADDED = {"surplus rows known": 1}
SLIP = {"class counts unknown": 1}
# What is known of each file of the PSL paper: number of rows by finding (kind and, for rows and labels, role).
DEFECTS = {
    "results/TSM_BNN_BALD_HMDB_result": {"repeated rows known": 6},
    "results/TSM_BNN_BALD_MiT_result": {"repeated rows known": 6},
    "results/TSM_DNN_BALD_HMDB_result": {},
    "results/TSM_DNN_BALD_MiT_result": {},
    "results/TSM_EDLNoKLAvUCDebias_EDL_HMDB_result": {"repeated rows known": 6, "evidence saturated": 3733},
    "results/TSM_EDLNoKLAvUCDebias_EDL_MiT_result": {"repeated rows known": 6, "evidence saturated": 8346},
    "results_baselines/rpl/TSM_RPL_HMDB_result": {"repeated rows known": 8, "repeated rows unknown": 2, "ties": 1555},
    "results_ft_hmdb/TSM_PSL_80_n_s_shu_ft_score": PSL_HMDB,
    "results_ft_hmdb/TSM_openmax_ft": PADDED,
    "results_ft_mit/TSM_PSL_80_n_s_shu_ft_mit_score": PADDED | SLIP,
    "results_ft_mit/TSM_openmax_ft_MiT": PADDED | SLIP,
    "results_scratch_hmdb/TSM_PSL_80_n_s_shu_score": PSL_HMDB,
    "results_scratch_hmdb/TSM_bnn": PADDED,
    "results_scratch_hmdb/TSM_dear": PADDED | {"evidence saturated": 1635},
    "results_scratch_hmdb/TSM_dropout": PADDED | {"ties": 691},
    "results_scratch_hmdb/TSM_openmax": PADDED,
    "results_scratch_hmdb/TSM_rpl": PADDED | {"repeated rows known": 3, "repeated rows unknown": 1, "ties": 1101},
    "results_scratch_hmdb/TSM_softmax": PADDED | {"repeated rows known": 1, "ties": 1487},
    "results_scratch_mit/TSM_PSL_80_n_s_shu_mit_score": PADDED | SLIP,
    "results_scratch_mit/TSM_bnn_mit": PADDED | SLIP,
    "results_scratch_mit/TSM_dear_mit": {
        "surplus rows known": 9, "surplus rows unknown": 12, "placeholder labels unknown": 20508,
        "evidence saturated": 2476, "repeated rows known": 1, "repeated rows unknown": 7,
    },
    "results_scratch_mit/TSM_dropout_mit": PADDED | SLIP | {"ties": 758},
    "results_scratch_mit/TSM_openmax_mit": PADDED | SLIP,
    "results_scratch_mit/TSM_rpl_mit": PADDED | SLIP | {"repeated rows known": 1, "ties": 1564},
    "results_scratch_mit/TSM_softmax_mit": PADDED | SLIP | {"ties": 2450},
}  # fmt: skip


def clean(official: test_sets.Official = HMDB, seed: int = 0) -> Scores:
    """Scores without a flaw, of UCF-101's first test split and another test set, in random order."""
    generator = np.random.default_rng(seed)
    parts = []
    for shift, its in ((0.0, UCF), (1.5, official)):
        labels = generator.permutation(np.repeat(np.arange(len(its.counts)), its.counts))
        confidence, uncertainty = generator.uniform(0.1, 1, its.rows), generator.normal(shift, 1, its.rows)
        parts.append(Part(uncertainty, confidence, generator.integers(0, 101, its.rows), labels))
    return Scores(parts[0], parts[1], "planted")


def shown(findings: list[Finding]) -> dict[str, int]:
    """Findings as in DEFECTS."""
    roles = {"surplus rows", "class counts", "repeated rows", "placeholder labels", "rows lost"}
    return {
        f"{its.kind} {'unknown' if 'unknown row' in its.text else 'known'}" if its.kind in roles else its.kind: its.rows
        for its in findings
    }


def with_known(scores: Scores, **columns: np.ndarray) -> Scores:
    return scores._replace(known=scores.known._replace(**columns))


def taken(part: Part, rows: np.ndarray) -> Part:
    return Part(*(column[rows] for column in part[:4]))


@pytest.mark.parametrize("name", DEFECTS)
def test_the_defects_of_a_published_file_are_found_and_nothing_else(shared: Path, name: str) -> None:
    found = integrity.check(npz.read(shared / f"data/scores/psl/{name}.npz"))
    assert shown(found) == DEFECTS[name]


@pytest.mark.parametrize("official", [HMDB, MIT], ids=lambda its: its.name)
@pytest.mark.parametrize("seed", range(3))
def test_clean_scores_raise_no_alarm(official: test_sets.Official, seed: int) -> None:
    assert integrity.check(clean(official, seed)) == []


def test_clean_scores_of_other_data_raise_no_alarm() -> None:
    generator = np.random.default_rng(0)
    rows = np.arange(400)
    part = Part(generator.normal(0, 1, 400), np.full(400, np.nan), rows % 7, rows % 10)
    assert integrity.check(Scores(part, part._replace(uncertainty=generator.normal(1, 1, 400)), "planted")) == []


def test_a_protocol_without_some_unknown_classes_raises_no_alarm() -> None:
    scores = clean()
    kept = taken(scores.unknown, scores.unknown.labels % 4 > 0)
    assert integrity.check(scores._replace(unknown=kept), unknown_set="hmdb51/test1") == []


def test_official_counts_are_those_of_the_lists(shared: Path) -> None:
    lists = shared / "data/annotations/ucfTrainTestlist"
    classes = [line.split()[1] for line in (lists / "classInd.txt").read_text().splitlines()]
    for split in (1, 2, 3):
        named = [line.partition("/")[0] for line in (lists / f"testlist0{split}.txt").read_text().split()]
        counts = tuple(named.count(name) for name in classes)
        assert test_sets.SETS[f"ucf101/test{split}"].counts == counts
    assert (UCF.rows, HMDB.rows, MIT.rows) == (3783, 1530, 30500)


def test_padding_is_found_with_its_rows_and_its_effect() -> None:
    scores = clean()
    padded = taken(scores.unknown, np.append(np.arange(1530), [3, 8]))
    padded = padded._replace(uncertainty=np.append(scores.unknown.uncertainty, [9.0, 9.1]))
    (found,) = integrity.check(scores._replace(unknown=padded))
    assert (found.kind, found.severity, found.rows) == ("surplus rows", "warning", 2)
    assert "1,532 unknown rows, HMDB-51, test split 1 has 1,530 videos: 2 too many" in found.text
    assert "rows 01530, 01531" in found.text
    assert "without these rows AUROC is" in found.effect


def test_the_surplus_row_is_the_last_of_its_class() -> None:
    labels = np.append(np.repeat(np.arange(51), 30), [7])
    assert row_checks.surplus_rows(labels, HMDB) == {7: [1530]}


def test_lost_rows_are_an_error_that_names_their_classes() -> None:
    scores = clean()
    lost = np.flatnonzero(scores.known.labels == 5)[:3]
    (found,) = integrity.check(scores._replace(known=taken(scores.known, np.delete(np.arange(3783), lost))))
    assert (found.kind, found.severity, found.rows) == ("rows lost", "error", 3)
    assert "class 5 has 40 instead of 43" in found.text


def test_many_lost_rows_are_missed_in_their_own_test_set_and_not_taken_for_another() -> None:
    scores = clean()
    found = integrity.check(scores._replace(known=taken(scores.known, np.arange(3700))))  # split 3 has 3,696
    assert shown(found)["rows lost known"] == 83
    assert "UCF-101, test split 1 has 3,783" in found[0].text


def test_rows_of_another_split_are_recognised() -> None:
    other = test_sets.SETS["ucf101/test2"]
    labels = np.repeat(np.arange(101), other.counts)
    part = Part(np.zeros(len(labels)), np.zeros(len(labels)), labels, labels)
    assert test_sets.guess(part) == other


def test_repeated_rows_are_found() -> None:
    scores = clean()
    rows = np.arange(3783)
    rows[10] = 11
    found = shown(integrity.check(scores._replace(known=taken(scores.known, rows))))
    assert found["repeated rows known"] == 1


def test_repeated_video_names_are_found() -> None:
    names = np.array([f"v_{number}" for number in range(3783)])
    names[5] = "v_6"
    assert shown(integrity.check(with_known(clean(), videos=names))) == {"repeated videos": 1}


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_uncertainty_that_is_not_finite_is_an_error(value: float, word: str) -> None:
    scores = clean()
    uncertainty = scores.known.uncertainty.copy()
    uncertainty[[4, 9]] = value
    (found,) = integrity.check(with_known(scores, uncertainty=uncertainty))
    assert (found.kind, found.severity, found.rows) == ("not finite", "error", 2)
    assert f"{word}, the first is row 00004" in found.text


def test_confidence_that_some_rows_lack_is_told() -> None:
    scores = clean()
    confidence = scores.known.confidence.copy()
    confidence[:7] = np.nan
    assert shown(integrity.check(with_known(scores, confidence=confidence))) == {"confidence missing": 7}


def test_softmax_in_half_precision_is_found() -> None:
    scores = clean()
    parts = [its._replace(confidence=its.confidence.astype(np.float16).astype(float)) for its in scores[:2]]
    (found,) = integrity.check(scores._replace(known=parts[0], unknown=parts[1]))
    assert (found.kind, found.severity) == ("half precision", "warning")


def test_saturated_exp_evidence_is_found_for_any_number_of_classes() -> None:
    generator = np.random.default_rng(0)
    parts = []
    for saturated in (0.8, 0.2):
        logits = generator.normal(-2, 1, (500, 12))
        logits[:, 0] = np.where(np.arange(500) < 500 * saturated, 11, 3)
        uncertainty = 12 / (np.exp(np.clip(logits, -10, 10)) + 1).sum(axis=1)
        parts.append(Part(uncertainty, np.full(500, np.nan), np.arange(500) % 12, np.arange(500) % 12))
    (found,) = integrity.check(Scores(parts[0], parts[1], "planted"))
    assert (found.kind, found.rows) == ("evidence saturated", 500)
    assert found.text.startswith("80.0 % of the known and 20.0 % of the unknown rows")


def test_ties_are_found_with_what_they_can_do_to_auroc() -> None:
    scores = clean()
    parts = [its._replace(uncertainty=np.maximum(its.uncertainty, 0.5)) for its in scores[:2]]
    (found,) = integrity.check(scores._replace(known=parts[0], unknown=parts[1]))
    assert (found.kind, found.severity) == ("ties", "warning")
    assert "are 0.5" in found.text


def test_placeholder_labels_are_an_error_unless_unknown_videos_never_had_any() -> None:
    scores = clean()
    clipped = scores.unknown._replace(labels=np.minimum(scores.unknown.labels, 10))
    assert shown(integrity.check(scores._replace(unknown=clipped))) == {"placeholder labels unknown": 41 * 30}
    nothing = scores.unknown._replace(labels=np.zeros(1530, np.int64))
    (found,) = integrity.check(scores._replace(unknown=nothing))
    assert (found.kind, found.severity, found.rows) == ("placeholder labels", "warning", 1530)
    (found,) = integrity.check(with_known(scores, labels=np.full(3783, 100)))
    assert (found.kind, found.severity) == ("placeholder labels", "error")


def test_labels_and_predictions_out_of_range_are_errors() -> None:
    scores = clean()
    labels, predicted = scores.known.labels.copy(), scores.known.predicted.copy()
    labels[0], predicted[:5] = -1, 101
    found = integrity.check(with_known(scores, labels=labels, predicted=predicted), known_set="ucf101/test1")
    assert shown(found) == {"labels out of range": 1, "prediction out of range": 5}
    assert {its.severity for its in found} == {"error"}


def test_a_flipped_sign_is_an_error_and_chance_a_warning() -> None:
    scores = clean()
    parts = [its._replace(uncertainty=-its.uncertainty) for its in scores[:2]]
    (found,) = integrity.check(scores._replace(known=parts[0], unknown=parts[1]))
    assert (found.kind, found.severity) == ("sign", "error")
    slightly = scores.unknown._replace(uncertainty=scores.unknown.uncertainty - 1.6)
    (found,) = integrity.check(scores._replace(unknown=slightly))
    assert (found.kind, found.severity) == ("sign", "warning")


def test_sets_that_were_normalised_apart_are_an_error() -> None:
    scores = clean()
    parts = [
        its._replace(uncertainty=(its.uncertainty - its.uncertainty.min()) / np.ptp(its.uncertainty))
        for its in scores[:2]
    ]
    found = integrity.check(scores._replace(known=parts[0], unknown=parts[1]))
    assert (found[0].kind, found[0].severity) == ("normalised apart", "error")


def test_errors_come_first() -> None:
    scores = clean()
    confidence, uncertainty = scores.known.confidence.copy(), scores.known.uncertainty.copy()
    confidence[0], uncertainty[1] = np.nan, np.nan
    found = integrity.check(with_known(scores, confidence=confidence, uncertainty=uncertainty))
    assert [its.severity for its in found] == ["error", "warning"]


@pytest.mark.parametrize("name", ["results_ft_hmdb/TSM_PSL_80_n_s_shu_ft_score", "results_scratch_mit/TSM_dear_mit"])
def test_the_rows_that_a_sampler_of_16_processes_padded_are_found_exactly(shared: Path, name: str) -> None:
    labels = npz.read(shared / f"data/scores/psl/{name}.npz").known.labels
    found = padding.find(labels, UCF)
    assert found == padding.Padding([*range(3687, 3792, 13)], [*range(0, 144, 16)])
    assert np.bincount(np.delete(labels, found.rows)).tolist() == list(UCF.counts)


@pytest.mark.parametrize(("processes", "batch"), [(5, 7), (16, 16), (8, 4)])
def test_planted_padding_is_found_whatever_the_order_of_the_list(processes: int, batch: int) -> None:
    listed = np.random.default_rng(processes).permutation(np.repeat(np.arange(101), UCF.counts))
    shares = [torch.utils.data.DistributedSampler(listed, processes, rank, shuffle=False) for rank in range(processes)]  # type: ignore[arg-type, var-annotated]
    batches = [[list(its)[start : start + batch] for its in shares] for start in range(0, len(shares[0]), batch)]
    order = np.array([video for step in batches for its in step for video in its])
    found = padding.find(listed[order], UCF)
    assert found is not None
    assert len(found.rows) == len(order) - 3783
    assert sorted(np.delete(order, found.rows)) == list(range(3783))
    assert order[found.rows].tolist() == order[found.repeats].tolist()


def test_videos_that_get_another_score_when_repeated_are_told(shared: Path) -> None:
    found = integrity.check(npz.read(shared / "data/scores/psl/results_scratch_hmdb/TSM_bnn.npz"))
    assert "row 03783 is row 00000 again, 0.0060288 after 0.16246" in found[0].effect
    assert "testing seems not to be repeatable" in found[0].effect
