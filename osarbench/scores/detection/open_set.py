"""Open-set evaluation of localised actions: closed and open frame-mAP, and known against unknown actors.

Sources: the actor level of MULE (Zhao et al., CVPR 2023), OSDR of OpenTAL (Bao et al., CVPR 2022, arXiv:2203.05114),
absolute open-set error of Miller et al. (ICRA 2018, arXiv:1710.06677), wilderness impact of Dhamija et al. (WACV 2020).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from osarbench.scores.detection import actors
from osarbench.scores.detection.actors import Order, Vocabulary
from osarbench.scores.detection.frame_map import best_overlap, frame_map, rank
from osarbench.scores.detection.tables import BOX
from osarbench.scores.metrics import ranking, thresholds

RECALL = 0.8  #: of known persons, at which false acceptances of unknown ones are counted

#: Name -> label and convention, in the order in which they are shown.
CONVENTIONS: Mapping[str, tuple[str, str]] = {
    "closed_map": ("frame-mAP", "AVA's frame-mAP over known classes; boxes of unknown-only persons are ignored"),
    "open_map": ("open frame-mAP", "the same; boxes of unknown persons are false positives"),
    "auroc": ("AUROC", "matched actors, unknown against known, by unknown score; ties count half"),
    "aupr": ("AUPR", "likewise, unknown is positive; points are joined by lines"),
    "fpr95": ("FPR95", "known actors rejected at the first threshold that rejects 95 % of the unknown"),
    "detection_error": ("detection error", "the least mean of unknown accepted and known rejected, over thresholds"),
    "osdr": ("OSDR", "area under known actors that are accepted and right, over unknown actors that are accepted"),
    "closed_accuracy": ("top-1", "known actors whose highest known class is one of their labels"),
    "a_ose": ("A-OSE", "unknown persons with a box of a known class, at each class's score of 80 % recall"),
    "wilderness_impact": ("WI", "such boxes over all others of known classes, at the same scores"),
    "threshold": ("threshold", "the unknown score that 95 % of the matched known actors of the validation are under"),
    "known_accepted": ("known accepted", "matched known actors at or under the threshold"),
    "unknown_rejected": ("unknown rejected", "matched unknown actors above the threshold"),
    "unknown_recall": ("unknown recall", "the same, over all unknown persons, found or not"),
    "auroc_folded": ("AUROC, folded", "max(AUROC, 1 - AUROC), as MULE's code prints: it cannot be below chance"),
    "fpr95_reversed": ("FPR95, reversed", "1 - FPR at 95 % TPR, as MULE's code prints under FPR@95"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OpenSetDetection:
    """All numbers of one file of detections: shares, not percent; None where there is nothing to count."""

    numbers: Mapping[str, float | None]  #: by the names in `CONVENTIONS`
    by_class: Mapping[int, float]  #: closed average precisions
    outcomes: Mapping[str, int]  #: detected actors by outcome, and persons whom nobody found ("missed ...")
    short_of_recall: tuple[int, ...]  #: known classes that never reach the recall of A-OSE and WI

    @property
    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with the conventions."""
        return asdict(self) | {"conventions": {name: text for name, (_, text) in CONVENTIONS.items()}}


def evaluate(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    classes: Vocabulary,
    *,
    threshold: float | None = None,
    iou: float = 0.5,
    order: Order = "score",
) -> OpenSetDetection:
    """Return all numbers of detections of persons, some of whom do what the network never saw.

    Args:
        truth: `osarbench.scores.detection.tables.read_truth`.
        detections: `osarbench.scores.detection.tables.read_detections`.
        classes: the known and the unknown ones.
        threshold: on the unknown score, from known validation data (`threshold_of`).
        iou: the least overlap.
        order: who chooses first (`osarbench.scores.detection.actors.match`).
    """
    there = actors.persons(truth, classes)
    matched = actors.match(actors.actors(detections, classes), there, iou=iou, order=order)
    shown = _shown(detections, there, iou)
    closed = frame_map(truth, detections[shown != "unknown"], classes.known, iou=iou)
    opened = frame_map(truth, detections, classes.known, iou=iou)
    numbers: dict[str, float | None] = {"closed_map": closed.mean, "open_map": opened.mean if classes.unknown else None}
    numbers |= _actor_level(matched, there, threshold)
    wild, short = _wilderness(truth, detections, there, shown, classes, iou)
    numbers |= wild
    return OpenSetDetection(
        numbers={name: numbers.get(name) for name in CONVENTIONS},
        by_class=closed.by_class,
        outcomes=_outcomes(matched, there),
        short_of_recall=short,
    )


