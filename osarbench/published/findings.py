"""What a check of a scores file reports."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


class Finding(NamedTuple):
    """One thing that is wrong with a scores file."""

    kind: str  #: a word or two, the same for the same defect
    severity: Severity  #: "error": numbers are wrong; "warning": some are off or mean little; "note": good to know
    text: str  #: one sentence
    rows: int  #: how many rows it concerns
    effect: str  #: what it does to the numbers
