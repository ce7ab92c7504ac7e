"""What a scores table says about its test videos, as arrays of class numbers and uncertainties."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.thresholds import RULES

if TYPE_CHECKING:  # metrics are listed without it
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Videos(NamedTuple):
    """Test videos, [N] each; known labels and all predictions are numbers 0..K-1, unknown labels 0..C-1."""

    labels: IntArray
    predicted: IntArray
    confidence: FloatArray
    uncertainty: FloatArray
    source: npt.NDArray[Any]
    label_rank: FloatArray  #: place of the label by probability, 1 first; NaN where the table does not say

    def take(self, rows: BoolArray) -> "Videos":
        """Return the videos for which ``rows`` is true."""
        labels, predicted, confidence, uncertainty, source, ranks = self
        return Videos(labels[rows], predicted[rows], confidence[rows], uncertainty[rows], source[rows], ranks[rows])


class Outcome(NamedTuple):
    """The test videos of a scores table, its class names in sorted order, and the threshold learnt from it."""

    known: Videos
    unknown: Videos
    known_names: list[str]  #: K: every class that a row that is not unknown has, or that any row predicts
    unknown_names: list[str]  #: C
    threshold: float | None  #: None if the table holds no videos to learn it from
    threshold_videos: int  #: how many it was learnt from
    quantile: float  #: the share of them that it accepts

    @property
    def correct(self) -> BoolArray:
        """Whether the predicted class of each known video is right, [N]."""
        return np.equal(self.known.labels, self.known.predicted)


def outcome(
    table: "pd.DataFrame", *, quantile: float, threshold_from: str, threshold_rule: str = "quantile"
) -> Outcome:
    """Return the outcome of a sound scores table, its threshold learnt from the rows of the role ``threshold_from``.

    ``threshold_rule`` is one of `osarbench.scores.metrics.thresholds.RULES`.
    """
    is_unknown = table["role"] == "unknown"
    known_names = sorted({*table.loc[~is_unknown, "label"].unique(), *table["predicted"].unique()})
    unknown_names = sorted(table.loc[is_unknown, "label"].unique())
    held_out = table.loc[table["role"] == threshold_from, "uncertainty"].to_numpy(np.float64)
    return Outcome(
        known=_videos(table[table["role"] == "known"], known_names, known_names),
        unknown=_videos(table[is_unknown], unknown_names, known_names),
        known_names=known_names,
        unknown_names=unknown_names,
        threshold=RULES[threshold_rule](held_out, quantile),
        threshold_videos=len(held_out),
        quantile=quantile,
    )


def _videos(rows: "pd.DataFrame", labels: list[str], predictions: list[str]) -> Videos:
    from osarbench.scores.table import LABEL_RANK

    return Videos(
        labels=_numbers(rows["label"], labels),
        predicted=_numbers(rows["predicted"], predictions),
        confidence=rows["confidence"].to_numpy(np.float64),
        uncertainty=rows["uncertainty"].to_numpy(np.float64),
        source=rows["source"].to_numpy(object),
        label_rank=rows[LABEL_RANK].to_numpy(np.float64) if LABEL_RANK in rows else np.full(len(rows), np.nan),
    )


def _numbers(names: "pd.Series[str]", order: list[str]) -> IntArray:
    import pandas as pd

    return pd.Categorical(names, categories=order).codes.astype(np.int64)
