"""Frame-mAP at an overlap: the mean over classes of the average precision of boxes in keyframes.

The rules are those of AVA's evaluation (Gu et al., CVPR 2018; github.com/activitynet/ActivityNet, which takes them from
TensorFlow's PascalDetectionEvaluator): of a class, boxes of all frames are ranked by score; a box finds the person of
that class with whom it overlaps *most*, if by at least the threshold and if no better box of the frame has; it takes
no second choice. The area is under the monotone envelope of precision, at every recall. Classes that nobody in the
ground truth does are left out of the mean. Here boxes of one score are one threshold, so the order of rows is nothing.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.scores.detection.boxes import COLUMNS, paired_iou
from osarbench.scores.detection.tables import FRAME

Flags = npt.NDArray[np.bool_]


class FrameMap(NamedTuple):
    """Average precisions of the classes; shares, not percent."""

    by_class: dict[int, float]  #: of the classes that the ground truth has

    @property
    def mean(self) -> float | None:
        """The mean over classes, None if there is none."""
        return float(np.mean(list(self.by_class.values()))) if self.by_class else None


class Ranked(NamedTuple):
    """The boxes of one class, best first."""

    rows: npt.NDArray[np.intp]  #: their positions in the table of detections
    scores: npt.NDArray[np.float64]
    hits: Flags  #: whether a box finds a person of the class
    persons: int  #: of the class, in the ground truth

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """The share of persons found, down to each box."""
        found: npt.NDArray[np.float64] = self.hits.cumsum() / max(self.persons, 1)
        return found


def frame_map(truth: pd.DataFrame, detections: pd.DataFrame, classes: Collection[int], *, iou: float = 0.5) -> FrameMap:
    """Return the average precision of each class.

    Args:
        truth: `osarbench.scores.detection.tables.read_truth`.
        detections: `osarbench.scores.detection.tables.read_detections`.
        classes: their numbers; others do not count.
        iou: the least overlap.
    """
    found = {}
    for number in sorted(classes):
        ranked = rank(truth, detections, number, iou=iou)
        if ranked.persons:
            found[number] = average_precision(ranked)
    return FrameMap(found)


def rank(truth: pd.DataFrame, detections: pd.DataFrame, number: int, *, iou: float = 0.5) -> Ranked:
    """Return the boxes of a class from the best score to the least, and whether each finds a person."""
    persons = truth[truth["class"] == number].reset_index(drop=True)
    chosen = np.flatnonzero((detections["class"] == number).to_numpy())
    scores = detections["score"].to_numpy(np.float64)[chosen]
    chosen = chosen[np.argsort(-scores, kind="stable")]
    boxes = detections.iloc[chosen].reset_index(drop=True)
    best, overlap = best_overlap(boxes, persons)
    near = np.flatnonzero(overlap >= iou)
    hits = np.zeros(len(boxes), bool)
    hits[near[np.unique(best[near], return_index=True)[1]]] = True  # of those who want one person, the first
    return Ranked(chosen, boxes["score"].to_numpy(np.float64), hits, len(persons))


def best_overlap(boxes: pd.DataFrame, persons: pd.DataFrame) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return for boxes [N] which row of ``persons`` overlaps most in their frame [N], and by how much [N].

    Without anybody in its frame, a box has the row 0 and the overlap 0.
    """
    left = boxes[[*FRAME, *COLUMNS]].assign(box=np.arange(len(boxes)))
    right = persons[[*FRAME, *COLUMNS]].assign(person=np.arange(len(persons)))
    pairs = left.merge(right, on=FRAME, suffixes=("", "_person"))
    overlap = paired_iou(pairs[COLUMNS], pairs[[f"{column}_person" for column in COLUMNS]])
    order = np.lexsort((pairs["person"].to_numpy(), -overlap, pairs["box"].to_numpy()))
    box, first = np.unique(pairs["box"].to_numpy()[order], return_index=True)
    best, most = np.zeros(len(boxes), np.intp), np.zeros(len(boxes))
    best[box], most[box] = pairs["person"].to_numpy()[order][first], overlap[order][first]
    return best, most


def average_precision(ranked: Ranked) -> float:
    """Return the area under the monotone envelope of precision over recall; boxes of one score are one threshold."""
    ends = np.append(np.flatnonzero(np.diff(ranked.scores)), len(ranked.scores) - 1)[: len(ranked.scores)]
    hits = ranked.hits.cumsum()[ends]
    precision = np.maximum.accumulate((hits / (ends + 1))[::-1])[::-1]
    gained = np.diff(hits, prepend=0) / ranked.persons
    return float((precision * gained).sum())
