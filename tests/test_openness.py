"""Open macro-F1 from counts against relabelling and scikit-learn, its draws against the published script's."""

import itertools
import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from osarbench.scores.metrics import expectation, openness


def decisions(*, empty_class: bool = False) -> dict[str, object]:
    generator = np.random.default_rng(11)
    labels = generator.integers(0, 4 if empty_class else 5, 150)
    known = np.where(generator.random(150) < 0.6, labels, generator.integers(0, 6, 150))
    return {
        "known_labels": labels,
        "known_decisions": known,
        "unknown_labels": generator.permutation(np.repeat(np.arange(7), [3, 5, 8, 13, 21, 1, 9])),
        "unknown_decisions": generator.choice(6, 60, p=[0.3, 0.1, 0.0, 0.05, 0.05, 0.5]),
        "known_classes": 5,
        "unknown_classes": 7,
    }


def slow_macro_f1(made: dict[str, object], chosen: np.ndarray) -> float:
    """Macro-F1 of one draw by its definition: relabel, then ask scikit-learn."""
    drawn = np.isin(made["unknown_labels"], np.flatnonzero(chosen))
    labels = np.r_[made["known_labels"], np.full(drawn.sum(), 5)]
    decided = np.r_[made["known_decisions"], made["unknown_decisions"][drawn]]
    return float(sklearn_metrics.f1_score(labels, decided, average="macro"))


@pytest.mark.parametrize("empty_class", [False, True])
def test_macro_f1_from_counts_equals_relabelling(empty_class: bool) -> None:
    made = decisions(empty_class=empty_class)
    chosen = np.random.default_rng(0).random((40, 7)) < 0.5
    fast = openness.macro_f1(openness.open_counts(**made), chosen)
    assert fast == pytest.approx([slow_macro_f1(made, draw) for draw in chosen], abs=1e-12)


def test_a_class_without_videos_or_decisions_does_not_count() -> None:
    counts = openness.OpenCounts(
        hits=np.array([2, 0, 1]), support=np.array([3, 0, 1]), decided=np.array([2, 0, 1, 1]),
        unknown=np.array([[0, 0, 0, 2]]),
    )  # fmt: skip
    f1_of_0, f1_of_2, f1_of_unknown = 4 / 5, 1.0, 4 / 5
    assert openness.macro_f1(counts, np.array([[True]])) == pytest.approx([(f1_of_0 + f1_of_2 + f1_of_unknown) / 3])


def test_dear_open_macro_f1_uses_up_the_generator_as_its_script_does() -> None:
    made, generator, curves = decisions(), np.random.RandomState(123), []
    for _ in range(2):  # two methods, one after the other
        curve = []
        for count in range(1, 8):
            draws = [np.isin(np.arange(7), generator.choice(7, count, replace=False)) for _ in range(10)]
            curve.append([slow_macro_f1(made, draw) for draw in draws])
        curves.append(np.array(curve))
    weights = 1 - np.sqrt(10 / (10 + np.arange(1, 8)))
    for position, curve in enumerate(curves):
        result = openness.dear_open_macro_f1(openness.open_counts(**made), position=position)
        assert result.value == pytest.approx(np.average(curve.mean(axis=1), weights=weights), abs=1e-12)
        assert result.std == pytest.approx(np.average(curve.std(axis=1), weights=weights), abs=1e-12)


@pytest.mark.parametrize("unknown_decision", [None, 5, 0])
@pytest.mark.parametrize("accept_known", [False, True])
def test_expected_open_macro_f1_is_the_mean_over_every_draw(accept_known: bool, unknown_decision: int | None) -> None:
    made = decisions()
    if accept_known:
        made["known_decisions"] = made["known_decisions"] % 5
    if unknown_decision is not None:
        made["unknown_decisions"] = np.full(60, unknown_decision)
    counts = openness.open_counts(**made)
    result = expectation.expected_open_macro_f1(counts)
    for count in range(1, 8):
        every = [np.isin(np.arange(7), drawn) for drawn in itertools.combinations(range(7), count)]
        assert result.means[count - 1] == pytest.approx(openness.macro_f1(counts, np.array(every)).mean(), abs=1e-10)


def test_seeded_draws_agree_with_the_expectation_and_their_last_point_is_exact() -> None:
    counts = openness.open_counts(**decisions())
    exact = expectation.expected_open_macro_f1(counts)
    drawn = openness.seeded_open_macro_f1(counts, draws=3000, seed=1)
    assert np.abs(drawn.means - exact.means).max() < 5 * drawn.stds.max() / math.sqrt(3000)
    assert drawn.means[-1] == pytest.approx(exact.means[-1], abs=1e-10)
    assert drawn.stds[-1] == pytest.approx(0, abs=1e-12)


def test_openness_of_the_published_protocols() -> None:
    values = openness.openness(101, [0, 1, 51, 305])
    assert values == pytest.approx([0, 0.002466, 0.106457, 0.368793], abs=5e-7)
