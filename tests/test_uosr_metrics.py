"""Unified open-set recognition: unknown and wrongly named videos are rejected, against scikit-learn and by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score
from test_metric_records import table

from osarbench.commands.report import report
from osarbench.commands.scores import evaluate as command
from osarbench.errors import OsarbenchError
from osarbench.scores import metrics
from osarbench.scores import table as tables
from osarbench.scores.metrics.uosr import NAMES
from osarbench.scores.statistics.paired import compare


def parts(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the uncertainties of rightly named, wrongly named and unknown videos."""
    right = (rows["role"] == "known") & (rows["label"] == rows["predicted"])
    wrong = (rows["role"] == "known") & (rows["label"] != rows["predicted"])
    return tuple(rows.loc[its, "uncertainty"].to_numpy() for its in (right, wrong, rows["role"] == "unknown"))  # type: ignore[return-value]


def area(below: np.ndarray, above: np.ndarray) -> float:
    return float(roc_auc_score(np.repeat([0, 1], [len(below), len(above)]), np.concatenate([below, above])))


@pytest.mark.parametrize("ties", [True, False])
def test_the_four_areas_are_those_of_scikit_learn(ties: bool) -> None:
    rows = table(7, ties=ties)
    right, wrong, unknown = parts(rows)
    headline = metrics.evaluate(rows).headline
    assert headline["inc_ood_auroc"] == pytest.approx(area(right, unknown), abs=1e-14)
    assert headline["inc_inw_auroc"] == pytest.approx(area(right, wrong), abs=1e-14)
    assert headline["inw_ood_auroc"] == pytest.approx(area(wrong, unknown), abs=1e-14)
    assert headline["uosr_auroc"] == pytest.approx(area(right, np.concatenate([wrong, unknown])), abs=1e-14)
    assert headline["auroc"] == pytest.approx(area(np.concatenate([right, wrong]), unknown), abs=1e-14)


def test_aurc_counts_unknown_and_wrongly_named_videos_as_errors() -> None:
    rows = pd.DataFrame(
        {
            "video": list("abcde"),
            "role": ["known", "known", "known", "unknown", "unknown"],
            "source": "made/test",
            "label": ["x", "x", "y", "u", "v"],
            "predicted": ["x", "y", "y", "x", "y"],
            "confidence": 0.5,
            "uncertainty": [0.1, 0.2, 0.4, 0.3, 0.5],
        }
    )
    # accepted one after the other: right, wrong, unknown, right, unknown
    assert metrics.evaluate(rows).headline["open_aurc"] == pytest.approx((0 + 1 / 2 + 2 / 3 + 2 / 4 + 3 / 5) / 5)


def test_without_wrongly_named_videos_their_areas_are_undefined_and_uosr_is_osr() -> None:
    rows = table()
    rows["predicted"] = rows["label"].where(rows["role"] != "unknown", "old 0")
    headline = metrics.evaluate(rows).headline
    assert headline["inc_inw_auroc"] is headline["inw_ood_auroc"] is None
    assert headline["uosr_auroc"] == headline["inc_ood_auroc"] == headline["auroc"]


def test_with_nothing_rightly_named_only_wrong_against_unknown_is_left() -> None:
    rows = table()
    wrong = np.where(rows["label"] == "old 1", "old 2", "old 1")
    rows["predicted"] = np.where(rows["role"] == "known", wrong, rows["predicted"])
    headline = metrics.evaluate(rows).headline
    assert headline["uosr_auroc"] is headline["inc_ood_auroc"] is headline["inc_inw_auroc"] is None
    assert headline["inw_ood_auroc"] == headline["auroc"]


def test_uosr_is_compared_with_intervals() -> None:
    comparison = compare({"a": [table()], "b": [table(1)]}, metrics=["uosr_auroc", "inc_ood_auroc"], draws=200)
    for name in ("uosr_auroc", "inc_ood_auroc"):
        its = comparison.entries["a"][name]
        assert its.value == pytest.approx(metrics.evaluate(table()).headline[name])
        assert its.low < its.value < its.high


def test_evaluate_shows_them_together_by_the_name_of_the_group(tmp_path: Path) -> None:
    tables.write(table(), tmp_path / "scores.csv")
    shown = CliRunner().invoke(command, [str(tmp_path / "scores.csv"), "--metric", "uosr"]).output
    positions = [
        shown.index(title) for title in ("InC/OoD", "InC/InW", "InW/OoD", "  AUROC", "UOSR AUROC", "UOSR AURC")
    ]
    assert positions == sorted(positions)
    assert len(NAMES) == 6
    assert "ties in the known videos' favour" in shown
    single = CliRunner().invoke(command, [str(tmp_path / "scores.csv"), "--metric", "oscr"]).output
    assert "OSCR" in single
    assert "AUPR" not in single


def test_a_metric_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    tables.write(table(), tmp_path / "scores.csv")
    error = CliRunner().invoke(command, [str(tmp_path / "scores.csv"), "--metric", "uosr_aurc"]).exception
    assert isinstance(error, OsarbenchError)
    assert "Did you mean 'uosr_auroc'" in str(error)


def test_a_report_shows_them_below_the_ranking(tmp_path: Path) -> None:
    tables.write(table(), tmp_path / "scores.csv")
    page = tmp_path / "page.html"
    result = CliRunner().invoke(report, [str(tmp_path / "scores.csv"), "-o", str(page)])
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    headline = metrics.evaluate(table()).headline
    assert "Wrongly named videos refused as well" in text
    assert f"{100 * (headline['uosr_auroc'] or 0):.2f}" in text
    assert f"{100 * (headline['inc_inw_auroc'] or 0):.2f}" in text
