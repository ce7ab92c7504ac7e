"""How fast the metrics are: a table the size of UCF-101 against MiT-v2, by their definitions and by osarbench.

Run it with ``python benchmarks/speed/metrics.py``; it takes a minute, nearly all of it in the slow reference. Both
sides are given the same arrays in the same process and must agree (to 1e-9 where both take the same draws), or the
benchmark stops.
"""

import time
import timeit
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from tabulate import tabulate

from osarbench.scores import metrics
from osarbench.scores.metrics import openness, ranking
from osarbench.scores.metrics.expectation import expected_open_macro_f1

KNOWN_CLASSES, UNKNOWN_CLASSES, DRAWS = 101, 305, 10


THRESHOLD = 1.0


class Made(NamedTuple):
    """Labels, predictions and uncertainties of 3,783 known and 30,500 unknown videos."""

    known_labels: np.ndarray
    known_predicted: np.ndarray
    known_uncertainty: np.ndarray
    unknown_labels: np.ndarray
    unknown_predicted: np.ndarray
    unknown_uncertainty: np.ndarray


def make(seed: int = 0) -> Made:
    """Return scores like those of a published method: 94 % closed accuracy, 84 % accepted, AUROC 0.86."""
    generator = np.random.default_rng(seed)
    labels = np.arange(3783) % KNOWN_CLASSES
    return Made(
        known_labels=labels,
        known_predicted=np.where(generator.random(3783) < 0.94, labels, generator.integers(0, KNOWN_CLASSES, 3783)),
        known_uncertainty=generator.normal(0.0, 1.0, 3783),
        unknown_labels=np.repeat(np.arange(UNKNOWN_CLASSES), 100),
        unknown_predicted=generator.integers(0, KNOWN_CLASSES, 30500),
        unknown_uncertainty=generator.normal(1.5, 1.0, 30500),
    )


def slow_open_macro_f1(made: Made) -> float:
    """Open macro-F1 by its definition: for each of 305 x 10 draws, gather, reject, relabel and score."""
    generator = np.random.RandomState(123)
    known = np.where(made.known_uncertainty > THRESHOLD, KNOWN_CLASSES, made.known_predicted)
    means, weights = [], []
    for count in range(1, UNKNOWN_CLASSES + 1):
        scores = []
        for _ in range(DRAWS):
            drawn = generator.choice(UNKNOWN_CLASSES, count, replace=False)
            decided = np.concatenate([made.unknown_predicted[made.unknown_labels == one] for one in drawn])
            uncertainty = np.concatenate([made.unknown_uncertainty[made.unknown_labels == one] for one in drawn])
            decided[uncertainty > THRESHOLD] = KNOWN_CLASSES
            labels = np.concatenate([made.known_labels, np.full(len(decided), KNOWN_CLASSES)])
            scores.append(f1_score(labels, np.concatenate([known, decided]), average="macro"))
        means.append(np.mean(scores))
        weights.append(1 - np.sqrt(2 * KNOWN_CLASSES / (2 * KNOWN_CLASSES + count)))
    return float(np.average(means, weights=weights))


def counts_of(made: Made) -> openness.OpenCounts:
    """Return the per-class counts that every fast form starts from."""
    return openness.open_counts(
        known_labels=made.known_labels,
        known_decisions=np.where(made.known_uncertainty > THRESHOLD, KNOWN_CLASSES, made.known_predicted),
        unknown_labels=made.unknown_labels,
        unknown_decisions=np.where(made.unknown_uncertainty > THRESHOLD, KNOWN_CLASSES, made.unknown_predicted),
        known_classes=KNOWN_CLASSES,
        unknown_classes=UNKNOWN_CLASSES,
    )


def open_macro_f1(made: Made) -> float:
    """The same by sums over counts; the draws are made again, as for the first table of a process."""
    openness.dear_draws.cache_clear()
    return next_open_macro_f1(made)


def next_open_macro_f1(made: Made) -> float:
    """The same for the next table, whose draws are remembered."""
    result = openness.dear_open_macro_f1(counts_of(made), draws=DRAWS)
    assert result is not None
    return result.value


