"""A plan with its costs, for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from osarbench.run.costs import Cost, Costs


def plan_text(costs: "Costs") -> str:
    """Return a table of the steps, sums, and what the estimates rest on."""
    from tabulate import tabulate

    from osarbench.console import duration

    rows = [
        (cost.name, "reused" if cost.state == "fresh" else cost.state, cost.work or "; ".join(cost.different[:3]),
         duration(cost.seconds) if cost.seconds is not None else "", _size(cost.disk) if cost.disk else "")
        for cost in costs.steps
    ]  # fmt: skip
    table = tabulate(
        rows, headers=["step", "state", "work", "time", "disk"], colalign=("left", "left", "left", "right", "right")
    )
    if all(cost.state == "fresh" for cost in costs.steps):
        return f"{table}\n\nEverything is there: a run would take seconds."
    lines = [
        f"time    about {duration(costs.seconds)}",
        f"disk    about {_size(costs.disk)}; {_size(costs.free)} are free",
        f"memory  about {_size(costs.memory)}",
    ]
    if costs.disk > costs.free:
        lines.append("That does not fit: free some space, or take another disk with --cache DIR or --runs DIR.")
    if any(_is_stale(cost) for cost in costs.steps):
        lines.append("What is stale is refused unless --redo says to make it anew.")
    return "\n".join([table, "", *lines, "", *costs.measured])


def _is_stale(cost: "Cost") -> bool:
    return cost.state == "stale"


def _size(size: float) -> str:
    """Return bytes for people.

    >>> _size(2e5), _size(1.23e7), _size(4.56e10)
    ('0.2 MB', '12 MB', '45.6 GB')
    """
    if size < 1e7:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e6:,.0f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
