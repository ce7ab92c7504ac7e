"""How fast a bootstrap is: 2,000 replicates of five metrics, by sorting each replicate again and by osarbench.

Run it with ``python benchmarks/speed/resampling.py``; it takes a minute. The slow side is scikit-learn on the drawn
rows and is timed on 50 replicates; on these both sides must agree to 1e-9, or the benchmark stops.
"""

import time

import numpy as np
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve
from tabulate import tabulate

from osarbench.scores.statistics import resample, weighted
from osarbench.scores.statistics.align import Scores

METRICS = ("auroc", "aupr_unknown", "fpr95_unknown_first", "oscr", "closed_accuracy")
DRAWS, SLOW_DRAWS = 2000, 50


def make(unknown_classes: int, each: int, seed: int = 0) -> tuple[Scores, resample.Sides]:
    """Return scores of 3,783 videos of 101 known classes and of some unknown ones, and their classes."""
    generator = np.random.default_rng(seed)
    codes = np.arange(3783) % 101, np.repeat(np.arange(unknown_classes), each)
    uncertainty = [mean + generator.normal(size=len(its)) for mean, its in zip((0.0, 1.7), codes, strict=True)]
    known, unknown = (resample.Clusters(its, [np.arange(its.max() + 1)]) for its in codes)
    return Scores(*uncertainty, generator.random(3783) < 0.95, None, None), resample.Sides(known, unknown, False)


def slow(scores: Scores, known: np.ndarray, unknown: np.ndarray) -> list[float]:
    """The five metrics of drawn rows, each row as often as its weight says."""
    low, high = np.repeat(scores.known, known), np.repeat(scores.unknown, unknown)
    right = np.repeat(scores.correct, known)
    truth, uncertainty = np.r_[np.zeros(len(low)), np.ones(len(high))], np.r_[low, high]
    fpr, tpr, _ = roc_curve(truth, uncertainty, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(truth, uncertainty)
    oscr = right.mean() * roc_auc_score(np.r_[np.zeros(right.sum()), np.ones(len(high))], np.r_[low[right], high])
    area = roc_auc_score(truth, uncertainty)
    return [area, auc(recall, precision), fpr[tpr >= 0.95][0], oscr, right.mean()]


def timed(scores: Scores, sides: resample.Sides) -> list[float]:
    """Return seconds for 2,000 replicates on both sides, after a check that they agree."""
    generator = np.random.default_rng(0)
    drawn = []
    for side in (sides.known, sides.unknown):
        times = generator.multinomial(side.number, np.full(side.number, 1 / side.number), size=SLOW_DRAWS)
        drawn.append(times[:, side.codes])
    begin = time.perf_counter()
    expected = [slow(scores, known, unknown) for known, unknown in zip(*drawn, strict=True)]
    slow_time = (time.perf_counter() - begin) * DRAWS / SLOW_DRAWS
    ordered = weighted.sort(scores)
    found = weighted.evaluate(ordered, drawn[0].astype(float), drawn[1].astype(float), METRICS)
    np.testing.assert_allclose(np.transpose(found), expected, atol=1e-9)
    begin = time.perf_counter()
    resample.replicates([weighted.sort(scores)], sides, METRICS, draws=DRAWS, seed=0)
    return [slow_time, time.perf_counter() - begin]


def main() -> None:
    """Print the table of times."""
    rows = []
    for name, unknown_classes, each in (("UCF-101 / HMDB-51", 51, 30), ("UCF-101 / MiT-v2", 305, 100)):
        slow_time, fast_time = timed(*make(unknown_classes, each))
        rows.append([name, 3783, unknown_classes * each, slow_time, fast_time, slow_time / fast_time])
    headers = ["2,000 replicates, 5 metrics", "known", "unknown", "scikit-learn, s", "osarbench, s", "times faster"]
    print(tabulate(rows, headers=headers, floatfmt=("", ",", ",", ".0f", ".2f", ".0f")))


if __name__ == "__main__":
    main()
