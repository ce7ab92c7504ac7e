"""The task interface: what a target is, how outputs become rows of the scores table, and what is counted."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


class Decisions(NamedTuple):
    """What a method says of N rows, in float64."""

    probabilities: npt.NDArray[np.float64]  #: [N, K]
    uncertainty: npt.NDArray[np.float64]  #: [N]


class Task(ABC):
    """One kind of question asked of a video: classification, or (to come) actors in boxes.

    An *index* has one row a sample, with the columns `key`, ``role`` and ``label`` at least.
    """

    name: ClassVar[str]
    key: ClassVar[tuple[str, ...]]  #: columns that name a row of the scores table
    metrics: ClassVar[tuple[str, ...]]  #: names of the headline metrics, in the order in which they are shown

    @abstractmethod
    def targets(self, index: "pd.DataFrame", classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return what a network is trained to say of N index rows, int64 [N] (or [N, K] where labels are several)."""

    @abstractmethod
    def table(self, index: "pd.DataFrame", decisions: Decisions, classes: Sequence[str]) -> "pd.DataFrame":
        """Return the scores table of N index rows."""
