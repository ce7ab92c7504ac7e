"""Rows of a board: a method with its seeds, and which of them can be ranked among each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from osarbench.leaderboard import entries
from osarbench.leaderboard.markdown import escape


class Row(NamedTuple):
    """The entries of one method on one backbone: its seeds."""

    method: str
    tier: entries.Tier
    blocks: list[Mapping[str, Any]]  #: the headline numbers of each seed
    members: list[entries.Entry]
    groups: Mapping[str, str] | None  #: of clips by video, where all its tables know them

    @property
    def name(self) -> str:
        """What tells the row from others of the backbone."""
        return self.method if self.tier == "run" else f"{self.method} ({self.tier})"


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that can be ranked among each other: of as many seeds as most rows have, the more if in doubt."""
    counts = Counter(len(row.members) for row in rows)
    usual = max(counts, key=lambda count: (counts[count], count), default=0)
    return [row for row in rows if len(row.members) == usual]


def unranked(rows: Sequence[Row], among: Sequence[Row]) -> list[str]:
    """Return a sentence about rows of other numbers of seeds than those that are ranked."""
    others = [row for row in rows if row.tier == "run" and row not in among]
    if not others:
        return []
    told = ", ".join(f"{escape(row.method)} ({len(row.members)})" for row in others)
    seeds = ",".join(str(entry.seed) for entry in among[0].members)
    return [
        f"‡ Not ranked, for the ranked rows have {len(among[0].members)} seeds and these have not: {told}. A mean of "
        f"more seeds is the surer number, and one seed may be a lucky one. Run the same seeds (`--seeds {seeds}`) to "
        "have them ranked."
    ]
