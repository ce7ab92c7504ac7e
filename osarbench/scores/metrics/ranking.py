"""Threshold-free metrics: one sort of the uncertainties, from which AUROC, AUPR, FPR95, OSCR and AURC follow.

The functions with a public name take a `Ranking` of single videos and return a float at full precision, or None where
the metric is undefined (no known or no unknown videos). `osarbench.scores.metrics.threshold_free` calls the same code
with rankings of weighted videos too. Tied uncertainties are one threshold: no result depends on the order of rows.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[Any]  #: whole numbers of videos, or float64 weights
Positive = Literal["known", "unknown"]

#: Rounding of fractional weights must not move a threshold at which exactly 95 % are found.
_SLACK = 1e-12


class Ranking(NamedTuple):
    """How many videos are rejected at each of the G distinct uncertainties; entry 0: none is rejected, last: all are.

    Of weighted videos the arrays hold sums of weights, and are [B, G + 1] under B weightings.

    >>> rank(known=[0.1, 0.3], unknown=[0.3, 0.8], correct=[True, False])
    Ranking(known=array([0, 0, 1, 2]), unknown=array([0, 1, 2, 2]), correct=array([0, 0, 0, 1]))
    """

    known: Counts  #: [G + 1] known videos whose uncertainty is at or above the threshold
    unknown: Counts  #: [G + 1] unknown videos, likewise
    correct: Counts  #: [G + 1] known videos with the right prediction, likewise


def rank(*, known: npt.ArrayLike, unknown: npt.ArrayLike, correct: npt.ArrayLike | None = None) -> Ranking:
    """Return the ranking of known [N] and unknown [M] uncertainties; the only sort that the metrics need.

    Args:
        correct: bool [N], whether the predicted class of a known video is right (default: all are). Only `oscr`,
            `aurc` and `open_aurc` look at it.

    Raises:
        ValueError: an uncertainty is NaN.
    """
    known, unknown = np.asarray(known, np.float64), np.asarray(unknown, np.float64)
    right = np.ones(len(known), bool) if correct is None else np.asarray(correct, bool)
    uncertainty = np.concatenate([known, unknown])
    if np.isnan(uncertainty).any():
        raise ValueError("an uncertainty is NaN")
    order = np.argsort(-uncertainty, kind="stable")
    ordered = uncertainty[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)[: len(ordered)]
    is_known = np.arange(len(ordered)) < len(known)
    is_correct = np.concatenate([right, np.zeros(len(unknown), bool)])
    return Ranking(*(_cumulative(flags[order], ends) for flags in (is_known, ~is_known, is_correct)))


def auroc(ranking: Ranking) -> float | None:
    """Return P(unknown > known) + P(tie) / 2, the area under the ROC curve.

    Source: Hanley and McNeil 1982 (Mann-Whitney U). Counted in integers, so any scale and shift gives the same number;
    higher is better, 0.5 is chance.

    >>> auroc(rank(known=[0.1, 0.3], unknown=[0.3, 0.8]))
    0.875
    """
    if not _both(ranking):
        return None
    return float(win_share(doubled_wins(ranking.unknown, ranking.known), ranking.known[-1], ranking.unknown[-1]))


def aupr(
    ranking: Ranking,
    *,
    positive: Positive = "unknown",
    rule: Literal["step", "trapezoid"] = "trapezoid",
    prevalence: float | None = None,
) -> float | None:
    """Return the area under the precision-recall curve.

    Source: ``trapezoid`` joins the points by lines, from (recall 0, precision 1), as the DEAR and PSL scripts do
    (scikit-learn ``auc(recall, precision)``); ``step`` is average precision, sum of (R_n - R_n-1) P_n, which does not
    interpolate. With ``positive="known"`` videos are ranked from the least uncertain. Both depend on the share of
    positives; ``prevalence`` re-weights the positives to a share of your choice, so that data sets of different sizes
    compare.

    >>> ranking = rank(known=[0.1, 0.3], unknown=[0.2, 0.8])
    >>> round(aupr(ranking), 6), round(aupr(ranking, rule="step"), 6)
    (0.791667, 0.833333)
    """
    if not _both(ranking):
        return None
    return float(precision_area(*curve(ranking, positive), rule=rule, prevalence=prevalence))


def fpr_at_tpr(
    ranking: Ranking,
    *,
    positive: Positive = "unknown",
    rule: Literal["first", "nearest"] = "first",
    tpr: float = 0.95,
) -> float | None:
    """Return the share of false alarms where the share ``tpr`` of the positives is found; lower is better.

    ``positive="unknown"``: share of known videos rejected when 95 % of the unknown are. ``positive="known"``: share of
    unknown videos accepted when 95 % of the known are. ``first`` takes the first ROC point at or above ``tpr``
    (OpenOOD); ``nearest`` the point whose TPR is nearest, the lower at a draw, among the points that scikit-learn's
    ``roc_curve`` keeps (the DEAR, PSL and SOAR scripts). TNR at 95 % TPR (ODIN, ARPL) is 1 minus ``first`` with
    ``positive="known"``.

    >>> ranking = rank(known=[0.1, 0.2, 0.4, 0.6], unknown=[0.3, 0.5, 0.7])
    >>> fpr_at_tpr(ranking, tpr=0.7), fpr_at_tpr(ranking, tpr=0.7, rule="nearest")
    (0.5, 0.25)
    """
    if not _both(ranking):
        return None
    hits, alarms = curve(ranking, positive)
    if rule == "first":
        return float(false_alarms(hits, alarms, tpr))
    kept = _roc_points(hits, alarms)
    hits, alarms = hits[kept], alarms[kept]
    return float(alarms[np.argmin(np.abs(hits / hits[-1] - tpr))] / alarms[-1])


def detection_accuracy(ranking: Ranking) -> float | None:
    """Return the best (known accepted + unknown rejected) / 2 over all thresholds.

    Source: ODIN (Liang et al. 2018), 1 - min(FNR + FPR) / 2: equal priors, threshold chosen on the test videos, so it
    is an upper bound and no operating point.

    >>> detection_accuracy(rank(known=[0.1, 0.3], unknown=[0.2, 0.8]))
    0.75
    """
    return float(best_balance(ranking)) if _both(ranking) else None


def oscr(ranking: Ranking) -> float | None:
    """Return the area under correct-and-accepted known videos against accepted unknown videos.

    Source: Dhamija et al. 2018 (curve), ARPL (area). Ties are diagonals, which makes it OpenAUC (Wang et al. 2022):
    P(a known video is classified rightly and is less uncertain than an unknown one). Its upper bound is the closed
    accuracy, not 1.

    >>> oscr(rank(known=[0.1, 0.3], unknown=[0.3, 0.8], correct=[True, False]))
    0.5
    """
    if not _both(ranking):
        return None
    return float(win_share(doubled_wins(ranking.unknown, ranking.correct), ranking.known[-1], ranking.unknown[-1]))


def aurc(ranking: Ranking) -> float | None:
    """Return the area under the risk-coverage curve of the known videos: the mean share of errors among the n least
    uncertain, over n = 1..N; lower is better.

    Source: Geifman et al. 2019. Within a tie every order is equally likely and the expected risk is taken.

    >>> aurc(rank(known=[0.1, 0.2, 0.3], unknown=[], correct=[True, False, True]))  # risks 0, 1/2, 1/3
    0.27777777777777773
    """
    return _mean_risk(ranking.known, ranking.correct)


def open_aurc(ranking: Ranking) -> float | None:
    """Return the same as `aurc` over known and unknown videos, where every accepted unknown video is an error.

    >>> open_aurc(rank(known=[0.1, 0.3], unknown=[0.2], correct=[True, True]))  # risks 0, 1/2, 1/3
    0.27777777777777773
    """
    return _mean_risk(ranking.known + ranking.unknown, ranking.correct)


def win_shares(uncertainty: npt.ArrayLike, others: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return for each of N videos the share of the others with a lower uncertainty (ties count half), [N].

    Its mean over the videos of one unknown class, against all known, is the AUROC of that class.

    >>> win_shares([0.3, 0.8], [0.1, 0.3]).tolist()
    [0.75, 1.0]
    """
    ordered = np.sort(np.asarray(others, np.float64))
    uncertainty = np.asarray(uncertainty, np.float64)
    below = np.searchsorted(ordered, uncertainty, "left") + np.searchsorted(ordered, uncertainty, "right")
    return below / (2 * len(ordered))


