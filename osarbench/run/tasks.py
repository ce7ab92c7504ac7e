"""The tasks that a protocol may name: what a target is, and how decisions become rows of the scores table."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from osarbench.interfaces.task import Decisions, Task
from osarbench.scores.metrics.closed import label_ranks


class Classification(Task):
    """Which action a whole video shows: one label, one row."""

    name = "classification"
    key = ("source", "video")
    metrics = ("closed_accuracy", "auroc", "aupr_unknown", "fpr95_unknown_first", "oscr", "known_accepted")

    def targets(self, index: pd.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the class number of each index row, int64 [N]."""
        number = {name: position for position, name in enumerate(classes)}
        return np.array([number[label] for label in index["label"]], dtype=np.int64)

    def table(self, index: pd.DataFrame, decisions: Decisions, classes: Sequence[str]) -> pd.DataFrame:
        """Return the scores table of N index rows, with the rank of the label of known videos."""
        probabilities = decisions.probabilities  # [N, K]
        known = (index["role"] != "unknown").to_numpy()
        ranks = np.full(len(index), np.nan)
        ranks[known] = label_ranks(probabilities[known], self.targets(index[known], classes))
        return pd.DataFrame(
            {
                **{column: index[column].to_numpy() for column in ("video", "role", "source", "label")},
                "predicted": [classes[best] for best in probabilities.argmax(axis=1)],
                "confidence": probabilities.max(axis=1),
                "uncertainty": decisions.uncertainty,
                "group": index["group"].to_numpy(),
                "label_rank": ranks,
            }
        )


TASKS: Mapping[str, Task] = {task.name: task for task in (Classification(),)}
