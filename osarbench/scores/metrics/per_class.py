"""A row for every class: which known classes suffer, which unknown ones pass, and for what they are taken."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.closed import class_recalls
from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.ranking import win_shares

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Tested

Rows = dict[str, dict[str, Any]]


def per_class(tested: "Tested", metrics: list[Metric]) -> dict[str, Rows]:
    """Return a row for every known class that has test videos and for every unknown class.

    Args:
        metrics: whose numbers of classes are the columns; those that have none are left out.
    """
    found = [(metric.name, metric.by_class(tested)) for metric in metrics if metric.by_class is not None]
    columns = {
        side: {name: numbers[side] for name, numbers in found if side in numbers} for side in ("known", "unknown")
    }
    known, landed = tested.outcome.known_names, tested.shared(_landed)
    rows = {
        "known": _rows(known, np.bincount(tested.known.labels, minlength=len(known)), columns["known"]),
        "unknown": _rows(tested.outcome.unknown_names, landed.sum(axis=1), columns["unknown"]),
    }
    for name, best in zip(tested.outcome.unknown_names, landed.argmax(axis=1).tolist(), strict=True):
        rows["unknown"][name]["most_predicted"] = known[best]
    return rows


def _landed(tested: "Tested") -> npt.NDArray[np.int64]:
    """Return how many videos of each unknown class [C] were taken for each known one [K], before any rejection."""
    k, c = len(tested.outcome.known_names), len(tested.outcome.unknown_names)
    return np.bincount(tested.unknown.labels * k + tested.unknown.predicted, minlength=c * k).reshape(c, k)


def _rows(names: list[str], videos: npt.NDArray[np.int64], columns: dict[str, Any]) -> Rows:
    return {
        names[i]: {"videos": int(videos[i])} | {column: float(values[i]) for column, values in columns.items()}
        for i in np.flatnonzero(videos)
    }


def _auroc(tested: "Tested") -> dict[str, Any]:
    known, unknown, of = tested.known, tested.unknown, tested.outcome
    beaten = 1 - win_shares(known.uncertainty, unknown.uncertainty)
    won = win_shares(unknown.uncertainty, known.uncertainty)
    return {
        "known": class_recalls(known.labels, beaten, len(of.known_names)),
        "unknown": class_recalls(unknown.labels, won, len(of.unknown_names)),
    }


def _purity(tested: "Tested") -> dict[str, Any]:
    landed = tested.shared(_landed)
    return {"unknown": landed.max(axis=1) / landed.sum(axis=1)}


METRICS = (
    Metric(
        name="class_auroc",
        label="AUROC of a class",
        convention="AUROC of one class: a known class against all unknown videos, an unknown one against all known",
        block="per_class",
        by_class=_auroc,
    ),
    Metric(
        name="purity",
        label="purity",
        convention="share of an unknown class that falls into its most frequent predicted class, before any rejection",
        direction="none",
        block="per_class",
        by_class=_purity,
    ),
)
