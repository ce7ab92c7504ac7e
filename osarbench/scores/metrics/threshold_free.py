"""The metrics that need no threshold: how well the order of uncertainties tells unknown from known videos."""

from typing import TYPE_CHECKING, Any

from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.ranking import (
    Positive,
    aurc,
    best_balance,
    curve,
    false_alarms,
    fpr_at_tpr,
    open_aurc,
    precision_area,
    win_share,
)

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Sample, Tested


def _auroc(sample: "Sample") -> Any:
    return win_share(sample.wins(), *sample.totals)


def _oscr(sample: "Sample") -> Any:
    return win_share(sample.wins(correct=True), *sample.totals)


def _aupr(sample: "Sample", positive: Positive = "unknown", **how: Any) -> Any:
    return precision_area(*curve(sample.ranking, positive), **how)


def _fpr95(sample: "Sample", positive: Positive = "unknown") -> Any:
    return false_alarms(*curve(sample.ranking, positive))


def _nearest(sample: "Tested", positive: Positive = "unknown") -> float | None:
    return fpr_at_tpr(sample.ranking, positive=positive, rule="nearest")


METRICS = (
    Metric(
        name="auroc",
        label="AUROC",
        convention="P(unknown more uncertain than known), ties count half; rank-based, no threshold",
        of=_auroc,
        resampled=True,
        compared=1,
    ),
    Metric(
        name="aupr_unknown",
        label="AUPR",
        convention="precision-recall area, unknown positive, trapezoid (as DEAR, PSL); depends on the unknown share",
        of=_aupr,
        resampled=True,
        compared=2,
    ),
    Metric(
        name="aupr_unknown_step",
        label="AP",
        convention="average precision, unknown positive, no interpolation; depends on the unknown share",
        of=lambda sample: _aupr(sample, rule="step"),
        resampled=True,
    ),
    Metric(
        name="aupr_unknown_balanced",
        label="AP, balanced",
        convention="as aupr_unknown_step, unknown re-weighted to half of all videos: comparable across data",
        of=lambda sample: _aupr(sample, rule="step", prevalence=0.5),
        resampled=True,
    ),
    Metric(
        name="aupr_known",
        label="AUPR, known positive",
        convention="precision-recall area, known positive, trapezoid; depends on the known share",
        of=lambda sample: _aupr(sample, "known"),
        resampled=True,
    ),
    Metric(
        name="aupr_known_step",
        label="AP, known positive",
        convention="average precision, known positive, no interpolation; depends on the known share",
        of=lambda sample: _aupr(sample, "known", rule="step"),
        resampled=True,
    ),
    Metric(
        name="fpr95_unknown_first",
        label="FPR95",
        convention="share of known rejected at the first threshold that rejects >= 95 % of unknown",
        direction="lower",
        of=_fpr95,
        resampled=True,
        compared=3,
    ),
    Metric(
        name="fpr95_unknown_nearest",
        label="FPR95, nearest",
        convention="share of known rejected where the unknown rejected are nearest to 95 % (as DEAR, PSL)",
        direction="lower",
        of=_nearest,
    ),
    Metric(
        name="fpr95_known_first",
        label="FPR95, known positive",
        convention="share of unknown accepted at the first threshold that accepts >= 95 % of known",
        direction="lower",
        of=lambda sample: _fpr95(sample, "known"),
        resampled=True,
    ),
    Metric(
        name="fpr95_known_nearest",
        label="FPR95, known positive, nearest",
        convention="share of unknown accepted where the known accepted are nearest to 95 %",
        direction="lower",
        of=lambda sample: _nearest(sample, "known"),
    ),
    Metric(
        name="tnr95",
        label="TNR95",
        convention="share of unknown rejected where >= 95 % of known are accepted (ODIN, ARPL): 1 - fpr95_known_first",
        of=lambda sample: 1 - _fpr95(sample, "known"),
        resampled=True,
    ),
    Metric(
        name="detection_accuracy",
        label="detection accuracy",
        convention="best (known accepted + unknown rejected) / 2 over thresholds, chosen on test (ODIN)",
        of=lambda sample: best_balance(sample.ranking),
        resampled=True,
    ),
    Metric(
        name="oscr",
        label="OSCR",
        convention="area of correct accepted known against accepted unknown, ties diagonal (OpenAUC); "
        "<= closed_accuracy",
        of=_oscr,
        resampled=True,
        compared=4,
    ),
    Metric(
        name="aurc",
        label="AURC",
        convention="mean error share among the n least uncertain known videos, n = 1..N; lower is better",
        direction="lower",
        of=lambda sample: aurc(sample.ranking),
        side="known",
    ),
    Metric(
        name="open_aurc",
        label="UOSR AURC",
        convention="as aurc over known and unknown, an accepted unknown is an error; the mean over all orders of ties "
        "(UOSR prints it times 1000, with ties in the known videos' favour)",
        direction="lower",
        of=lambda sample: open_aurc(sample.ranking),
        side="known",
    ),
    Metric(
        name="in_parts",
        label="in parts",
        convention="means over random equal parts of the unknown videos, each against all known ones (as PSL for MiT)",
        direction="none",
        block="note",
    ),
)
