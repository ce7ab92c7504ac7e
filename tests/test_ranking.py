"""Threshold-free metrics against scikit-learn and brute force."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from osarbench.scores.metrics import ranking, thresholds


def scores(*, ties: bool = True, known: int = 300, unknown: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known [N] and unknown [M] uncertainties that overlap, in steps of 0.1 if ``ties``, and which are correct [N]."""
    generator = np.random.default_rng(3)
    low, high = generator.normal(0.0, 1.0, known), generator.normal(1.0, 1.5, unknown)
    rounding = 1 if ties else 12
    return low.round(rounding), high.round(rounding), generator.random(known) < 0.8


def both(known: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.r_[np.zeros(len(known)), np.ones(len(unknown))], np.r_[known, unknown]


@pytest.mark.parametrize("shift", [0.0, -200.0])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("ties", [True, False])
def test_auroc_equals_scikit_learn_at_any_scale_and_shift(ties: bool, scale: float, shift: float) -> None:
    known, unknown, _ = scores(ties=ties)
    known, unknown = known * scale + shift, unknown * scale + shift
    expected = sklearn_metrics.roc_auc_score(*both(known, unknown))
    assert ranking.auroc(ranking.rank(known=known, unknown=unknown)) == pytest.approx(expected, abs=1e-12)


def test_auroc_is_the_same_for_any_order_of_rows() -> None:
    known, unknown, _ = scores()
    again = ranking.rank(known=known[::-1], unknown=np.roll(unknown, 7))
    assert ranking.auroc(again) == ranking.auroc(ranking.rank(known=known, unknown=unknown))


@pytest.mark.parametrize("positive", ["unknown", "known"])
@pytest.mark.parametrize("ties", [True, False])
def test_aupr_equals_scikit_learn_in_both_conventions(positive: str, ties: bool) -> None:
    known, unknown, _ = scores(ties=ties)
    truth, uncertainty = both(known, unknown)
    if positive == "known":
        truth, uncertainty = 1 - truth, -uncertainty
    precision, recall, _ = sklearn_metrics.precision_recall_curve(truth, uncertainty)
    order = ranking.rank(known=known, unknown=unknown)
    step = ranking.aupr(order, positive=positive, rule="step")
    trapezoid = ranking.aupr(order, positive=positive)
    assert step == pytest.approx(sklearn_metrics.average_precision_score(truth, uncertainty), abs=1e-12)
    assert trapezoid == pytest.approx(sklearn_metrics.auc(recall, precision), abs=1e-12)


def test_prevalence_is_the_share_of_positives_to_which_they_are_weighted() -> None:
    known, unknown, _ = scores()
    expected = sklearn_metrics.average_precision_score(
        *both(known, unknown),
        sample_weight=np.r_[np.full(len(known), 0.8 / len(known)), np.full(len(unknown), 0.2 / len(unknown))],
    )
    found = ranking.aupr(ranking.rank(known=known, unknown=unknown), rule="step", prevalence=0.2)
    assert found == pytest.approx(expected, abs=1e-12)


def test_balanced_aupr_does_not_know_how_many_unknown_videos_there_are() -> None:
    known, unknown, _ = scores()
    few = ranking.aupr(ranking.rank(known=known, unknown=unknown), rule="step", prevalence=0.5)
    many = ranking.aupr(ranking.rank(known=known, unknown=np.tile(unknown, 9)), rule="step", prevalence=0.5)
    weights = np.r_[np.full(len(known), 1 / len(known)), np.full(len(unknown), 1 / len(unknown))]
    expected = sklearn_metrics.average_precision_score(*both(known, unknown), sample_weight=weights)
    assert few == pytest.approx(many, abs=1e-12)
    assert few == pytest.approx(expected, abs=1e-12)


def test_fpr95_in_both_directions_by_hand() -> None:
    order = ranking.rank(known=[0.25, 0.75, 1.5, 30.0], unknown=np.arange(20.0))
    assert ranking.fpr_at_tpr(order) == 0.5  # rejecting 1.0 and up finds 19 of 20, and with them 1.5 and 30
    assert ranking.fpr_at_tpr(order, positive="known") == 1.0  # the known video at 30 lies above all unknown ones
    assert ranking.fpr_at_tpr(order, positive="known", tpr=0.75) == 0.1  # accepting up to 1.5 lets 0 and 1 pass


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("positive", ["unknown", "known"])
def test_fpr95_equals_the_scripts_built_on_scikit_learn(positive: str, ties: bool) -> None:
    known, unknown, _ = scores(ties=ties)
    truth, uncertainty = both(known, unknown)
    if positive == "known":
        truth, uncertainty = 1 - truth, -uncertainty
    order = ranking.rank(known=known, unknown=unknown)
    thinned_fpr, thinned_tpr, _ = sklearn_metrics.roc_curve(truth, uncertainty)
    fpr, tpr, _ = sklearn_metrics.roc_curve(truth, uncertainty, drop_intermediate=False)
    nearest = ranking.fpr_at_tpr(order, positive=positive, rule="nearest")
    assert nearest == pytest.approx(thinned_fpr[np.abs(thinned_tpr - 0.95).argmin()], abs=1e-12)
    first = ranking.fpr_at_tpr(order, positive=positive)
    assert first == pytest.approx(fpr[tpr >= 0.95][0], abs=1e-12)


def test_detection_accuracy_is_the_best_balanced_accuracy() -> None:
    known, unknown, _ = scores()
    tried = [
        thresholds.balanced_accuracy(known=known, unknown=unknown, threshold=threshold)
        for threshold in np.r_[-np.inf, known, unknown]
    ]
    order = ranking.rank(known=known, unknown=unknown)
    assert ranking.detection_accuracy(order) == pytest.approx(max(tried), abs=1e-12)


def test_oscr_equals_all_pairs_by_brute_force() -> None:
    known, unknown, correct = scores()
    wins = (unknown[None] > known[:, None]) + 0.5 * (unknown[None] == known[:, None])
    order = ranking.rank(known=known, unknown=unknown, correct=correct)
    assert ranking.oscr(order) == pytest.approx((wins * correct[:, None]).mean(), abs=1e-12)
    assert ranking.oscr(ranking.rank(known=known, unknown=unknown)) == ranking.auroc(order)


@pytest.mark.parametrize("metric", [ranking.aurc, ranking.open_aurc])
def test_aurc_is_the_mean_risk_over_random_orders_of_ties(metric: Callable[..., float]) -> None:
    known, unknown, correct = scores(known=40, unknown=30)
    everything = metric is ranking.open_aurc
    uncertainty = np.r_[known, unknown] if everything else known
    error = ~np.r_[correct, np.zeros(30, bool)] if everything else ~correct
    generator, risks = np.random.default_rng(0), []
    for _ in range(4000):
        order = np.lexsort([generator.random(len(uncertainty)), uncertainty])
        risks.append((np.cumsum(error[order]) / np.arange(1, len(order) + 1)).mean())
    value = metric(ranking.rank(known=known, unknown=unknown, correct=correct))
    assert value == pytest.approx(np.mean(risks), abs=4 * np.std(risks) / math.sqrt(len(risks)))


def test_the_win_shares_of_a_class_average_to_its_auroc() -> None:
    known, unknown, _ = scores()
    expected = sklearn_metrics.roc_auc_score(*both(known, unknown[:50]))
    assert ranking.win_shares(unknown[:50], known).mean() == pytest.approx(expected, abs=1e-12)


def test_a_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        ranking.rank(known=[np.nan], unknown=[0.1])


def test_thresholded_auc_is_balanced_accuracy() -> None:
    known, unknown, _ = scores()
    truth, uncertainty = both(known, unknown)
    for threshold in (-1.0, 0.3, 2.0):
        expected = sklearn_metrics.roc_auc_score(truth, uncertainty > threshold)
        value = thresholds.balanced_accuracy(known=known, unknown=unknown, threshold=threshold)
        assert value == pytest.approx(expected, abs=1e-12)
