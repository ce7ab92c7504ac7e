"""Boxes in AVA's form, strictly read: ``video,second,x1,y1,x2,y2,class``, then a person or scores; a row a label.

Source of the form: AVA (Gu et al., CVPR 2018, arXiv:1705.08421), its csv files and label map.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores.detection.boxes import COLUMNS

FRAME = ["video", "second"]
BOX = [*FRAME, *COLUMNS]
#: How far a coordinate may be outside of the frame: detectors round, and boxes are shifted back from crops.
MARGIN = 0.05
#: From here on, coordinates are pixels.
PIXELS = 2.0
_ITEM = re.compile(r"(?:item|label)\s*\{(.*?)\}", re.DOTALL)
_FIELD = re.compile(r"(\w+)\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'|(\w+))")


def read_truth(file: Path) -> pd.DataFrame:
    """Return the labelled boxes of a csv file: `BOX`, ``class`` (int) and ``person``; a person may have several rows.

    Where the file names no persons, equal boxes of a frame are one.

    Raises:
        OsarbenchError: the file is not there or not of this form, or a box or label is none.
    """
    rows = _read(file, ["class", "person"], needed=1)
    if "person" not in rows:
        rows["person"] = rows.groupby(BOX, sort=False).ngroup()
    return rows.drop_duplicates([*FRAME, "person", "class"], ignore_index=True)


def read_detections(file: Path) -> pd.DataFrame:
    """Return the scored boxes of a csv file: `BOX`, ``class`` (int), ``score``, and ``unknown_score`` if it is there.

    Raises:
        OsarbenchError: likewise, or a score is no number, or one box has two unknown scores.
    """
    rows = _read(file, ["class", "score", "unknown_score"], needed=2)
    for column in ("score", "unknown_score"):
        if column in rows:
            rows[column] = _numbers(file, rows, column)
    if "unknown_score" in rows:
        several = rows.groupby(BOX, sort=False)["unknown_score"].transform("nunique") > 1
        if several.any():
            row = int(several.to_numpy().argmax())
            raise OsarbenchError(
                f"{file}: a box of {rows['video'][row]} at {rows['second'][row]} has several unknown scores. A box has "
                "one, the same in the rows of all its classes."
            )
    return rows


def read_exclusions(file: Path) -> set[tuple[str, int]]:
    """Return the frames that are left out, from a csv file ``video,second``.

    Raises:
        OsarbenchError: the file is not there, or a row is no frame.
    """
    rows = _open(file)
    if rows.shape[1] < 2:
        raise OsarbenchError(f"{file} names no frames: a row is video,second.")
    return set(zip(rows[0], _seconds(file, rows[1]), strict=True))


def read_label_map(file: Path) -> dict[int, str]:
    """Return class number -> name, of AVA's label map: ``item { name: "sit" id: 11 }``, or ``label`` and ``label_id``.

    Raises:
        OsarbenchError: the file is not there, has no item, one number twice, or the number 0.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OsarbenchError(f"The label map {file} cannot be read: {error}.") from error
    found: dict[int, str] = {}
    for item in _ITEM.findall(text):
        fields = {key: quoted or single or plain for key, quoted, single, plain in _FIELD.findall(item)}
        number = fields.get("id", fields.get("label_id", ""))
        if not number.isdecimal() or "name" not in fields:
            raise OsarbenchError(f"{file}: an item has no name or no id: {' '.join(item.split())[:80]}")
        if int(number) in found or int(number) < 1:
            what = "is there twice" if int(number) else "is no class: numbers start at 1"
            raise OsarbenchError(f"{file}: the number {number} ({fields['name']}) {what}.")
        found[int(number)] = fields["name"]
    if not found:
        raise OsarbenchError(f'{file} has no class. A label map has items such as: item {{ name: "sit" id: 11 }}')
    return found


def without(rows: pd.DataFrame, frames: Collection[tuple[str, int]], classes: Collection[int] | None) -> pd.DataFrame:
    """Return the rows of other frames and, unless ``classes`` is None, of these classes."""
    keep = pd.Series(True, rows.index)
    if frames:
        keep &= ~pd.MultiIndex.from_frame(rows[FRAME]).isin(list(frames))
    if classes is not None:
        keep &= rows["class"].isin(list(classes))
    return rows[keep].reset_index(drop=True)