def _cumulative(flags: npt.NDArray[np.bool_], ends: npt.NDArray[np.intp]) -> Counts:
    return np.append(0, np.cumsum(flags, dtype=np.int64)[ends])


def doubled_wins(above: Counts, below: Counts) -> Any:
    """Return twice the weight of pairs in which one of ``above`` is more uncertain than one of ``below``, [...]."""
    return np.sum(np.diff(above) * (2 * below[..., -1:] - below[..., 1:] - below[..., :-1]), axis=-1)


def _both(ranking: Ranking) -> bool:
    return bool(ranking.known[-1] and ranking.unknown[-1])


def win_share(doubled: Any, known: Any, unknown: Any) -> Any:
    """Return a share of pairs from twice their weight and the weights of both sides, [...]."""
    return doubled / (2 * (known * unknown))


def curve(ranking: Ranking, positive: Positive) -> tuple[Counts, Counts]:
    """Return how many positives and negatives lie beyond each threshold, from none to all."""
    known, unknown = ranking.known, ranking.unknown
    if positive == "unknown":
        return unknown, known
    return known[..., -1:] - known[..., ::-1], unknown[..., -1:] - unknown[..., ::-1]


def precision_area(hits: Counts, alarms: Counts, *, rule: str = "trapezoid", prevalence: float | None = None) -> Any:
    """Return the area under the precision-recall curve, [...], from hits and alarms [..., G + 1]."""
    share = 1.0 if prevalence is None else prevalence / (1 - prevalence) * alarms[..., -1:] / hits[..., -1:]
    weighted = share * hits
    found = weighted + alarms
    # before the first video of any weight the curve stands at precision 1
    precision = np.divide(weighted, found, out=np.ones_like(found, np.float64), where=found > 0)
    height = precision[..., 1:] if rule == "step" else (precision[..., 1:] + precision[..., :-1]) / 2
    return np.sum(np.diff(hits / hits[..., -1:]) * height, axis=-1)


