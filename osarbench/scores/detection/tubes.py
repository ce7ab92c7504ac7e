"""Tubes: a box in each frame of an action. Their overlap, how boxes of frames are linked to tubes, and video-mAP.

A table of tubes has the columns ``video``, ``tube``, ``class``, ``frame``, the box, and ``score`` if it was detected.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.scores.detection.boxes import COLUMNS, paired_iou
from osarbench.scores.detection.tables import PIXELS

TUBE = ["video", "tube"]
#: The overlaps at which video-mAP is stated; "0.5:0.95" is the mean over steps of 0.05.
OVERLAPS: Mapping[str, tuple[float, ...]] = {
    "0.2": (0.2,), "0.5": (0.5,), "0.75": (0.75,), "0.5:0.95": tuple(np.linspace(0.5, 0.95, 10).round(2).tolist()),
}  # fmt: skip


class Tube(NamedTuple):
    """One tube: frame numbers [T], ascending, and boxes [T, 4]."""

    frames: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]


class Detected(NamedTuple):
    """One detected tube of a class."""

    video: str
    score: float
    tube: Tube


def read(file: Path, *, scored: bool, linked: bool = True) -> pd.DataFrame:
    """Return the tubes of a csv file with a header: video, tube, class, frame, x1, y1, x2, y2, and score.

    Boxes may be in pixels or in shares of the frame.

    Args:
        file: to be read.
        scored: there is a score, of a tube; of each box if they are not linked.
        linked: there are tubes, not boxes of frames that are still to be linked.

    Raises:
        OsarbenchError: the file is not there, lacks a column, or has a box, frame or score that is none; a tube has two
            boxes in a frame, two classes or two scores.
    """
    numeric = ["frame", *COLUMNS, *(["score"] if scored else [])]
    columns = [*(TUBE if linked else ["video"]), "class", *numeric]
    try:
        rows = pd.read_csv(file, dtype={"video": str, "tube": str, "class": str}, keep_default_na=False)
    except (OSError, ValueError) as error:  # ParserError, EmptyDataError and UnicodeDecodeError are ValueErrors
        raise OsarbenchError(f"{file} cannot be read as CSV: {str(error)[:300]}.") from error
    for column in columns:
        if column not in rows:
            hint = did_you_mean(column, [str(name) for name in rows.columns])
            raise OsarbenchError(
                f"{file} has no column '{column}'.{hint} Its first line must name: {','.join(columns)}."
            )
    rows = rows[columns]
    for column in numeric:
        numbers = pd.to_numeric(rows[column], errors="coerce").astype(np.float64)
        _refuse(file, rows, ~np.isfinite(numbers.to_numpy()), f"the {column} is no number")
        rows = rows.assign(**{column: numbers})
    _refuse(file, rows, np.asarray(rows["frame"] % 1 != 0, bool), "the frame is no whole number")
    boxes = rows[COLUMNS].to_numpy()
    _refuse(
        file,
        rows,
        np.asarray((boxes[:, 2:] <= boxes[:, :2]).any(axis=1)),
        "the box has no area; wanted are x1,y1,x2,y2",
    )
    rows = rows.assign(frame=rows["frame"].astype(np.int64))
    if not linked:
        return rows
    _refuse(file, rows, rows.duplicated([*TUBE, "frame"]).to_numpy(), "a tube has a second box in this frame")
    for column in ["class", *(["score"] if scored else [])]:
        several = rows.groupby(TUBE)[column].transform("nunique").to_numpy() > 1
        _refuse(file, rows, several, f"a tube has several values of {column}")
    return rows


def overlap(first: Tube, second: Tube) -> float:
    """Return the share of frames that two tubes have in common, times the mean overlap of their boxes there.

    Source: Saha et al., BMVC 2016 (arXiv:1608.01529), and the released code of ACT (Kalogeiton et al., ICCV 2017).
    """
    _, ours, theirs = np.intersect1d(first.frames, second.frames, assume_unique=True, return_indices=True)
    if not len(ours):
        return 0.0
    shared = len(ours) / (len(first.frames) + len(second.frames) - len(ours))
    return float(shared * paired_iou(first.boxes[ours], second.boxes[theirs]).mean())


def link(boxes: pd.DataFrame, *, overlap: float = 0.1, gap: int = 5) -> pd.DataFrame:
    """Return tubes that boxes of frames are linked to, class by class; their score is the mean of their boxes'.

    Source: the online rule of Singh et al., ICCV 2017 (arXiv:1611.08563), section 3.4, without its trimming in time: in
    each frame the tubes, best mean first, each take the highest box that overlaps their last one; boxes that are left
    begin tubes; a tube without a box for ``gap`` frames has ended.

    Args:
        boxes: video, frame, the box, class and score; after non-maximum suppression.
        overlap: the least overlap with the last box.
        gap: frames without a box after which a tube ends.
    """
    parts: list[pd.DataFrame] = []
    for (video, number), rows in boxes.groupby(["video", "class"], sort=False):
        rows = rows.sort_values(["frame", "score"], ascending=[True, False], kind="stable").reset_index(drop=True)
        member = _linked(rows, overlap, gap)
        names = np.array([f"{video}/{number}/{tube}" for tube in member.tolist()])
        part = rows.assign(tube=names)
        parts.append(part.assign(score=part.groupby("tube")["score"].transform("mean")))
    columns = [*TUBE, "class", "frame", *COLUMNS, "score"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def video_map(
    truth: pd.DataFrame, detected: pd.DataFrame, classes: Collection[str], *, least: Collection[float]
) -> dict[str, float]:
    """Return the average precision of each class that the ground truth has, averaged over least overlaps.

    Of a class, tubes of all videos are ranked by score; each finds, of the true tubes of its video that are left, the
    one it overlaps most. Points of precision and recall are joined by lines, from (recall 0, precision 1), as in the
    released code of ACT; tubes of one score are one point.

    Args:
        truth: `read`.
        detected: `read` or `link`.
        classes: their names; others do not count.
        least: the overlaps that are enough.
    """
    found = {}
    for name in sorted(set(classes) & set(truth["class"])):
        true = _by_video(truth[truth["class"] == name])
        ranked = _ranked(detected[detected["class"] == name])
        count = sum(map(len, true.values()))
        found[name] = float(np.mean([_precision(ranked, _hits(ranked, true, enough), count) for enough in least]))
    return found


def check_units(truth: pd.DataFrame, detected: pd.DataFrame) -> None:
    """Raise an `OsarbenchError` if one table has boxes in pixels and the other in shares of the frame."""
    pixels = [bool(len(rows) and np.abs(rows[COLUMNS].to_numpy()).max() > PIXELS) for rows in (truth, detected)]
    if len(truth) and len(detected) and pixels[0] != pixels[1]:
        raise OsarbenchError(
            f"The boxes of the {'ground truth' if pixels[0] else 'detections'} are in pixels, the others in shares of "
            "the frame. Give both in one unit."
        )


def _linked(rows: pd.DataFrame, overlap: float, gap: int) -> npt.NDArray[np.intp]:
    """Return the number of the tube of each row; rows are sorted by frame."""
    frames, scores, boxes = rows["frame"].to_numpy(), rows["score"].to_numpy(), rows[COLUMNS].to_numpy()
    member = np.full(len(rows), -1)
    tubes: list[list[int]] = []  # rows of each
    for frame in np.unique(frames):
        here = np.flatnonzero(frames == frame)  # the highest score first
        active = [number for number, its in enumerate(tubes) if frame - frames[its[-1]] <= gap]
        for number in sorted(active, key=lambda number: -scores[tubes[number]].mean()):
            free = here[member[here] < 0]
            near = free[paired_iou(boxes[free], boxes[tubes[number][-1]]) >= overlap]
            if len(near):
                member[near[0]] = number
                tubes[number].append(int(near[0]))
        for row in here[member[here] < 0]:
            member[row] = len(tubes)
            tubes.append([int(row)])
    return member


def _by_video(rows: pd.DataFrame) -> dict[str, list[Tube]]:
    found: dict[str, list[Tube]] = {}
    for (video, _), its in rows.groupby(TUBE, sort=False):
        found.setdefault(str(video), []).append(_tube(its))
    return found


def _ranked(rows: pd.DataFrame) -> list[Detected]:
    tubes = [
        Detected(str(key[0]), float(its["score"].iloc[0]), _tube(its)) for key, its in rows.groupby(TUBE, sort=False)
    ]
    return sorted(tubes, key=lambda tube: -tube.score)


def _tube(rows: pd.DataFrame) -> Tube:
    rows = rows.sort_values("frame")
    return Tube(rows["frame"].to_numpy(np.int64), rows[COLUMNS].to_numpy(np.float64))


def _hits(ranked: list[Detected], true: Mapping[str, list[Tube]], enough: float) -> npt.NDArray[np.bool_]:
    left = {video: list(tubes) for video, tubes in true.items()}
    hits = np.zeros(len(ranked), bool)
    for position, detected in enumerate(ranked):
        overlaps = [overlap(detected.tube, tube) for tube in left.get(detected.video, [])]
        best = int(np.argmax(overlaps)) if overlaps else 0
        if overlaps and overlaps[best] >= enough:
            hits[position] = True
            del left[detected.video][best]
    return hits


def _precision(ranked: list[Detected], hits: npt.NDArray[np.bool_], count: int) -> float:
    scores = np.array([detected.score for detected in ranked])
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)[: len(scores)]
    found = hits.cumsum()[ends]
    precision = np.append(1.0, found / (ends + 1))
    return float(np.trapezoid(precision, np.append(0.0, found / count)))


def _refuse(file: Path, rows: pd.DataFrame, wrong: npt.NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        row = rows.iloc[int(wrong.argmax())]
        tube = f"tube {row['tube']} of " if "tube" in row else ""
        raise OsarbenchError(f"{file}: {why}: {tube}{row['video']}, frame {row['frame']}. ({wrong.sum():,} such rows.)")