def check_classes(rows: pd.DataFrame, labels: Mapping[int, str], file: Path) -> None:
    """Raise an `OsarbenchError` if no row is of a class of the label map: the map is of another data set."""
    if len(rows) and not rows["class"].isin(list(labels)).any():
        raise OsarbenchError(
            f"{file} has the classes {', '.join(map(str, sorted(rows['class'].unique())[:5]))} ..., and the label map "
            "none of them. Name the label map that the file was made with."
        )


def _read(file: Path, columns: list[str], *, needed: int) -> pd.DataFrame:
    rows = _open(file)
    least, most = len(BOX) + needed, len(BOX) + len(columns)
    if not least <= rows.shape[1] <= most:
        raise OsarbenchError(
            f"{file} has {rows.shape[1]} columns; a row is {','.join([*BOX, *columns])}, the last "
            f"{most - least} of which may be left out."
        )
    rows.columns = pd.Index([*BOX, *columns][: rows.shape[1]])
    rows["second"] = _seconds(file, rows["second"])
    for column in COLUMNS:
        rows[column] = _numbers(file, rows, column)
    number = pd.to_numeric(rows["class"], errors="coerce")
    _refuse(file, rows, (number % 1 != 0) | number.isna(), "is no class number", "class")
    rows["class"] = number.astype(np.int64)
    _refuse(file, rows, rows["class"] < 1, "is no class: numbers start at 1, so 0-based ones must be shifted", "class")
    _check_boxes(file, rows)
    return rows


def _open(file: Path) -> pd.DataFrame:
    """Return the fields of a csv file as text, without its header if it has one."""
    try:
        rows = pd.read_csv(file, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError as error:
        raise OsarbenchError(f"{file} has no rows.") from error
    except (OSError, ValueError) as error:  # ParserError and UnicodeDecodeError are ValueErrors
        raise OsarbenchError(f"{file} cannot be read as CSV: {str(error)[:300]}.") from error
    first = [str(field).strip().lower() for field in rows.iloc[0]]
    if first[0] in ("video", "video_id"):
        rows = rows.iloc[1:].reset_index(drop=True)
    return rows


def _seconds(file: Path, given: pd.Series) -> pd.Series:
    seconds = pd.to_numeric(given, errors="coerce")
    wrong = seconds.isna() | (seconds % 1 != 0)
    if wrong.any():
        raise OsarbenchError(
            f"{file}, row {int(wrong.to_numpy().argmax()) + 1}: '{given[wrong].iloc[0]}' is no second of a keyframe."
        )
    return seconds.astype(np.int64)


def _numbers(file: Path, rows: pd.DataFrame, column: str) -> pd.Series:
    numbers = pd.to_numeric(rows[column], errors="coerce").astype(np.float64)
    _refuse(file, rows, pd.Series(~np.isfinite(numbers.to_numpy())), "is no number", column)
    return numbers


def _check_boxes(file: Path, rows: pd.DataFrame) -> None:
    boxes = rows[COLUMNS].to_numpy(np.float64)
    reach = pd.Series(np.abs(boxes).max(axis=1, initial=0.0))
    _refuse(
        file, rows, reach > PIXELS, "is in pixels. Divide by width and height: boxes are in shares, 0 to 1", COLUMNS
    )
    outside = pd.Series(((boxes < -MARGIN) | (boxes > 1 + MARGIN)).any(axis=1))
    _refuse(file, rows, outside, "is outside of the frame, which is from 0 to 1", COLUMNS)
    flat = pd.Series((boxes[:, 2:] == boxes[:, :2]).any(axis=1))
    _refuse(file, rows, flat, "has no area", COLUMNS)
    swapped = pd.Series((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    _refuse(file, rows, swapped, "has its corners swapped, or is x,y,width,height; wanted are x1,y1,x2,y2", COLUMNS)


def _refuse(file: Path, rows: pd.DataFrame, wrong: pd.Series, why: str, column: str | list[str]) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        where = f"{rows['video'][row]} at {rows['second'][row]}"
        value = rows[column].iloc[row]
        shown = (
            f"the {column} '{value}'"
            if isinstance(column, str)
            else f"the box {', '.join(str(side) for side in value)}"
        )
        raise OsarbenchError(f"{file}, row {row + 1} ({where}): {shown} {why}. ({int(wrong.sum()):,} such rows.)")
