"""The evaluation of a whole scores table, each number against the slow way; closed metrics and calibration."""

import doctest
import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from osarbench.errors import OsarbenchError
from osarbench.scores import metrics
from osarbench.scores.metrics import (
    calibration,
    closed,
    conventions,
    evaluation,
    expectation,
    openness,
    ranking,
    thresholds,
)
from osarbench.scores.metrics.result import Evaluation


@pytest.mark.parametrize("module", [ranking, closed, openness, expectation, thresholds, calibration])
def test_the_worked_examples_hold(module: object) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_what_is_undefined_is_none_and_never_zero() -> None:
    empty, one = ranking.rank(known=[0.1], unknown=[]), [0.1]
    for metric in (ranking.auroc, ranking.aupr, ranking.fpr_at_tpr, ranking.detection_accuracy, ranking.oscr):
        assert metric(empty) is None
    assert ranking.aurc(ranking.rank(known=[], unknown=one)) is None
    assert thresholds.quantile_threshold([]) is None
    assert thresholds.balanced_accuracy(known=one, unknown=[], threshold=0.5) is None
    assert thresholds.balanced_accuracy(known=one, unknown=one, threshold=None) is None
    assert closed.accuracy([], []) is None
    assert closed.mean_class_accuracy([], []) is None
    assert closed.top_k_accuracy(np.ones((1, 3)), [0], k=5) is None
    assert calibration.ece([], []) is None
    assert calibration.brier(np.ones((0, 3)), []) is None


def test_a_quantile_threshold_accepts_at_least_its_share() -> None:
    for count in (7, 20, 100, 9537):
        uncertainty = np.random.default_rng(count).permutation(count).astype(float)
        threshold = thresholds.quantile_threshold(uncertainty, 0.95)
        assert threshold == np.quantile(uncertainty, 0.95, method="inverted_cdf")
        assert thresholds.accepted_share(uncertainty, threshold) >= 0.95
    # at 9,537 training videos DEAR takes the 477th largest value
    assert thresholds.dear_threshold(np.arange(9537.0)) == 9537 - 477


def test_closed_metrics_equal_scikit_learn() -> None:
    generator = np.random.default_rng(5)
    labels, probabilities = generator.integers(0, 8, 200), generator.dirichlet(np.ones(8), 200)
    predicted = probabilities.argmax(axis=1)
    assert closed.accuracy(labels, predicted) == sklearn_metrics.accuracy_score(labels, predicted)
    expected = sklearn_metrics.balanced_accuracy_score(labels, predicted)
    assert closed.mean_class_accuracy(labels, predicted) == pytest.approx(expected, abs=1e-12)
    assert closed.top_k_accuracy(probabilities, labels) == sklearn_metrics.top_k_accuracy_score(
        labels, probabilities, k=5
    )
    assert closed.top_k_accuracy(probabilities, labels, k=1) == closed.accuracy(labels, predicted)


def test_top_five_of_a_table_follows_from_the_ranks_of_its_labels() -> None:
    generator = np.random.default_rng(6)
    labels, probabilities = generator.integers(0, 9, 300), generator.dirichlet(np.ones(9), 300)
    ranks = closed.label_ranks(probabilities, labels)
    expected = sklearn_metrics.top_k_accuracy_score(labels, probabilities, k=5)
    assert closed.top_k_of_ranks(ranks, classes=9) == expected
    assert closed.top_k_of_ranks(ranks, classes=4) is None
    assert closed.top_k_of_ranks([1, np.nan], classes=9) is None


def test_ece_and_brier_equal_their_definitions() -> None:
    generator = np.random.default_rng(2)
    confidence, correct = (
        np.r_[0.0, 1.0, 1 / 3, generator.random(500)],
        np.r_[True, False, True, generator.random(500) < 0.5],
    )
    expected = 0.0
    for bin_number in range(15):
        inside = (confidence > bin_number / 15) & (confidence <= (bin_number + 1) / 15)
        inside |= (bin_number == 0) & (confidence == 0)
        expected += abs(correct[inside].mean() - confidence[inside].mean()) * inside.mean()
    assert calibration.ece(confidence, correct) == pytest.approx(expected, abs=1e-12)
    probabilities, labels = generator.dirichlet(np.ones(6), 50), generator.integers(0, 6, 50)
    squares = ((probabilities - np.eye(6)[labels]) ** 2).sum(axis=1).mean()
    assert calibration.brier(probabilities, labels) == pytest.approx(squares, abs=1e-12)
    assert calibration.decision_brier(confidence, correct) == sklearn_metrics.brier_score_loss(correct, confidence)


def test_a_confidence_on_the_edge_of_two_bins_belongs_to_the_lower_one() -> None:
    diagram = calibration.reliability([0.2, 0.4, 0.5], [True, False, True], bins=5)
    assert diagram.videos.tolist() == [1, 1, 1, 0, 0]
    # (0, 0.5]: |1 - 0.45| of two videos, (0.5, 1]: |0 - 0.6| of one; were 0.5 in the upper bin: 0.6 and 0.05 of two
    assert calibration.ece([0.4, 0.5, 0.6], [True, True, False], bins=2) == pytest.approx((2 * 0.55 + 0.6) / 3)


