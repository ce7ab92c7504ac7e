"""Names in figures: in a corner of the axes or at the ends of lines, and below the axes where they are many."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from osarbench.reports.formats import visible
from osarbench.reports.style import colour, line, series
from osarbench.scores.metrics.outcome import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Up to this many names fit into the axes of a panel; more are listed below it.
_INSIDE = 10
_LISTED = 2  # columns of names below the axes


def height_below(count: int) -> float:
    """Return the height in inches that a panel needs for a key of so many names below its axes; 0 if it is inside."""
    return 0.0 if count <= _INSIDE else 0.3 + 0.135 * math.ceil(count / _LISTED)


def key(axes: "Axes", names: Sequence[str | None], *, corner: str, title: str) -> None:
    """Write the names of the results in their colours into a corner, each after a piece of its line.

    Args:
        axes: with the lines of the results.
        names: by position of the result; None: it has no line.
        corner: "lower right" and so on, for names that are few enough.
        title: what the number after each name is.
    """
    shown = [(position, name) for position, name in enumerate(names) if name is not None]
    if len(names) > _INSIDE:
        _key_below(axes, shown, title)
        return
    size = 8.5 if len(shown) <= 8 else 6.5
    step = (size + 4) / 200  # of the height of the axes, which is some 200 points
    right, top = "right" in corner, "upper" in corner
    height = 0.96 if top else 0.05 + step * len(shown)
    # a curve that passes behind the names must not strike them through
    behind = {"facecolor": colour("card"), "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    style: dict[str, Any] = {"transform": axes.transAxes, "size": size, "va": "center", "bbox": behind}
    edge, side = (0.98, "right") if right else (0.03, "left")
    inner = edge - 0.08 if right else edge + 0.08
    axes.text(edge, height, title, ha=side, color=colour("muted"), **style)
    for row, (position, name) in enumerate(shown, start=1):
        level = height - step * row
        axes.text(inner, level, short(name, 46), ha=side, color=colour(series(position)), **style)
        ends = [edge - 0.06, edge] if right else [edge, edge + 0.06]
        axes.plot(ends, [level, level], transform=axes.transAxes, **line(position))


def _key_below(axes: "Axes", shown: Sequence[tuple[int, str]], title: str) -> None:
    """List the names of many results below the axes; a panel higher by `height_below` has room for them."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    assert isinstance(axes.figure, Figure)
    key = axes.figure.legend(
        [Line2D([], [], **line(position)) for position, _ in shown], [short(name, 34) for _, name in shown],
        loc="outside lower center", ncols=_LISTED, title=title, labelcolor="linecolor", fontsize=6.5,
        title_fontsize=6.5, handlelength=3, labelspacing=0.25, columnspacing=1.5,
    )  # fmt: skip
    key.get_title().set_color(colour("muted"))


def short(name: str, limit: int) -> str:
    """Return a name on one line, without its middle where it is too long for a figure.

    >>> short("TSM_EDLNoKLAvUCDebias_EDL", 12)
    'TSM_ED…s_EDL'
    """
    name = visible(name)
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[limit // 2 + 1 - limit :]}"


def emptier(curves: Sequence[tuple[FloatArray, FloatArray]], *corners: str) -> str:
    """Return the corner that fewer of the curves pass through; their first coordinate increases."""
    grid = np.linspace(0, 1, 101)

    def passing(corner: str) -> int:
        near = grid > 0.5 if "right" in corner else grid < 0.5
        heights = [np.interp(grid[near], *curve, left=np.nan, right=np.nan) for curve in curves]
        return sum(int(((values > 0.6) if "upper" in corner else (values < 0.4)).sum()) for values in heights)

    return min(corners, key=passing)


def ends(axes: "Axes", lines: Sequence[tuple[float, str, int]], *, of: int) -> None:
    """Write names at the ends of their lines, moved apart where they would overlap; of many results, below the axes.

    Args:
        axes: with the lines.
        lines: height of the end, name and position of each line.
        of: the number of results, with and without a line.
    """
    if of > _INSIDE:
        shown = [(position, f"{name}  {height:.2f}") for height, name, position in lines]
        _key_below(axes, shown, "all unknown classes, %")
        return
    low, high = axes.get_ylim()
    gap, last = (high - low) * 0.055, -np.inf
    for height, name, position in sorted(lines):
        last = max(height, last + gap)
        axes.annotate(short(name, 24), (1, last), (4, 0), xycoords=("axes fraction", "data"),
                      textcoords="offset points", va="center", color=colour(series(position)), size=8.5)  # fmt: skip