def exact_open_macro_f1(made: Made) -> float:
    """Its expectation over every draw of 1..305 classes."""
    result = expected_open_macro_f1(counts_of(made))
    assert result is not None
    return result.value


def slow_ranking(made: Made) -> list[float]:
    """AUROC, average precision, both FPR95 and detection accuracy by their definitions: try every threshold."""
    known, unknown = made.known_uncertainty, made.unknown_uncertainty
    levels = np.unique(np.concatenate([known, unknown]))[::-1]
    fpr = np.array([0.0] + [float((known >= level).mean()) for level in levels])
    tpr = np.array([0.0] + [float((unknown >= level).mean()) for level in levels])
    hits, alarms = tpr * len(unknown), fpr * len(known)
    return [
        float(np.trapezoid(tpr, fpr)),
        float(np.sum(np.diff(tpr) * hits[1:] / (hits[1:] + alarms[1:]))),
        float(fpr[tpr >= 0.95][0]),
        float((1 - tpr)[1 - fpr >= 0.95][-1]),
        float(((1 - fpr + tpr) / 2).max()),
    ]


def fast_ranking(made: Made) -> list[float | None]:
    """The same five numbers from one sort."""
    order = ranking.rank(known=made.known_uncertainty, unknown=made.unknown_uncertainty)
    return [
        ranking.auroc(order),
        ranking.aupr(order, rule="step"),
        ranking.fpr_at_tpr(order),
        ranking.fpr_at_tpr(order, positive="known"),
        ranking.detection_accuracy(order),
    ]


def as_table(made: Made) -> pd.DataFrame:
    """Return a scores table of these videos, every tenth known one held out for the threshold."""
    held_out = np.arange(len(made.known_labels)) % 10 == 0
    guesses = np.concatenate([made.known_predicted, made.unknown_predicted])
    return pd.DataFrame(
        {
            "video": [f"{number:05d}.avi" for number in range(len(guesses))],
            "role": [*np.where(held_out, "calibration", "known"), *["unknown"] * len(made.unknown_labels)],
            "source": "benchmark",
            "label": [f"known {k:03d}" for k in made.known_labels] + [f"new {k:03d}" for k in made.unknown_labels],
            "predicted": [f"known {k:03d}" for k in guesses],
            "confidence": 0.5,
            "uncertainty": np.concatenate([made.known_uncertainty, made.unknown_uncertainty]),
        }
    )


def timed(function: Callable[[Made], object], made: Made, repeats: int = 20) -> tuple[float, np.ndarray]:
    """Return the shortest time of some calls in seconds, and the result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function(made)
        best = min(best, time.perf_counter() - begin)
    return best, np.asarray(result, dtype=float)


def main() -> None:
    """Print the table of times."""
    made, rows = make(), []
    comparisons: list[tuple[Callable[[Made], object], list[tuple[str, Callable[[Made], object], float]]]] = [
        (
            slow_open_macro_f1,
            [
                ("open macro-F1, 305 classes x 10 draws, first table", open_macro_f1, 1e-9),
                ("open macro-F1, 305 classes x 10 draws, next tables", next_open_macro_f1, 1e-9),
                ("open macro-F1, exact mean over every draw", exact_open_macro_f1, 1e-3),
            ],
        ),
        (slow_ranking, [("AUROC, AP, FPR95 both ways, detection accuracy", fast_ranking, 1e-9)]),
    ]
    for slow, forms in comparisons:
        slow_time, expected = timed(slow, made, repeats=1)
        for name, fast, tolerance in forms:
            fast_time, value = timed(fast, made)
            np.testing.assert_allclose(value, expected, atol=tolerance)
            rows.append([name, slow_time, 1e3 * fast_time, slow_time / fast_time])
    table = as_table(made)
    full = min(timeit.repeat(lambda: metrics.evaluate(table), number=1, repeat=5))
    rows.append(["every metric of one such table (evaluate)", None, 1e3 * full, None])
    headers = ["3,783 known and 30,500 unknown videos", "by definition, s", "osarbench, ms", "times faster"]
    print(tabulate(rows, headers=headers, floatfmt=("", ".1f", ".1f", ",.0f"), missingval="-"))


if __name__ == "__main__":
    main()
