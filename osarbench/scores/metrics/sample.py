"""Test videos as metrics see them: what several metrics need is computed once."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from osarbench.scores.metrics.outcome import BoolArray, FloatArray, Outcome, Videos
from osarbench.scores.metrics.ranking import Ranking, doubled_wins, rank

T = TypeVar("T")
#: One number, or one for each of B weightings.
Number = Any


class Sample(ABC):
    """N known and M unknown test videos, each weighing 1, or under B weightings at once.

    A metric that uses nothing else of a sample than what is here can be resampled: its numbers are then [B].
    """

    @property
    @abstractmethod
    def ranking(self) -> Ranking:
        """The weights rejected at each distinct uncertainty, [G + 1] or [B, G + 1]."""

    @property
    @abstractmethod
    def totals(self) -> tuple[Number, Number]:
        """The weights of all known and of all unknown videos."""

    @abstractmethod
    def wins(self, *, correct: bool = False) -> Number:
        """Return twice the weight of pairs in which an unknown video is more uncertain than a known one (ties half).

        Args:
            correct: of the known videos, only those whose predicted class is right.
        """

    @abstractmethod
    def known_share(self, flags: BoolArray) -> Number:
        """Return the share of the known videos for which ``flags`` [N] is true."""

    @abstractmethod
    def unknown_share(self, flags: BoolArray) -> Number:
        """Return the share of the unknown videos for which ``flags`` [M] is true."""

    @abstractmethod
    def has(self, side: Literal["known", "unknown"]) -> bool:
        """Whether there are videos of a side."""

    @property
    @abstractmethod
    def has_threshold(self) -> bool:
        """Whether there is a threshold."""

    @property
    @abstractmethod
    def correct(self) -> BoolArray:
        """Whether the predicted class of each known video is right, [N]."""

    @property
    @abstractmethod
    def rejected_correct(self) -> Number:
        """The weight of rightly named known videos rejected at each distinct uncertainty, [G + 1] or [B, G + 1]."""

    @property
    @abstractmethod
    def known_accepted(self) -> BoolArray:
        """Whether each known video is at or below the threshold, [N]."""

    @property
    @abstractmethod
    def unknown_rejected(self) -> BoolArray:
        """Whether each unknown video is above the threshold, [M]."""


@dataclass(frozen=True)
class Tested(Sample):
    """The videos of an evaluation, each weighing 1, with all that their scores table says of them."""

    outcome: Outcome  #: the whole table: names of classes, threshold
    known: Videos
    unknown: Videos
    draws: int = 10  #: of unknown classes, for the band of the openness curve
    seed: int = 0  #: of these draws
    _shared: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)

    def shared(self, make: "Callable[[Tested], T]") -> T:
        """Return ``make(self)``, computed once: for what several metrics of a module need."""
        if make not in self._shared:
            self._shared[make] = make(self)
        found: T = self._shared[make]
        return found

    @cached_property
    def ranking(self) -> Ranking:
        """One sort, which serves every metric of the order of uncertainties."""
        return rank(known=self.known.uncertainty, unknown=self.unknown.uncertainty, correct=self.correct)

    @property
    def totals(self) -> tuple[int, int]:
        """How many known and unknown videos there are."""
        return len(self.known.labels), len(self.unknown.labels)

    def wins(self, *, correct: bool = False) -> Number:
        """Count the pairs in integers."""
        return doubled_wins(self.ranking.unknown, self.ranking.correct if correct else self.ranking.known)

    def known_share(self, flags: npt.NDArray[np.bool_]) -> float:
        """Return the mean of the flags."""
        return float(flags.mean())

    def unknown_share(self, flags: npt.NDArray[np.bool_]) -> float:
        """Return the mean of the flags."""
        return float(flags.mean())

    def has(self, side: Literal["known", "unknown"]) -> bool:
        """Whether there are videos of a side."""
        return len((self.known if side == "known" else self.unknown).labels) > 0

    @property
    def has_threshold(self) -> bool:
        """Whether the table holds videos to learn a threshold from."""
        return self.outcome.threshold is not None

    @cached_property
    def correct(self) -> BoolArray:
        """Whether the predicted class of each known video is right, [N]."""
        return np.equal(self.known.labels, self.known.predicted)

    @property
    def rejected_correct(self) -> Number:
        """The count of rightly named known videos rejected at each distinct uncertainty, [G + 1]."""
        return self.ranking.correct

    @property
    def threshold(self) -> float:
        """The threshold.

        Raises:
            ValueError: there is none.
        """
        if self.outcome.threshold is None:
            raise ValueError("the table has no threshold")
        return self.outcome.threshold

    @property
    def known_accepted(self) -> BoolArray:
        """Whether each known video is at or below the threshold, [N]."""
        return self.known.uncertainty <= self.threshold

    @property
    def unknown_rejected(self) -> BoolArray:
        """Whether each unknown video is above the threshold, [M]."""
        return self.unknown.uncertainty > self.threshold


__all__ = ["FloatArray", "Number", "Sample", "Tested"]
