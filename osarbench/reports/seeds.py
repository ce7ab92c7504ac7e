"""Results of several seeds, and of several draws of classes, as one table for a terminal."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from statistics import mean, stdev
from typing import Any, NamedTuple

import pandas as pd

from osarbench.reports.formats import visible
from osarbench.reports.text import SHOWN, columns
from osarbench.scores.statistics.align import Rule
from osarbench.scores.statistics.spread import Spread, of_headlines, over_seeds


class Cell(NamedTuple):
    """One training of one method: its numbers and its table."""

    method: str
    seed: int
    draw: int | None  #: of classes
    metrics: Mapping[str, Any]  #: what `osarbench.scores.metrics.evaluate` returned
    rows: pd.DataFrame


def rows(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells, in percent: for each method its mean, and what it varies with, a row each."""
    methods: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        methods[cell.method].append(cell)
    lines = []
    for method, its in methods.items():
        found = _over_draws(its) if len({cell.draw for cell in its}) > 1 else _over_seeds(its)
        lines += [[visible(method) if not place else "", *line] for place, line in enumerate(found)]
    return ["", "", *(metric.title for metric in columns())], lines


def legend(cells: Sequence[Cell]) -> list[str]:
    """Return lines that say what the rows of `rows` are."""
    lines = []
    if len({cell.seed for cell in cells}) > 1:
        lines.append("± over seeds: standard deviation between trainings, on the same videos.")
    if len({cell.draw for cell in cells}) > 1:
        lines.append("± over draws: standard deviation between draws of the known classes; draws share videos.")
    else:
        lines.append("95 % over videos: of the mean of these trainings, if other videos of these classes were tested.")
    return lines


def _over_seeds(cells: Sequence[Cell]) -> Iterator[list[str]]:
    settings = cells[0].metrics["settings"]
    rule = Rule(settings["quantile"], settings["threshold_from"], settings["threshold_rule"])
    blocks = [cell.metrics["headline"] for cell in cells]
    found = over_seeds([cell.rows for cell in cells], blocks, SHOWN, rule)
    yield [f"mean of {len(cells)} seeds", *(_percent(found, name, "mean") for name in SHOWN)]
    yield ["± over seeds", *(_percent(found, name, "std") for name in SHOWN)]
    yield ["95 % over videos", *(_interval(found.get(name)) for name in SHOWN)]


def _over_draws(cells: Sequence[Cell]) -> Iterator[list[str]]:
    by_draw: dict[int | None, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_draw[cell.draw].append(cell)
    of_draws = [of_headlines([cell.metrics["headline"] for cell in its], SHOWN) for its in by_draw.values()]
    means, between, within = over_draws(of_draws, SHOWN)
    yield [f"mean of {len(by_draw)} draws", *map(_shown, means)]
    yield ["± over draws", *map(_shown, between)]
    if any(len(its) > 1 for its in by_draw.values()):
        yield ["± over seeds", *map(_shown, within)]
    for number, found in zip(by_draw, of_draws, strict=True):
        yield [f"draw {number}", *(_percent(found, name, "mean") for name in SHOWN)]


def over_draws(
    draws: Sequence[Mapping[str, Spread]], metrics: Sequence[str]
) -> tuple[list[float | None], list[float | None], list[float | None]]:
    """Return of each metric the mean over draws, the spread between draws, and the pooled spread of seeds within them.

    Args:
        draws: the metrics of each draw over its seeds.
        metrics: names.
    """
    means, between, within = list[float | None](), list[float | None](), list[float | None]()
    for name in metrics:
        its = [found[name] for found in draws if name in found]
        whole = len(its) == len(draws)
        means.append(mean(one.mean for one in its) if whole else None)
        between.append(stdev(one.mean for one in its) if whole and len(its) > 1 else None)
        freedom = sum(len(one.seeds) - 1 for one in its)
        squares = sum((len(one.seeds) - 1) * one.std**2 for one in its if one.std is not None)
        within.append(sqrt(squares / freedom) if whole and freedom else None)
    return means, between, within


def _percent(found: Mapping[str, Spread], name: str, what: str) -> str:
    return _shown(getattr(found[name], what)) if name in found else "-"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _interval(its: Spread | None) -> str:
    if its is None or its.videos is None:
        return "-"
    return f"{100 * its.videos.low:.1f} to {100 * its.videos.high:.1f}"
