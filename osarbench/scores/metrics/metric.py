"""What a metric is: one record, from which evaluations, tables, pages, boards, comparisons and lists are rendered.

A module of this folder exposes its records as ``METRICS``; `osarbench.scores.metrics.registry` finds them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Sample, Tested

Direction = Literal["higher", "lower", "none"]
Side = Literal["known", "unknown", "both"]
#: Where a number is shown: ``videos``, in every block of known against unknown videos; ``thresholded``, once, of all
#: test videos; ``calibration``; ``per_class``; ``note``: a convention that goes with several numbers.
Block = Literal["videos", "thresholded", "calibration", "per_class", "note"]

_ARROWS = {"higher": "↑", "lower": "↓", "none": ""}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric: its names, its convention, and the one function that computes it, resampled or not."""

    name: str  #: the key in ``metrics.json`` and on command lines
    label: str  #: what people call it
    convention: str  #: one line that says what exactly is computed; printed with the numbers
    direction: Direction = "higher"  #: which way is better; "none": neither is
    block: Block = "videos"
    #: Returns the number of a sample, [] or [B] under B weightings, or None where it is undefined. It is called only
    #: where there are videos of its `side`, and a threshold if it needs one. None: there is no such single number.
    of: "Callable[[Any], Any] | None" = None
    #: Returns the number of each known and unknown class, by "known" and "unknown".
    by_class: "Callable[[Tested], Mapping[str, Any]] | None" = None
    resampled: bool = False  #: ``of`` takes weighted videos too (any `Sample`, not only `Tested`)
    needs_threshold: bool = False
    side: Side = "both"  #: whose videos it looks at
    compared: int = 0  #: its position among the metrics that are compared by default; 0: it is not

    @property
    def arrow(self) -> str:
        """Which way is better, as an arrow; empty if neither is."""
        return _ARROWS[self.direction]

    @property
    def title(self) -> str:
        """The label with its arrow, as a column is headed.

        >>> Metric(name="fpr95", label="FPR95", convention="...", direction="lower").title
        'FPR95 ↓'
        """
        return f"{self.label} {self.arrow}".rstrip()

    @property
    def sign(self) -> int:
        """1 if higher is better, -1 if lower is, 0 if neither is."""
        return {"higher": 1, "lower": -1, "none": 0}[self.direction]

    def number(self, sample: "Sample") -> Any:
        """Return the number of a sample, None where it is undefined."""
        lacking = (self.side != "unknown" and not sample.has("known")) or (
            self.side != "known" and not sample.has("unknown")
        )
        if self.of is None or lacking or (self.needs_threshold and not sample.has_threshold):
            return None
        return self.of(sample)
