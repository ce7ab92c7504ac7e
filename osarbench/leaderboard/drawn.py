"""The board of a protocol with draws of classes: means over draws, in order and without ranks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from osarbench.leaderboard import markdown
from osarbench.leaderboard.rows import Row
from osarbench.reports import text as terminal
from osarbench.reports.seeds import over_draws
from osarbench.scores.statistics.spread import of_headlines


def board(rows: Sequence[Row], names: Sequence[str], count: int) -> list[str]:
    """Return the table, and what a reader must know with it.

    Args:
        rows: in order.
        names: of their methods, as they are shown.
        count: how many draws the protocol has.
    """
    lines = []
    for row, name in zip(rows, names, strict=True):
        by_draw: dict[int | None, list[Mapping[str, Any]]] = defaultdict(list)
        for entry, block in zip(row.members, row.blocks, strict=True):
            by_draw[entry.draw].append(block)
        of_draws = [of_headlines(blocks, terminal.SHOWN) for blocks in by_draw.values()]
        found = over_draws(of_draws, terminal.SHOWN)
        seeds = sorted({len(blocks) for blocks in by_draw.values()})
        missing = count - len(by_draw)
        lines.append([name, row.tier, f"{len(by_draw)}{' ‡' * bool(missing)}",
                      " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))), *map(_over, *found)])  # fmt: skip
    titles = [metric.title for metric in terminal.columns()]
    remarks = [
        f"Mean ± standard deviation over the {count} draws of classes, each the mean of its seeds; where a draw has "
        "several, the spread of seeds within draws follows in brackets. Rows are in the order of AUROC and not ranked: "
        "draws share videos and classes, so that their differences are no independent repetitions.",
    ]
    if any("‡" in line[2] for line in lines):
        remarks.append(f"‡ Not of all {count} draws: which classes are left out moves a number, so do not compare it.")
    return [markdown.table(lines, ["method", "evidence", "draws", "seeds", *titles]), *remarks]


def _over(mean_of: float | None, draws: float | None, seeds: float | None) -> str:
    if mean_of is None:
        return "-"
    spread = "" if draws is None else f" ± {100 * draws:.2f}"
    return f"{100 * mean_of:.2f}{spread}" + ("" if seeds is None else f" ({100 * seeds:.2f})")