def test_mean_class_accuracy_leaves_out_classes_without_videos() -> None:
    assert closed.mean_class_accuracy([0, 0, 3], [0, 1, 3]) == 0.75


def test_dears_views_of_calibration_leave_out_a_confidence_of_zero() -> None:
    views = calibration.dear_decisions(known=[0.0, 1.0], unknown=[0.5], known_correct=[True, True], threshold=0.2)
    assert {name: view.confidence.tolist() for name, view in views.items() if view is not None} == {
        "closed": [1.0], "open": [1.0, 0.5], "binary": [1.0, 0.5],
    }  # fmt: skip


def auroc(known: pd.DataFrame, unknown: pd.DataFrame) -> float:
    truth = np.r_[np.zeros(len(known)), np.ones(len(unknown))]
    return float(sklearn_metrics.roc_auc_score(truth, np.r_[known["uncertainty"], unknown["uncertainty"]]))


def table(*, with_calibration: bool = True, seed: int = 0) -> pd.DataFrame:
    """A table as the ``motion`` protocol makes it: two known sources, a near and a far unknown one."""
    generator, frames = np.random.default_rng(seed), []
    plan = [
        ("calibration", "motion/held_out", "move", 0.0),
        ("known", "motion/test_matched", "move", 0.1),
        ("known", "motion/test_swapped", "move", 0.8),
        ("unknown", "motion/near", "orbit", 1.0),
        ("unknown", "motion/far", "flicker", 3.0),
    ]
    for role, source, stem, level in plan:
        labels = np.array([f"{stem}_{number}" for number in generator.integers(0, 4, 120)])
        wrong = generator.random(120) < (0.4 if source.endswith("swapped") else 0.1)
        predicted = np.where(wrong | (role == "unknown"), [f"move_{n}" for n in generator.integers(0, 4, 120)], labels)
        frames.append(
            pd.DataFrame(
                {
                    "video": [f"{number:03d}.avi" for number in range(120)],
                    "role": role,
                    "source": source,
                    "label": labels,
                    "predicted": predicted,
                    "confidence": generator.uniform(0.3, 1.0, 120),
                    "uncertainty": generator.normal(level, 1.0, 120),
                }
            )
        )
    whole = pd.concat(frames, ignore_index=True)
    return whole if with_calibration else whole[whole["role"] != "calibration"]


def test_an_evaluation_survives_json_and_the_order_of_rows() -> None:
    result = metrics.evaluate(table())
    assert json.loads(result.to_json()) == result
    assert Evaluation.from_dict(json.loads(result.to_json())) == result
    assert metrics.evaluate(table().sample(frac=1, random_state=1))["headline"] == result["headline"]


def test_near_and_far_matched_and_swapped_are_told_apart() -> None:
    sources = metrics.evaluate(table())["by_source"]
    assert sources["unknown"]["motion/far"]["auroc"] > sources["unknown"]["motion/near"]["auroc"] + 0.1
    matched, swapped = sources["known"]["motion/test_matched"], sources["known"]["motion/test_swapped"]
    assert matched["closed_accuracy"] > swapped["closed_accuracy"] + 0.1
    assert matched["known_accepted"] > swapped["known_accepted"]
    assert (matched["known"], matched["unknown"]) == (120, 240)


def test_every_number_names_its_convention() -> None:
    result = metrics.evaluate(table())
    named = set(conventions.CONVENTIONS)
    sizes = {"known", "unknown", "threshold_videos", "videos", "most_predicted"}
    numbers = [*result["headline"], *result["thresholded"], *result["calibration"]]
    numbers += [key for rows in result["per_class"].values() for row in rows.values() for key in row]
    assert set(numbers) - sizes <= named
    assert named <= {*numbers, "in_parts"}


def test_the_thresholded_block_equals_the_slow_way() -> None:
    rows = table()
    result = metrics.evaluate(rows)["thresholded"]
    held_out = rows.loc[rows["role"] == "calibration", "uncertainty"]
    tested = rows[rows["role"] != "calibration"]
    threshold = np.sort(held_out)[113]  # the 114th of 120: 95 %
    truth = tested["label"].where(tested["role"] == "known", evaluation.UNKNOWN)
    decided = tested["predicted"].where(tested["uncertainty"] <= threshold, evaluation.UNKNOWN)
    assert result["threshold"] == threshold
    assert result["open_macro_f1_all"] == pytest.approx(
        sklearn_metrics.f1_score(truth, decided, average="macro"), abs=1e-10
    )
    accepted = (tested["uncertainty"] <= threshold)[tested["role"] == "known"].mean()
    assert result["known_accepted"] == accepted
    assert result["transfer_gap"] == accepted - 0.95
    crossed = pd.crosstab(truth, decided)
    assert {row: {k: n for k, n in cells.items() if n} for row, cells in crossed.T.to_dict().items()} == result[
        "confusion"
    ]