def threshold_of(matched: pd.DataFrame, quantile: float = 0.95) -> float | None:
    """Return the unknown score that a share of the matched known actors is at or under; None if there is none."""
    return thresholds.quantile_threshold(_of(matched, "known"), quantile)


def _actor_level(matched: pd.DataFrame, there: pd.DataFrame, threshold: float | None) -> dict[str, float | None]:
    known, unknown = _of(matched, "known"), _of(matched, "unknown")
    rows = matched[matched["outcome"] == "known"]
    right = np.array([its in labels for its, labels in zip(rows["predicted"], rows["labels"], strict=True)], bool)
    found: dict[str, float | None] = {"closed_accuracy": float(right.mean()) if len(right) else None}
    if threshold is not None:
        found |= {"threshold": threshold, "known_accepted": thresholds.accepted_share(known, threshold)}
    if not len(known) or not len(unknown):
        return found
    order = ranking.rank(known=known, unknown=unknown, correct=right)
    auroc, fpr = ranking.auroc(order), ranking.fpr_at_tpr(order)
    rates = (order.known / len(known) + 1 - order.unknown / len(unknown)) / 2
    found |= {
        "auroc": auroc,
        "aupr": ranking.aupr(order),
        "fpr95": fpr,
        "detection_error": float(rates.min()),
        "osdr": ranking.oscr(order),
        "auroc_folded": None if auroc is None else max(auroc, 1 - auroc),
        "fpr95_reversed": None if fpr is None else 1 - fpr,
    }
    if threshold is not None:
        rejected = int((unknown > threshold).sum())
        found["unknown_rejected"] = rejected / len(unknown)
        found["unknown_recall"] = rejected / int((there["kind"] == "unknown").sum())
    return found


def _wilderness(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    there: pd.DataFrame,
    shown: pd.Series,
    classes: Vocabulary,
    iou: float,
) -> tuple[dict[str, float | None], tuple[int, ...]]:
    """Return A-OSE and wilderness impact at the scores where each class has found `RECALL` of its persons."""
    if not (there["kind"] == "unknown").any():
        return {}, ()
    accepted, short = [], []
    for number in sorted(classes.known):
        ranked = rank(truth, detections, number, iou=iou)
        reached = np.flatnonzero(ranked.recall >= RECALL)
        if not ranked.persons:
            continue
        if not len(reached):
            short.append(number)
            continue
        accepted.append(ranked.rows[ranked.scores >= ranked.scores[reached[0]]])
    rows = np.concatenate(accepted) if accepted else np.array([], np.intp)
    on_unknown = shown.to_numpy()[rows] == "unknown"
    whom, _ = best_overlap(detections.iloc[rows[on_unknown]], there)
    others = int((~on_unknown).sum())
    numbers: dict[str, float | None] = {"a_ose": float(len(np.unique(whom)))} if accepted else {}
    if others:
        numbers["wilderness_impact"] = int(on_unknown.sum()) / others
    return numbers, tuple(short)


def _shown(detections: pd.DataFrame, there: pd.DataFrame, iou: float) -> pd.Series:
    """Return of each row whom its box shows: the kind of the person it overlaps most, "background" if of nobody."""
    boxes = detections[BOX].drop_duplicates(ignore_index=True)
    if not len(there):
        return pd.Series("background", detections.index)
    whom, overlap = best_overlap(boxes, there)
    boxes["shown"] = np.where(overlap >= iou, there["kind"].to_numpy()[whom], "background")
    return detections[BOX].merge(boxes, on=BOX, how="left")["shown"].set_axis(detections.index)


def _outcomes(matched: pd.DataFrame, there: pd.DataFrame) -> dict[str, int]:
    counts: dict[str, int] = {name: int((matched["outcome"] == name).sum()) for name in actors.OUTCOMES}
    found = set(matched["person"])
    for kind in ("known", "unknown", "mixed"):
        its = there.index[there["kind"] == kind]
        counts[f"missed {kind}"] = sum(row not in found for row in its)
    return counts


def _of(matched: pd.DataFrame, outcome: str) -> Any:
    return matched.loc[matched["outcome"] == outcome, "unknown_score"].to_numpy(np.float64)
