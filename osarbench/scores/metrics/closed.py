"""Closed-set metrics of the known test videos, and the confusion matrix with its unknown row and column.

Labels and predictions are integers 0..K-1. None where there is nothing to count.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.metric import Metric

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Tested

IntArray = npt.NDArray[np.int64]


def accuracy(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float | None:
    """Return the share of known videos whose predicted class is right, none rejected (closed top-1).

    >>> accuracy([0, 1, 1, 2], [0, 1, 0, 2])
    0.75
    """
    right = np.asarray(labels) == np.asarray(predicted)
    return float(right.mean()) if right.size else None


def top_k_accuracy(probabilities: npt.ArrayLike, labels: npt.ArrayLike, k: int = 5) -> float | None:
    """Return the share of videos whose label is among the k classes of highest probability [N, K].

    None where there are fewer than k classes.

    >>> top_k_accuracy([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], [1, 2], k=2)
    0.5
    """
    probabilities = np.asarray(probabilities)
    return top_k_of_ranks(label_ranks(probabilities, labels), classes=probabilities.shape[1], k=k)


def label_ranks(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> IntArray:
    """Return the rank of each video's label [N] among its classes by probability [N, K], the most probable at 1.

    Equal probabilities go to the lower class number, so that the argmax has rank 1.

    >>> label_ranks([[0.5, 0.3, 0.2], [0.4, 0.2, 0.4]], [1, 2]).tolist()
    [2, 2]
    """
    probabilities, labels = np.asarray(probabilities), np.asarray(labels, np.int64)[:, None]
    own = np.take_along_axis(probabilities, labels, axis=1)  # [N, 1]
    before = (probabilities == own) & (np.arange(probabilities.shape[1]) < labels)
    ranks: IntArray = 1 + ((probabilities > own) | before).sum(axis=1)
    return ranks


def top_k_of_ranks(ranks: npt.ArrayLike, *, classes: int, k: int = 5) -> float | None:
    """Return the share of videos whose label is among the first k classes, from their `label_ranks` [N].

    None where there are fewer than k classes or a rank is NaN.

    >>> top_k_of_ranks([1, 2, 7, 1], classes=101)
    0.75
    """
    ranks = np.asarray(ranks, np.float64)
    if not ranks.size or classes < k or np.isnan(ranks).any():
        return None
    return float((ranks <= k).mean())


def class_recalls(labels: npt.ArrayLike, right: npt.ArrayLike, classes: int) -> npt.NDArray[np.float64]:
    """Return the share of ``right`` among the videos of each class, [K]; NaN for a class without videos.

    >>> class_recalls([0, 1, 1], [True, True, False], classes=3).tolist()
    [1.0, 0.5, nan]
    """
    labels = np.asarray(labels, np.int64)
    support = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels, weights=np.asarray(right, np.float64), minlength=classes)
    recalls: npt.NDArray[np.float64] = np.divide(hits, support, out=np.full(classes, np.nan), where=support > 0)
    return recalls


def mean_class_accuracy(labels: npt.ArrayLike, predicted: npt.ArrayLike) -> float | None:
    """Return the mean over the classes that have videos of the share classified rightly (balanced over classes).

    Source: MMAction2 ``mean_class_accuracy``, which counts a class without videos as 0; here it is left out.

    >>> mean_class_accuracy([0, 1, 1, 2], [0, 1, 0, 2])
    0.8333333333333334
    """
    labels, predicted = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    if not labels.size:
        return None
    recalls = class_recalls(labels, labels == predicted, int(labels.max()) + 1)
    return float(np.nanmean(recalls))


def confusion_matrix(
    *,
    known_labels: npt.ArrayLike,
    known_predicted: npt.ArrayLike,
    unknown_predicted: npt.ArrayLike,
    classes: int,
) -> IntArray:
    """Return counts [K + 1, K + 1]: row = true class, column = decision; the last row and column are "unknown".

    A prediction of K is a rejection.

    >>> confusion_matrix(known_labels=[0, 1], known_predicted=[0, 2], unknown_predicted=[2, 1], classes=2).tolist()
    [[1, 0, 0], [0, 0, 1], [0, 1, 1]]
    """
    unknown_predicted = np.asarray(unknown_predicted, np.int64)
    rows = np.concatenate([np.asarray(known_labels, np.int64), np.full(len(unknown_predicted), classes)])
    columns = np.concatenate([np.asarray(known_predicted, np.int64), unknown_predicted])
    side = classes + 1
    return np.bincount(rows * side + columns, minlength=side * side).reshape(side, side)


def _recalls(tested: "Tested") -> dict[str, npt.NDArray[np.float64]]:
    return {"known": class_recalls(tested.known.labels, tested.correct, len(tested.outcome.known_names))}


METRICS = (
    Metric(
        name="closed_accuracy",
        label="closed accuracy",
        convention="known videos with the right class, none rejected (top-1)",
        of=lambda sample: sample.known_share(sample.correct),
        by_class=_recalls,
        resampled=True,
        side="known",
        compared=5,
    ),
    Metric(
        name="closed_top5",
        label="closed top-5",
        convention="known videos with the right class among the first five; null without label_rank or five classes",
        of=lambda tested: top_k_of_ranks(tested.known.label_rank, classes=len(tested.outcome.known_names)),
        side="known",
    ),
    Metric(
        name="closed_mean_class_accuracy",
        label="closed mean class accuracy",
        convention="mean over classes with test videos of the closed accuracy",
        of=lambda tested: mean_class_accuracy(tested.known.labels, tested.known.predicted),
        side="known",
    ),
)