def test_the_class_table_equals_the_slow_way() -> None:
    rows = table()
    result = metrics.evaluate(rows)["per_class"]
    known, unknown = rows[rows["role"] == "known"], rows[rows["role"] == "unknown"]
    own = unknown[unknown["label"] == "orbit_2"]
    row = result["unknown"]["orbit_2"]
    expected = auroc(known, own)
    assert row["class_auroc"] == pytest.approx(expected, abs=1e-12)
    assert row["purity"] == own["predicted"].value_counts(normalize=True).max()
    assert row["videos"] == len(own)
    one = known[known["label"] == "move_1"]
    assert result["known"]["move_1"]["closed_accuracy"] == (one["predicted"] == "move_1").mean()
    expected = auroc(one, unknown)
    assert result["known"]["move_1"]["class_auroc"] == pytest.approx(expected, abs=1e-12)


def test_the_f1_of_the_classes_averages_to_the_open_macro_f1() -> None:
    result = metrics.evaluate(table())
    confusion = result["thresholded"]["confusion"]
    rejected = sum(row.get(evaluation.UNKNOWN, 0) for row in confusion.values())
    unknown_f1 = 2 * confusion[evaluation.UNKNOWN][evaluation.UNKNOWN] / (rejected + result["counts"]["unknown"])
    f1 = [row["f1"] for row in result["per_class"]["known"].values()]
    assert np.mean([*f1, unknown_f1]) == pytest.approx(result["thresholded"]["open_macro_f1_all"], abs=1e-10)


def test_without_calibration_rows_every_thresholded_number_is_none() -> None:
    result = metrics.evaluate(table(with_calibration=False))
    assert result["headline"]["auroc"] is not None
    assert result["headline"]["balanced_accuracy"] is None
    thresholded = result["thresholded"]
    assert thresholded.pop("threshold_videos") == 0
    assert set(thresholded.values()) == {None}
    assert "f1" not in result["per_class"]["known"]["move_0"]


def test_contested_classes_are_left_out_of_a_second_headline() -> None:
    rows = table()
    result = metrics.evaluate(rows, contested=["orbit_1", "not_here"])
    assert result["counts"]["contested"] == (rows["label"] == "orbit_1").sum()
    assert result["without_contested"] == metrics.evaluate(rows[rows["label"] != "orbit_1"])["headline"]
    assert metrics.evaluate(rows)["without_contested"] is None


def test_a_threshold_from_training_rows() -> None:
    rows = table()
    rows["role"] = rows["role"].replace("calibration", "train")
    assert metrics.evaluate(rows)["thresholded"]["threshold"] is None
    assert metrics.evaluate(rows, threshold_from="train")["headline"] == metrics.evaluate(table())["headline"]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'calibration'"):
        metrics.evaluate(table(), threshold_from="calibrate")
    with pytest.raises(OsarbenchError, match="quantile"):
        metrics.evaluate(table(), quantile=95)
    with pytest.raises(OsarbenchError, match="drawn 0 times"):
        metrics.evaluate(table(), draws=0)


@pytest.mark.parametrize("confidence", [np.nan, 7.5])
def test_calibration_without_probabilities_is_none(confidence: float) -> None:
    result = metrics.evaluate(table().assign(confidence=confidence))["calibration"]
    assert result["ece_closed"] is None
    assert result["brier_closed"] is None
    assert result["dear_ece_closed"] is None  # these uncertainties leave [0, 1]


def test_calibration_forgives_rounding_beyond_one() -> None:
    rows = table()
    result = metrics.evaluate(rows.assign(confidence=1.0000002))["calibration"]
    assert result == metrics.evaluate(rows.assign(confidence=1.0))["calibration"]
    assert result["ece_closed"] is not None


def test_dears_rule_accepts_one_held_out_video_more_where_the_share_is_whole() -> None:
    rows = table()
    ordered = np.sort(rows.loc[rows["role"] == "calibration", "uncertainty"])
    assert metrics.evaluate(rows)["thresholded"]["threshold"] == ordered[113]
    assert metrics.evaluate(rows, threshold_rule="dear")["thresholded"]["threshold"] == ordered[114]


def test_parts_of_the_unknown_videos_have_the_same_auroc_but_another_aupr() -> None:
    rows = table()
    whole, parts = metrics.evaluate(rows)["headline"], metrics.evaluate(rows, unknown_parts=4)["in_parts"]
    assert parts["auroc"] == pytest.approx(whole["auroc"], abs=1e-9)
    assert parts["aupr_unknown"] < whole["aupr_unknown"] - 0.05
    assert metrics.evaluate(rows)["in_parts"] is None
