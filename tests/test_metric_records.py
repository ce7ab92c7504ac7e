"""A metric is one record: a new one is one new file, and resampled it is the same number."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import osarbench
import osarbench.scores.metrics as folder
from osarbench.artifacts.code import Definition, reachable
from osarbench.commands.listing import list_
from osarbench.scores import metrics
from osarbench.scores.metrics import registry, sample
from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.outcome import outcome
from osarbench.scores.statistics import weighted
from osarbench.scores.statistics.align import Scores, align
from osarbench.scores.statistics.paired import compare

YOUDEN = """
from osarbench.scores.metrics.metric import Metric

METRICS = (
    Metric(
        name="youden",
        label="Youden's J",
        convention="known_accepted + unknown_rejected - 1 at the threshold",
        of=lambda sample: sample.known_share(sample.known_accepted) + sample.unknown_share(sample.unknown_rejected) - 1,
        resampled=True,
        needs_threshold=True,
        compared=7,
    ),
)
"""


def table(seed: int = 0, *, ties: bool = True, known: int = 60, unknown: int = 45) -> pd.DataFrame:
    """Six known and five unknown classes, and calibration rows."""
    generator = np.random.default_rng(seed)
    number = 2 * known + unknown
    role = np.repeat(["calibration", "known", "unknown"], [known, known, unknown])
    label = np.where(role == "unknown", "new ", "old ") + pd.Series(
        np.arange(number) % np.where(role == "unknown", 5, 6)
    ).astype(str)
    uncertainty = generator.normal(size=number) + 1.2 * (role == "unknown")
    return pd.DataFrame(
        {
            "video": [f"{n:03d}" for n in range(number)],
            "role": role,
            "source": np.where(role == "calibration", "made/train", "made/test"),
            "label": label,
            "predicted": np.where((role != "unknown") & (generator.random(number) < 0.8), label, "old 0"),
            "confidence": 0.5,
            "uncertainty": uncertainty.round(1) if ties else uncertainty,
        }
    )


def forget() -> None:
    registry.modules.cache_clear()
    registry.metrics.cache_clear()


@pytest.fixture
def youden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file that holds a metric, in the folder of metrics."""
    (tmp_path / "youden.py").write_text(YOUDEN)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    forget()
    yield
    sys.modules.pop("osarbench.scores.metrics.youden", None)
    forget()


@pytest.mark.usefixtures("youden")
def test_a_new_metric_is_one_new_file() -> None:
    its = metrics.evaluate(table())
    expected = 2 * (its.headline["balanced_accuracy"] or 0) - 1
    assert its.headline["youden"] == its.thresholded.numbers["youden"] == pytest.approx(expected)
    assert its.conventions["youden"] == "known_accepted + unknown_rejected - 1 at the threshold"
    comparison = compare({"a": [table()], "b": [table(1)]}, draws=100)
    assert comparison.metrics[-1] == "youden"
    assert comparison.entries["a"]["youden"].value == pytest.approx(its.headline["youden"])
    assert "youden " in CliRunner().invoke(list_, ["metrics"]).output
    assert "Youden's J ↑: known_accepted" in CliRunner().invoke(list_, ["metrics"]).output


def test_two_metrics_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zz_again.py").write_text(YOUDEN.replace("youden", "auroc"))
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    forget()
    with pytest.raises(ValueError, match="two metrics are called auroc"):
        registry.metrics()
    forget()
    del sys.modules["osarbench.scores.metrics.zz_again"]


def test_no_convention_stands_anywhere_else() -> None:
    root = Path(osarbench.__file__).parent
    files = [file for file in root.rglob("*.py") if file.parent != root / "scores" / "metrics"]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    for metric in registry.metrics().values():
        assert [file for file, text in texts.items() if metric.convention[:50] in text] == []


def test_directions_are_those_of_numbers_that_grow_with_merit() -> None:
    """A perfect separation has the best value of every metric that has a direction."""
    rows = table()
    known = rows["role"] != "unknown"
    perfect = rows.assign(predicted=rows["label"].where(known, "old 0"), uncertainty=np.where(known, 0.0, 1.0))
    worst = rows.assign(predicted="old 0", uncertainty=np.where(known, 1.0, 0.0))
    best, worse = (metrics.evaluate(its).headline for its in (perfect, worst))
    for metric in registry.of_block("videos"):
        if metric.direction != "none" and best[metric.name] is not None:
            assert metric.sign * (best[metric.name] or 0) >= metric.sign * (worse[metric.name] or 0), metric.name


