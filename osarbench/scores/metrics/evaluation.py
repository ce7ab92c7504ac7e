"""All numbers of one scores table: a pure function of it, JSON-ready, each with its convention named."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from osarbench.errors import OsarbenchError, unknown_name
from osarbench.scores.metrics import calibration, closed, openness, ranking, thresholds
from osarbench.scores.metrics.conventions import CONVENTIONS
from osarbench.scores.metrics.expectation import expected_open_macro_f1
from osarbench.scores.metrics.outcome import IntArray, Outcome, Videos, outcome
from osarbench.scores.metrics.per_class import per_class
from osarbench.scores.table import ROLES, validate

if TYPE_CHECKING:  # it imports torch, which a scores table does not need
    from osarbench.protocols.protocol import Protocol

THRESHOLD_ROLES = ("calibration", "train")
#: The name of the last row and column of the confusion matrix.
UNKNOWN = "(unknown)"
#: How far beyond [0, 1] a confidence may lie by rounding.
CONFIDENCE_SLACK = 1e-5

Numbers = dict[str, float | int | None]


def evaluate(
    table: pd.DataFrame,
    *,
    quantile: float = 0.95,
    threshold_from: str = "calibration",
    threshold_rule: str = "quantile",
    draws: int = 10,
    seed: int = 0,
    contested: Collection[str] = (),
    unknown_parts: int = 1,
) -> dict[str, Any]:
    """Return every metric of a scores table as a nested dict of floats at full precision, None where undefined.

    ``headline`` is all known against all unknown test videos; ``by_source`` each unknown source against all known and
    each known source against all unknown videos; ``without_contested`` the headline without some unknown classes.

    Args:
        quantile: share of the ``threshold_from`` videos that the threshold accepts, in (0, 1].
        threshold_from: the role it is learnt from, "calibration" (held-out known videos) or "train". Without such rows
            every thresholded number is None.
        threshold_rule: how, "quantile" or "dear" (`osarbench.scores.metrics.thresholds`).
        draws: random orders of the unknown classes for the band of the openness curve, from ``seed``.
        contested: unknown classes that may be known ones under another name; those not in the table are ignored.
        unknown_parts: if above 1, ``in_parts`` holds the mean of some metrics over so many random equal parts of the
            unknown videos, each against all known ones. PSL reports such means for MiT, of ten parts: AUPR depends on
            the share of unknown videos, so it is another number then.

    Raises:
        OsarbenchError: the table is not sound (`osarbench.scores.table.validate`), there is no such threshold source,
            or ``quantile`` or ``draws`` is out of range.
    """
    _check_settings(quantile, threshold_from, threshold_rule, draws)
    validate(table)
    scores = outcome(table, quantile=quantile, threshold_from=threshold_from, threshold_rule=threshold_rule)
    decisions = None if scores.threshold is None else _decide(scores, scores.threshold)
    counts = None if decisions is None else _open_counts(scores, *decisions)
    names = np.array(scores.unknown_names, object)
    kept = ~np.isin(names[scores.unknown.labels], list(contested))
    return {
        "conventions": dict(CONVENTIONS),
        "settings": {
            "quantile": quantile,
            "threshold_from": threshold_from,
            "threshold_rule": threshold_rule,
            "draws": draws,
            "seed": seed,
            "contested": sorted(contested),
            "unknown_parts": unknown_parts,
        },
        "counts": _counts(table, scores) | {"contested": int((~kept).sum())},
        "headline": _block(scores, scores.known, scores.unknown),
        "without_contested": None if kept.all() else _block(scores, scores.known, scores.unknown.take(kept)),
        "in_parts": _in_parts(scores, unknown_parts, seed) if unknown_parts > 1 else None,
        "by_source": _by_source(scores),
        "thresholded": {
            "threshold": scores.threshold,
            "threshold_videos": scores.threshold_videos,
            **_at_threshold(scores, scores.known, scores.unknown),
            **_open_macro_f1(counts, draws, seed),
            "confusion": None if decisions is None else _confusion(scores, *decisions),
        },
        "calibration": _calibration(scores),
        "per_class": per_class(scores, counts),
    }


def settings_of(protocol: "Protocol") -> dict[str, Any]:
    """Return the keyword arguments of `evaluate` that a protocol fixes."""
    sections = protocol.sections
    return {
        "quantile": sections.threshold.quantile,
        "threshold_from": sections.threshold.source,
        "threshold_rule": sections.threshold.rule,
        "draws": sections.openness.draws,
        "seed": sections.openness.seed,
        "contested": sorted({name for unknown in sections.unknown for name in unknown.contested}),
        "unknown_parts": sections.metrics.unknown_parts,
    }


def _check_settings(quantile: float, threshold_from: str, threshold_rule: str, draws: int) -> None:
    if threshold_rule not in thresholds.RULES:
        raise unknown_name("rule for a threshold", threshold_rule, thresholds.RULES)
    if threshold_from not in THRESHOLD_ROLES:
        raise unknown_name("source of a threshold", threshold_from, THRESHOLD_ROLES)
    if not 0 < quantile <= 1:
        raise OsarbenchError(f"The quantile of a threshold is {quantile}; it must lie in (0, 1], for example 0.95.")
    if draws < 1:
        raise OsarbenchError(f"Openness is to be drawn {draws} times; it must be at least once.")


def _counts(table: pd.DataFrame, scores: Outcome) -> dict[str, int]:
    of_role = table["role"].value_counts()
    tested = np.concatenate([scores.known.uncertainty, scores.unknown.uncertainty])
    return {role: int(of_role.get(role, 0)) for role in ROLES} | {
        "known_classes": len(scores.known_names),
        "unknown_classes": len(scores.unknown_names),
        "distinct_uncertainties": len(np.unique(tested)),
    }


def _block(scores: Outcome, known: Videos, unknown: Videos) -> Numbers:
    """Return the metrics that any set of known and unknown videos has; one sort serves them all."""
    correct = known.labels == known.predicted
    order = ranking.rank(known=known.uncertainty, unknown=unknown.uncertainty, correct=correct)
    fpr95_known = ranking.fpr_at_tpr(order, positive="known")
    return {
        "known": len(known.labels),
        "unknown": len(unknown.labels),
        "auroc": ranking.auroc(order),
        "aupr_unknown": ranking.aupr(order),
        "aupr_unknown_step": ranking.aupr(order, rule="step"),
        "aupr_unknown_balanced": ranking.aupr(order, rule="step", prevalence=0.5),
        "aupr_known": ranking.aupr(order, positive="known"),
        "aupr_known_step": ranking.aupr(order, positive="known", rule="step"),
        "fpr95_unknown_first": ranking.fpr_at_tpr(order),
        "fpr95_unknown_nearest": ranking.fpr_at_tpr(order, rule="nearest"),
        "fpr95_known_first": fpr95_known,
        "fpr95_known_nearest": ranking.fpr_at_tpr(order, positive="known", rule="nearest"),
        "tnr95": None if fpr95_known is None else 1 - fpr95_known,
        "detection_accuracy": ranking.detection_accuracy(order),
        "oscr": ranking.oscr(order),
        "aurc": ranking.aurc(order),
        "open_aurc": ranking.open_aurc(order),
        "closed_accuracy": closed.accuracy(known.labels, known.predicted),
        "closed_top5": closed.top_k_of_ranks(known.label_rank, classes=len(scores.known_names)),
        "closed_mean_class_accuracy": closed.mean_class_accuracy(known.labels, known.predicted),
        **_at_threshold(scores, known, unknown),
    }


def _at_threshold(scores: Outcome, known: Videos, unknown: Videos) -> Numbers:
    accepted = thresholds.accepted_share(known.uncertainty, scores.threshold)
    passed = thresholds.accepted_share(unknown.uncertainty, scores.threshold)
    return {
        "known_accepted": accepted,
        "transfer_gap": None if accepted is None else accepted - scores.quantile,
        "unknown_rejected": None if passed is None else 1 - passed,
        "balanced_accuracy": thresholds.balanced_accuracy(
            known=known.uncertainty, unknown=unknown.uncertainty, threshold=scores.threshold
        ),
    }


def _in_parts(scores: Outcome, parts: int, seed: int) -> Numbers:
    """Return the mean over random equal parts of the unknown videos of the metrics that PSL averages so."""
    order = np.random.default_rng(seed).permutation(len(scores.unknown.labels))
    blocks = []
    for part in np.array_split(order, min(parts, len(order))):
        taken = np.zeros(len(order), bool)
        taken[part] = True
        blocks.append(_block(scores, scores.known, scores.unknown.take(taken)))
    averaged = ("auroc", "aupr_unknown", "fpr95_unknown_first", "fpr95_unknown_nearest")
    means = {key: [value for block in blocks if (value := block[key]) is not None] for key in averaged}
    return {key: float(np.mean(values)) if values else None for key, values in means.items()}


def _by_source(scores: Outcome) -> dict[str, dict[str, Numbers]]:
    known, unknown = scores.known, scores.unknown
    return {
        "known": {s: _block(scores, known.take(known.source == s), unknown) for s in sorted(set(known.source))},
        "unknown": {s: _block(scores, known, unknown.take(unknown.source == s)) for s in sorted(set(unknown.source))},
    }


def _decide(scores: Outcome, threshold: float) -> tuple[IntArray, IntArray]:
    """Return the decisions on known [N] and unknown [M] videos: 0..K-1, or K for a rejection."""
    rejection = len(scores.known_names)
    known, unknown = scores.known, scores.unknown
    return (
        np.where(known.uncertainty > threshold, rejection, known.predicted),
        np.where(unknown.uncertainty > threshold, rejection, unknown.predicted),
    )


def _open_counts(scores: Outcome, known_decisions: IntArray, unknown_decisions: IntArray) -> openness.OpenCounts:
    return openness.open_counts(
        known_labels=scores.known.labels,
        known_decisions=known_decisions,
        unknown_labels=scores.unknown.labels,
        unknown_decisions=unknown_decisions,
        known_classes=len(scores.known_names),
        unknown_classes=len(scores.unknown_names),
    )


def _open_macro_f1(counts: openness.OpenCounts | None, draws: int, seed: int) -> dict[str, Any]:
    names = ("open_macro_f1", "open_macro_f1_std", "open_macro_f1_dear", "open_macro_f1_all", "openness_curve")
    expected = None if counts is None else expected_open_macro_f1(counts)
    if counts is None or expected is None:
        return dict.fromkeys(names)
    band = openness.seeded_open_macro_f1(counts, draws=draws, seed=seed)
    dear = openness.dear_open_macro_f1(counts)
    curve = {
        "unknown_classes": list(range(1, len(expected.means) + 1)),
        "openness": expected.openness.tolist(),
        "macro_f1": expected.means.tolist(),
        "std": None if band is None or band.stds is None else band.stds.tolist(),
    }
    values = (expected.value, band and band.std, dear and dear.value, float(expected.means[-1]), curve)
    return dict(zip(names, values, strict=True))


def _confusion(scores: Outcome, known_decisions: IntArray, unknown_decisions: IntArray) -> dict[str, dict[str, int]]:
    """Return videos by true class and decision, without the empty cells."""
    names = [*scores.known_names, UNKNOWN]
    matrix = closed.confusion_matrix(
        known_labels=scores.known.labels,
        known_predicted=known_decisions,
        unknown_predicted=unknown_decisions,
        classes=len(scores.known_names),
    )
    return {names[i]: {names[j]: int(matrix[i, j]) for j in np.flatnonzero(matrix[i])} for i in range(len(names))}


def _calibration(scores: Outcome) -> Numbers:
    own = np.clip(scores.known.confidence, 0, 1)
    # some published files hold logits or nothing; a softmax averaged in float32 may exceed 1 by rounding
    complete = bool(np.all(np.abs(scores.known.confidence - own) < CONFIDENCE_SLACK))
    views = calibration.dear_decisions(
        known=scores.known.uncertainty,
        unknown=scores.unknown.uncertainty,
        known_correct=scores.correct,
        threshold=scores.threshold,
    )
    return {
        "ece_closed": calibration.ece(own, scores.correct) if complete else None,
        "brier_closed": calibration.decision_brier(own, scores.correct) if complete else None,
        **{f"dear_ece_{name}": view and calibration.ece(*view) for name, view in views.items()},
        **{f"dear_brier_{name}": view and calibration.decision_brier(*view) for name, view in views.items()},
    }
