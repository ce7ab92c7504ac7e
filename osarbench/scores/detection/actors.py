"""Who was found: boxes of detected actors matched to persons, known, unknown or both, one to one.

From here on an actor is a row of a scores table (`scores_table`) like any video: the same metrics, intervals and
comparisons.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores.detection.boxes import COLUMNS, paired_iou
from osarbench.scores.detection.tables import BOX, FRAME

#: What a detected actor turns out to be. "duplicate": whom it shows is matched already; "background": nobody is there;
#: "mixed": the person does known and unknown actions; "ignored": all that the person does is in neither list.
Outcome = Literal["known", "unknown", "mixed", "ignored", "duplicate", "background"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
#: In which order detections choose. "score": the most certain first. "file_order": as they are in the file, as
#: released code does, so that the same detections in another order give other numbers.
Order = Literal["score", "file_order"]


class Vocabulary(NamedTuple):
    """The numbers of known and of unknown classes."""

    known: frozenset[int]
    unknown: frozenset[int]


def vocabulary(known: Collection[int], unknown: Collection[int]) -> Vocabulary:
    """Return known and unknown classes.

    Raises:
        OsarbenchError: there is no known class, or one is both.
    """
    both = sorted(set(known) & set(unknown))
    if both:
        raise OsarbenchError(f"The class {both[0]} is among the known and among the unknown ones. Take it out of one.")
    if not known:
        raise OsarbenchError("There is no known class. Name them, for example --known-classes 1-40.")
    return Vocabulary(frozenset(known), frozenset(unknown))


def persons(truth: pd.DataFrame, classes: Vocabulary) -> pd.DataFrame:
    """Return one row a person and keyframe: `BOX`, ``person``, ``labels`` (a tuple of class numbers), ``kind``."""
    grouped = truth.groupby([*FRAME, "person"], sort=False)
    found = grouped[COLUMNS].first().reset_index()
    labels = [tuple(sorted(set(rows["class"].tolist()))) for _, rows in grouped]
    found["labels"] = pd.Series(labels, found.index, dtype=object)
    found["kind"] = [_kind(set(labels), classes) for labels in found["labels"]]
    return found


def actors(detections: pd.DataFrame, classes: Vocabulary) -> pd.DataFrame:
    """Return one row a detected box: `BOX`, ``score``, ``predicted``, ``unknown_score``.

    ``predicted`` is the known class of the highest ``score``. Boxes without a known class are left out. Without unknown
    scores, 1 - score is used.
    """
    known = detections[detections["class"].isin(classes.known)]
    best = known.sort_values("score", ascending=False, kind="stable").drop_duplicates(BOX).sort_index()
    found = best.rename(columns={"class": "predicted"}).reset_index(drop=True)
    if "unknown_score" not in found:
        found["unknown_score"] = 1 - found["score"]
    return found[[*BOX, "score", "predicted", "unknown_score"]]


def match(found: pd.DataFrame, there: pd.DataFrame, *, iou: float = 0.5, order: Order = "score") -> pd.DataFrame:
    """Return the detected actors with ``outcome``, and ``person`` and ``labels`` of whom each was matched to.

    In each keyframe every actor takes, of the persons whom nobody took before, the one it overlaps most, if by ``iou``.

    Args:
        found: `actors`.
        there: `persons`.
        iou: the least overlap.
        order: who chooses first.
    """
    by_frame = {key: rows.index.to_numpy() for key, rows in there.groupby(FRAME, sort=False)}
    outcome = ["background"] * len(found)
    person, kinds = np.full(len(found), -1), there["kind"].tolist()
    boxes, theirs = found[COLUMNS].to_numpy(np.float64), there[COLUMNS].to_numpy(np.float64)
    for key, rows in found.groupby(FRAME, sort=False):
        if key not in by_frame:
            continue
        candidates, detected = by_frame[key], rows.index.to_numpy()
        if order == "score":
            detected = detected[np.argsort(-rows["score"].to_numpy(), kind="stable")]
        overlaps = paired_iou(boxes[detected, None], theirs[None, candidates])  # [detected, candidates]
        free = np.ones(len(candidates), bool)
        for row, overlap in zip(detected.tolist(), overlaps, strict=True):
            best = int(np.where(free, overlap, -1.0).argmax())
            if free[best] and overlap[best] >= iou:
                free[best], person[row] = False, candidates[best]
                outcome[row] = kinds[candidates[best]]
            elif overlap.max() >= iou:
                outcome[row] = "duplicate"
    labels = [there["labels"].iat[its] if its >= 0 else () for its in person.tolist()]
    return found.assign(outcome=outcome, person=person, labels=pd.Series(labels, found.index, dtype=object))


def scores_table(
    matched: pd.DataFrame, names: Mapping[int, str], *, source: str, role: str | None = None
) -> pd.DataFrame:
    """Return the matched known and unknown actors as a scores table, a row each; ``group`` is the video.

    An actor of several labels is right if its predicted class is one of them, and then has that label; else the first.

    Args:
        matched: `match`.
        names: class number -> name.
        source: of the rows, as in any scores table.
        role: "calibration" for all rows, known ones alone; None: as they were matched.
    """
    rows = matched[matched["outcome"].isin(["known"] if role else ["known", "unknown"])]
    label = [
        predicted if predicted in labels else labels[0]
        for predicted, labels in zip(rows["predicted"], rows["labels"], strict=True)
    ]
    return pd.DataFrame(
        {
            "video": [f"{row.video}@{row.second}#{row.person}" for row in rows.itertuples()],
            "role": role or rows["outcome"].to_numpy(),
            "source": source,
            "label": [names.get(number, f"class {number}") for number in label],
            "predicted": [names.get(number, f"class {number}") for number in rows["predicted"]],
            "confidence": rows["score"].to_numpy(),
            "uncertainty": rows["unknown_score"].to_numpy(),
            "group": rows["video"].to_numpy(),
        }
    )


def _kind(labels: set[int], classes: Vocabulary) -> Outcome:
    known, unknown = bool(labels & classes.known), bool(labels & classes.unknown)
    if known and unknown:
        return "mixed"
    return "known" if known else "unknown" if unknown else "ignored"
