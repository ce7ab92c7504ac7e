"""A row for every class: which known classes suffer, which unknown ones pass, and for what they are taken."""

from typing import Any

import numpy as np

from osarbench.scores.metrics.closed import class_recalls
from osarbench.scores.metrics.openness import OpenCounts
from osarbench.scores.metrics.outcome import FloatArray, IntArray, Outcome
from osarbench.scores.metrics.ranking import win_shares

Rows = dict[str, dict[str, Any]]


def per_class(outcome: Outcome, counts: OpenCounts | None) -> dict[str, Rows]:
    """Return a row for every known class that has test videos and for every unknown class.

    Args:
        counts: the decisions at the threshold; None without one, which leaves the thresholded columns None.
    """
    return {"known": _known(outcome, counts), "unknown": _unknown(outcome)}


def _known(outcome: Outcome, counts: OpenCounts | None) -> Rows:
    known, names = outcome.known, outcome.known_names
    beaten = 1 - win_shares(known.uncertainty, outcome.unknown.uncertainty)
    columns = {
        "class_auroc": class_recalls(known.labels, beaten, len(names)),
        "closed_accuracy": class_recalls(known.labels, outcome.correct, len(names)),
    }
    if counts is not None and outcome.threshold is not None:
        columns["known_accepted"] = class_recalls(known.labels, known.uncertainty <= outcome.threshold, len(names))
        decided = counts.decided + counts.unknown.sum(axis=0)
        columns["f1"] = 2 * counts.hits / np.maximum(counts.support + decided[:-1], 1)
    return _rows(names, np.bincount(known.labels, minlength=len(names)), columns)


def _unknown(outcome: Outcome) -> Rows:
    unknown, names, k = outcome.unknown, outcome.unknown_names, len(outcome.known_names)
    landed = np.bincount(unknown.labels * k + unknown.predicted, minlength=len(names) * k).reshape(len(names), k)
    won = win_shares(unknown.uncertainty, outcome.known.uncertainty)
    columns = {"class_auroc": class_recalls(unknown.labels, won, len(names))}
    if outcome.threshold is not None:
        rejected = unknown.uncertainty > outcome.threshold
        columns["unknown_rejected"] = class_recalls(unknown.labels, rejected, len(names))
    columns["purity"] = landed.max(axis=1) / landed.sum(axis=1)
    rows = _rows(names, landed.sum(axis=1), columns)
    for name, best in zip(names, landed.argmax(axis=1).tolist(), strict=True):
        rows[name]["most_predicted"] = outcome.known_names[best]
    return rows


def _rows(names: list[str], videos: IntArray, columns: dict[str, FloatArray]) -> Rows:
    return {
        names[i]: {"videos": int(videos[i])} | {column: float(values[i]) for column, values in columns.items()}
        for i in np.flatnonzero(videos)
    }
