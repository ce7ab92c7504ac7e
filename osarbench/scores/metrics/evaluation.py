"""All numbers of one scores table: a pure function of it, each number with its convention named."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from osarbench.errors import OsarbenchError, unknown_name
from osarbench.scores.metrics import registry, thresholds
from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.open_f1 import UNKNOWN
from osarbench.scores.metrics.outcome import Outcome, outcome
from osarbench.scores.metrics.per_class import per_class
from osarbench.scores.metrics.result import (
    BySource,
    Evaluation,
    Numbers,
    OpennessCurve,
    PerClass,
    Settings,
    Thresholded,
)
from osarbench.scores.metrics.sample import Tested

if TYPE_CHECKING:  # neither is needed to list metrics; the protocol is only looked at
    import pandas as pd

    from osarbench.protocols.protocol import Protocol

__all__ = ["THRESHOLD_ROLES", "UNKNOWN", "evaluate", "headline", "settings_of"]

THRESHOLD_ROLES = ("calibration", "train")
#: Metrics that PSL averages over parts of the unknown videos.
_IN_PARTS = ("auroc", "aupr_unknown", "fpr95_unknown_first", "fpr95_unknown_nearest")


def evaluate(
    table: "pd.DataFrame",
    *,
    quantile: float = 0.95,
    threshold_from: str = "calibration",
    threshold_rule: str = "quantile",
    draws: int = 10,
    seed: int = 0,
    contested: Collection[str] = (),
    unknown_parts: int = 1,
) -> Evaluation:
    """Return every metric of a scores table, floats at full precision, None where undefined.

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
        OsarbenchError: the table is not sound (`osarbench.scores.table.validate`), there is no such threshold source
            or rule, or ``quantile`` or ``draws`` is out of range.
    """
    from osarbench.scores.table import validate

    settings = Settings(quantile, threshold_from, threshold_rule, draws, seed, tuple(sorted(contested)), unknown_parts)
    _check(settings)
    validate(table)
    scores = outcome(table, quantile=quantile, threshold_from=threshold_from, threshold_rule=threshold_rule)
    whole = Tested(scores, scores.known, scores.unknown, draws, seed)
    kept = ~np.isin(np.array(scores.unknown_names, object)[scores.unknown.labels], list(contested))
    return Evaluation(
        conventions=registry.conventions(),
        settings=settings,
        counts=_counts(table, scores) | {"contested": int((~kept).sum())},
        headline=_block(whole),
        without_contested=None if kept.all() else _block(_part(whole, unknown=kept)),
        in_parts=_in_parts(whole, unknown_parts, seed) if unknown_parts > 1 else None,
        by_source=_by_source(whole),
        thresholded=_thresholded(whole),
        calibration=_numbers(registry.of_block("calibration"), whole),
        per_class=PerClass(**per_class(whole, list(registry.metrics().values()))),
    )


def headline(table: "pd.DataFrame", settings: Settings) -> Numbers:
    """Return the headline of `evaluate` alone, for a table that is known to be sound."""
    scores = outcome(
        table,
        quantile=settings.quantile,
        threshold_from=settings.threshold_from,
        threshold_rule=settings.threshold_rule,
    )
    return _block(Tested(scores, scores.known, scores.unknown))


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


def _check(settings: Settings) -> None:
    if settings.threshold_rule not in thresholds.RULES:
        raise unknown_name("rule for a threshold", settings.threshold_rule, thresholds.RULES)
    if settings.threshold_from not in THRESHOLD_ROLES:
        raise unknown_name("source of a threshold", settings.threshold_from, THRESHOLD_ROLES)
    if not 0 < settings.quantile <= 1:
        raise OsarbenchError(
            f"The quantile of a threshold is {settings.quantile}; it must lie in (0, 1], for example 0.95."
        )
    if settings.draws < 1:
        raise OsarbenchError(f"Openness is to be drawn {settings.draws} times; it must be at least once.")


def _counts(table: "pd.DataFrame", scores: Outcome) -> dict[str, int]:
    from osarbench.scores.table import ROLES

    of_role = table["role"].value_counts()
    tested = np.concatenate([scores.known.uncertainty, scores.unknown.uncertainty])
    return {role: int(of_role.get(role, 0)) for role in ROLES} | {
        "known_classes": len(scores.known_names),
        "unknown_classes": len(scores.unknown_names),
        "distinct_uncertainties": len(np.unique(tested)),
    }


def _numbers(metrics: list[Metric], tested: Tested) -> dict[str, Any]:
    values = {metric.name: metric.number(tested) for metric in metrics}
    return {
        name: value.item() if isinstance(value, np.generic | np.ndarray) else value for name, value in values.items()
    }


def _block(tested: Tested) -> Numbers:
    """Return the metrics that any set of known and unknown videos has; one sort serves them all."""
    known, unknown = tested.totals
    return {"known": known, "unknown": unknown, **_numbers(registry.of_block("videos"), tested)}


def _part(whole: Tested, *, known: Any = None, unknown: Any = None) -> Tested:
    """Return the videos for which ``known`` [N] and ``unknown`` [M] are true, all of a side if that is None."""
    return Tested(
        whole.outcome,
        whole.known if known is None else whole.known.take(known),
        whole.unknown if unknown is None else whole.unknown.take(unknown),
    )


def _in_parts(whole: Tested, parts: int, seed: int) -> Numbers:
    """Return the mean over random equal parts of the unknown videos of the metrics that PSL averages so."""
    order = np.random.default_rng(seed).permutation(len(whole.unknown.labels))
    blocks = []
    for part in np.array_split(order, min(parts, len(order))):
        taken = np.zeros(len(order), bool)
        taken[part] = True
        blocks.append(_numbers([registry.find(name) for name in _IN_PARTS], _part(whole, unknown=taken)))
    means = {key: [value for block in blocks if (value := block[key]) is not None] for key in _IN_PARTS}
    return {key: float(np.mean(values)) if values else None for key, values in means.items()}


def _by_source(whole: Tested) -> BySource:
    known, unknown = whole.known.source, whole.unknown.source
    return BySource(
        known={source: _block(_part(whole, known=known == source)) for source in sorted(set(known))},
        unknown={source: _block(_part(whole, unknown=unknown == source)) for source in sorted(set(unknown))},
    )


def _thresholded(whole: Tested) -> Thresholded:
    at_threshold = [metric for metric in registry.of_block("videos") if metric.needs_threshold]
    numbers = _numbers([*at_threshold, *registry.of_block("thresholded")], whole)
    curve, threshold = numbers.pop("openness_curve"), numbers.pop("threshold")
    return Thresholded(
        threshold=threshold,
        threshold_videos=whole.outcome.threshold_videos,
        confusion=numbers.pop("confusion"),
        openness_curve=None if curve is None else OpennessCurve(**curve),
        numbers=numbers,
    )
