"""Predictions that MMAction2 1.x dumps (``tools/test.py --dump``): a list of one dictionary a video, as JSON.

The dump itself is a pickle. Reading a pickle runs what is in it, so it is refused with a command that converts it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.published.scores import Part, Scores, part

#: 1.1 and later; 1.0 kept a dictionary with "item" under the plural.
MAX_BYTES = 2**30
SCORE, LABEL = ("pred_score", "pred_scores"), ("gt_label", "gt_labels")


def read(known: Path, unknown: Path) -> Scores:
    """Return the predictions in two JSON files, of known and of unknown videos; the uncertainty is 1 - the largest.

    Raises:
        OsarbenchError: a file is no such list, a score is no vector of probabilities, or the numbers of classes differ.
    """
    (known_part, classes), (unknown_part, others) = (_predictions(path) for path in (known, unknown))
    if classes != others:
        raise OsarbenchError(
            f"{known} has {classes} scores a video and {unknown} has {others}: they are not of one network."
        )
    choices = (
        "uncertainty is 1 - the largest score, and the prediction is the class that has it",
        f"{known.name} is taken for the known videos, {unknown.name} for the unknown ones",
    )
    return Scores(known_part, unknown_part, "MMAction2 predictions", choices)


def _predictions(path: Path) -> tuple[Part, int]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise OsarbenchError(f"{path} has {size:,} bytes, and no more than {MAX_BYTES:,} are read.")
    try:
        items: Any = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise OsarbenchError(f"{path} is nested too deeply for a list of scores. Convert it again.") from error
    except ValueError as error:  # as UnicodeDecodeError is, and what numbers of more than 4,300 digits raise
        raise OsarbenchError(f"{path} is cut short or no JSON: {error}. Convert it again.") from error
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise OsarbenchError(f"{path} must be a list of one dictionary a video, each with pred_score and gt_label.")
    scores = _matrix(path, [_value(path, item, SCORE) for item in items])  # [N, K]
    labels = [_label(_value(path, item, LABEL)) for item in items]
    if any(label is None for label in labels):
        raise OsarbenchError(f"{path}: gt_label must be one class number; videos with several labels are not open set.")
    names = [item.get("filename") for item in items]
    largest = scores.max(axis=1)
    read_part = part(
        str(path),
        uncertainty=1 - largest,
        confidence=largest,
        predicted=scores.argmax(axis=1),
        probabilities=scores,
        labels=np.array(labels),
        videos=names if all(isinstance(name, str) for name in names) else None,
    )
    return read_part, scores.shape[1]


def _label(value: Any) -> Any:
    """Return the one class number in a value, None if it is none or several."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int | float) else None


def _value(path: Path, item: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if name in item:
            found = item[name]
            return found["item"] if isinstance(found, dict) and "item" in found else found
    raise OsarbenchError(
        f"{path}: a video has no {names[0]}.{did_you_mean(names[0], item)} It has: {', '.join(item) or 'nothing'}."
    )


def _matrix(path: Path, rows: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        scores = np.array(rows, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise OsarbenchError(f"{path}: the videos' scores are not number lists of one length ({error}).") from error
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise OsarbenchError(
            f"{path}: the scores of a video have the shape {list(scores.shape[1:])}; one a class is needed. Test with "
            "average_clips='prob' in the model's cls_head."
        )
    if (scores < -1e-6).any() or np.abs(scores.sum(axis=1) - 1).max() > 1e-2:
        raise OsarbenchError(
            f"{path}: the scores of a video do not sum to 1, so they are no probabilities. Test with "
            "average_clips='prob' in the model's cls_head."
        )
    return scores