def sample_of(rows: pd.DataFrame) -> sample.Tested:
    its = outcome(rows, quantile=0.95, threshold_from="calibration")
    return sample.Tested(its, its.known, its.unknown)


def clusters(labels: pd.Series) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


@pytest.mark.parametrize("metric", registry.resampled().values(), ids=lambda metric: metric.name)
@pytest.mark.parametrize("ties", [True, False])
def test_under_whole_weights_of_classes_a_metric_is_that_of_repeated_rows(metric: Metric, ties: bool) -> None:
    rows, generator = table(3, ties=ties), np.random.default_rng(4)
    aligned = align({"a": rows})
    codes = clusters(aligned.known["label"]), clusters(aligned.unknown["label"])
    weights = [generator.integers(0, 4, (8, its.max() + 1)) for its in codes]
    for side in weights:
        side[0], side[:, 0] = 1, 1
    ordered = weighted.sort(aligned.scores["a"], *codes)
    (found,) = weighted.evaluate(ordered, *(side.astype(float) for side in weights), [metric.name])
    for draw in range(8):
        times = np.ones(len(rows), int)
        for role, names, side in (("known", "old ", weights[0]), ("unknown", "new ", weights[1])):
            for code, count in enumerate(side[draw]):
                times[((rows["role"] == role) & (rows["label"] == f"{names}{code}")).to_numpy()] = count
        repeated = rows.loc[rows.index.repeat(times)]
        assert found[draw] == pytest.approx(metric.number(sample_of(repeated)), abs=1e-12)
    assert found[0] == pytest.approx(metrics.evaluate(rows).headline[metric.name], abs=1e-14)


def test_pairs_of_clusters_count_what_the_curve_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = align({"a": table(5)}).scores["a"]
    generator = np.random.default_rng(0)
    weights = generator.random((6, 60)), generator.random((6, 45))
    by_pairs = np.array(weighted.evaluate(weighted.sort(scores), *weights, ["auroc", "oscr"]))
    monkeypatch.setattr(weighted, "_PAIRS", 0)
    by_curve = np.array(weighted.evaluate(weighted.sort(scores), *weights, ["auroc", "oscr"]))
    assert by_pairs == pytest.approx(by_curve, abs=1e-12)


def test_rounding_to_steps_hardly_moves_replicates() -> None:
    generator = np.random.default_rng(2)
    codes = generator.integers(0, 20, 30_000), generator.integers(0, 15, 30_000)
    uncertainty = [side + 0.3 * generator.normal(size=20)[its] + generator.normal(size=30_000)
                   for side, its in zip((0.0, 1.5), codes, strict=True)]  # fmt: skip
    scores = Scores(*uncertainty, generator.random(30_000) < 0.9, None, None)
    weights = [generator.multinomial(k - 1, np.full(k, 1 / k), size=30) * (k / (k - 1)) for k in (20, 15)]
    names = ["auroc", "aupr_unknown", "fpr95_unknown_first", "oscr"]
    exact, rounded = (
        np.array(weighted.evaluate(its, *weights, names)) - np.array(weighted.evaluate(its, *ones, names))
        for ones in [[np.ones((1, 20)), np.ones((1, 15))]]
        for its in (weighted.sort(scores, *codes), weighted.sort(scores, *codes, steps=2**12))
    )
    moved = dict(zip(names, np.abs(exact - rounded).max(axis=1), strict=True))
    assert moved.pop("fpr95_unknown_first") < 2 * 2 / 2**12  # a step holds as many known as unknown videos, or more
    assert max(moved.values()) < 1e-5


def test_the_code_of_an_evaluation_holds_every_metric() -> None:
    roots = [Definition(module, "METRICS") for module in registry.modules()]
    reached = {str(its) for its in reachable([Definition("osarbench.scores.metrics.evaluation", "evaluate"), *roots])}
    for name in ("ranking.precision_area", "ranking.doubled_wins", "calibration.ece", "closed.class_recalls"):
        assert f"osarbench.scores.metrics.{name}" in reached