def false_alarms(hits: Counts, alarms: Counts, tpr: float = 0.95) -> Any:
    """Return the share of negatives at the first threshold at which this share of the positives is found, [...]."""
    first = (hits >= hits[..., -1:] * (tpr * (1 - _SLACK))).argmax(axis=-1)[..., None]
    return (np.take_along_axis(alarms, first, axis=-1) / alarms[..., -1:])[..., 0]


def best_balance(ranking: Ranking) -> Any:
    """Return the best (known accepted + unknown rejected) / 2 over all thresholds, [...]."""
    gain = ranking.unknown / ranking.unknown[..., -1:] - ranking.known / ranking.known[..., -1:]
    return (1 + gain.max(axis=-1)) / 2


def _roc_points(hits: Counts, alarms: Counts) -> npt.NDArray[np.bool_]:
    """Return which points scikit-learn keeps: both ends, the first threshold, and where a step differs from the last.

    It matters: without the points that it drops, "nearest to 95 %" is another point in 6 of 25 published files.
    """
    kept = np.ones(len(hits), bool)
    kept[2:-1] = (np.diff(hits[1:], n=2) != 0) | (np.diff(alarms[1:], n=2) != 0)
    return kept


def _mean_risk(accepted: Counts, correct: Counts) -> float | None:
    """Return the mean over n of the expected errors among the n least uncertain videos, divided by n."""
    if not accepted[-1]:
        return None
    sizes = np.diff(accepted)[::-1]
    groups = np.flatnonzero(sizes)
    # the share of errors of a tie group stands for each of its videos
    errors = (sizes - np.diff(correct)[::-1])[groups] / sizes[groups]
    risk = np.cumsum(np.repeat(errors, sizes[groups])) / np.arange(1, accepted[-1] + 1)
    return float(risk.mean())
