"""What a published scores file says, before its classes have names: the common form of every format."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.errors import OsarbenchError
from osarbench.scores.metrics.closed import label_ranks

FloatArray = npt.NDArray[np.float64]
AnyArray = npt.NDArray[Any]
MOST_CLASSES = 2**31


class Part(NamedTuple):
    """The videos of one role, [N] each."""

    uncertainty: FloatArray
    confidence: FloatArray  #: NaN where the file has none
    predicted: AnyArray  #: class numbers (int64) or names (str)
    labels: AnyArray  #: likewise
    videos: AnyArray | None = None  #: names, if the file has them
    label_ranks: AnyArray | None = None  #: place of the label by probability, 1 first, if the file has probabilities


class Scores(NamedTuple):
    """One published scores file."""

    known: Part
    unknown: Part
    variant: str  #: which arrangement of keys it has
    choices: tuple[str, ...] = ()  #: what was chosen or assumed in reading it, a sentence each
    train: Part | None = None  #: training videos, to take a threshold from
    threshold: float | None = None  #: the one that the file states
    precision: str = "float64"  #: NumPy type that the file keeps uncertainties in; ties depend on it


def part(
    where: str,
    *,
    uncertainty: npt.ArrayLike,
    predicted: npt.ArrayLike,
    labels: npt.ArrayLike,
    confidence: npt.ArrayLike | None = None,
    videos: npt.ArrayLike | None = None,
    probabilities: AnyArray | None = None,
) -> Part:
    """Return the videos of one role, checked: one value a video, whole class numbers.

    Args:
        probabilities: of the known classes [N, K], if the file has them and the labels are numbers of these classes.

    Raises:
        OsarbenchError: there are no rows, lengths differ, a score is no number, or a class no whole number or name.
    """
    scored = _numbers(uncertainty, f"{where}: uncertainty")
    given = np.full(len(scored), np.nan) if confidence is None else _numbers(confidence, f"{where}: confidence")
    found = Part(
        uncertainty=scored,
        confidence=given,
        predicted=_classes(predicted, f"{where}: predictions"),
        labels=_classes(labels, f"{where}: labels"),
        videos=None if videos is None else np.asarray(videos).astype(str).reshape(-1),
    )
    lengths = {field: len(its) for field, its in found._asdict().items() if its is not None}
    if len(set(lengths.values())) > 1:
        stated = ", ".join(f"{count:,} {field}" for field, count in lengths.items())
        raise OsarbenchError(
            f"{where}: its columns have different lengths ({stated}). The file is damaged or mixed up."
        )
    if not len(scored):
        raise OsarbenchError(f"{where} has no rows.")
    if probabilities is None or found.labels.dtype.kind != "i":
        return found
    if found.labels.min() < 0 or found.labels.max() >= probabilities.shape[1]:
        return found
    return found._replace(label_ranks=label_ranks(probabilities, found.labels))


def _numbers(values: npt.ArrayLike, where: str) -> FloatArray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.ndim != 1:
        raise OsarbenchError(f"{where} is {array.dtype} of shape {list(array.shape)}; it must be one number a video.")
    return array.astype(np.float64)


def _classes(values: npt.ArrayLike, where: str) -> AnyArray:
    array = np.asarray(values)
    if array.dtype.kind not in "biufUS" or array.ndim != 1:
        raise OsarbenchError(
            f"{where} are {array.dtype} of shape {list(array.shape)}; they must be one class number or name a video."
        )
    if array.dtype.kind in "US":
        return array.astype(str)
    if array.dtype.kind == "f":
        wrong = array[~np.isfinite(array) | (array != np.rint(array)) | (np.abs(array) > MOST_CLASSES)]
        if wrong.size:
            raise OsarbenchError(f"{where} are not whole class numbers, for example {wrong[0]}.")
    numbers: AnyArray = array.astype(np.int64)
    return numbers
