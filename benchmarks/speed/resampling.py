"""How fast a bootstrap is: 2,000 replicates of five metrics, by sorting each replicate again and by osarbench.

Run it with ``python benchmarks/speed/resampling.py``; it takes a few minutes. The slow side is scikit-learn on the
drawn rows and is timed on 50 replicates; on these both sides must agree to 1e-9, or the benchmark stops. Then boards of
50 to 1,000 entries are rendered, 40 tables compared, and two tables of up to a million rows.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve
from tabulate import tabulate

from osarbench.leaderboard import pages
from osarbench.scores import table as scores_table
from osarbench.scores.statistics import paired, resample, weighted
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
    resample.replicates([scores], sides, METRICS, draws=DRAWS, seed=0)
    return [slow_time, time.perf_counter() - begin]


def main() -> None:
    """Print the table of times."""
    rows = []
    for name, unknown_classes, each in (("UCF-101 / HMDB-51", 51, 30), ("UCF-101 / MiT-v2", 305, 100)):
        slow_time, fast_time = timed(*make(unknown_classes, each))
        rows.append([name, 3783, unknown_classes * each, slow_time, fast_time, slow_time / fast_time])
    headers = ["2,000 replicates, 5 metrics", "known", "unknown", "scikit-learn, s", "osarbench, s", "times faster"]
    print(tabulate(rows, headers=headers, floatfmt=("", ",", ",", ".0f", ".2f", ".0f")))
    print(
        "\n"
        + tabulate([board(count) for count in (50, 200, 1000)], headers=["board of", "seconds", "of the processor"])
    )
    pairs = [compared(2, 100_000), compared(2, 1_000_000), compared(40, 5_000)]
    print("\n" + tabulate(pairs, headers=["tables", "rows", "seconds", "of the processor"]))


def table(rows: int, seed: int) -> pd.DataFrame:
    """Return a scores table of 101 known and 305 unknown classes, half of its rows each."""
    generator, number = np.random.default_rng(seed), np.arange(rows)
    known = number < rows // 2
    label = pd.Series(np.where(known, number % 101, 1000 + number % 305)).astype(str)
    return pd.DataFrame(
        {
            "video": pd.Series(number).astype(str), "role": np.where(known, "known", "unknown"), "source": "made/test",
            "label": label, "predicted": np.where(known & (generator.random(rows) < 0.9), label, "0"),
            "confidence": 0.5, "uncertainty": generator.normal(size=rows) + 1.5 * ~known,
        }
    )  # fmt: skip


def compared(count: int, rows: int) -> list[float]:
    """Return the time of a comparison with the swaps that the command makes by default."""
    tables = {f"method {seed}": [table(rows, seed)] for seed in range(count)}
    begin, busy = time.perf_counter(), time.process_time()
    paired.compare(tables, permutations=2000 if count == 2 else 0)
    return [count, rows, time.perf_counter() - begin, time.process_time() - busy]


def board(count: int) -> list[float]:
    """Return the time to render a board of so many entries of 1,032 rows, each its own method."""
    shipped = Path(__file__).parents[2] / "leaderboards/motion/tsm/dear-0.csv.gz"
    rows, facts = scores_table.read(shipped), scores_table.read_facts(shipped)
    with TemporaryDirectory() as folder:
        (own := Path(folder) / "motion/tsm").mkdir(parents=True)
        for number in range(count):
            noise = np.random.default_rng(number).normal(size=len(rows)) * rows["uncertainty"].std() / 3
            name = f"m{number:04d}"
            scores_table.write(rows.assign(uncertainty=rows["uncertainty"] + noise), own / f"{name}-0.csv.gz",
                               facts={**(facts or {}), "method": name})  # fmt: skip
        begin, busy = time.perf_counter(), time.process_time()
        pages.render(Path(folder))
        return [count, time.perf_counter() - begin, time.process_time() - busy]


if __name__ == "__main__":
    main()
