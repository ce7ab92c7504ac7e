"""A number over several trainings, what it owes to their seeds and what to the videos it was measured on, apart.

The spread over seeds is the standard deviation between trainings on the same videos. The interval over videos is that
of the mean of these very trainings, by the same cluster bootstrap as everywhere: it says nothing about other seeds, as
the spread says nothing about other videos. An interval of both together is what `intervals` gives.
"""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple

import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.scores import table as tables_of
from osarbench.scores.metrics.registry import resampled
from osarbench.scores.statistics import resample
from osarbench.scores.statistics.align import DEFAULT_RULE, Rule, Table, align, by_view, flat
from osarbench.scores.statistics.intervals import Interval, freedom, summary


class Spread(NamedTuple):
    """A number over seeds, as shares (not percent)."""

    mean: float
    seeds: tuple[float, ...]  #: the number of each
    std: float | None  #: over the seeds, with n - 1; None for one
    videos: Interval | None  #: of the mean of these seeds, over other videos; None where nothing can be drawn


def spreads(
    tables: Sequence[pd.DataFrame | Table],
    metrics: Sequence[str],
    *,
    groups: Mapping[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    rule: Rule = DEFAULT_RULE,
) -> dict[str, Spread]:
    """Return some metrics over the seeds of one method.

    Args:
        tables: of its seeds, on the same videos.
        metrics: names of metrics that can be resampled; others, and those that need a threshold which a table cannot
            give, are left out.
        groups: video -> group (clips of one source); None: classes are resampled.
        draws: bootstrap replicates.
        seed: of the draws.
        level: of the interval.
        rule: how the threshold is learnt.

    Raises:
        OsarbenchError: a table is not sound, or the tables are not of the same videos.
    """
    aligned = align(flat(by_view({f"table {place}": [its] for place, its in enumerate(tables, start=1)}, rule)))
    decided = all(its.known_accepted is not None for its in aligned.scores.values())
    chosen = [name for name in metrics if name in resampled() and (decided or not resampled()[name].needs_threshold)]
    sides = resample.clusters(aligned, groups)
    values, replicates = resample.replicates(aligned.scores.values(), sides, chosen, draws=draws, seed=seed)
    found = {}
    for place, name in enumerate(chosen):
        of_seeds, of_mean = values[:, place], replicates[:, place].mean(axis=0)  # [S], [B]
        df = freedom(of_mean, resample.degrees_of_freedom(sides, name), [])
        interval = summary(float(of_seeds.mean()), of_mean, level, df)
        std = float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else None
        found[name] = Spread(float(of_seeds.mean()), tuple(map(float, of_seeds)), std, interval)
    return found


def of_headlines(blocks: Sequence[Mapping[str, float | None]], metrics: Sequence[str]) -> dict[str, Spread]:
    """Return some metrics over seeds from the numbers alone, without intervals; what a seed lacks is left out."""
    found = {}
    for name in metrics:
        values = [value for block in blocks if (value := block.get(name)) is not None]
        if len(values) == len(blocks) and values:
            std = stdev(values) if len(values) > 1 else None
            found[name] = Spread(mean(values), tuple(values), std, None)
    return found


def groups_of(rows: Sequence[pd.DataFrame]) -> dict[str, str] | None:
    """Return video -> group of several tables together, None if one does not know its own."""
    merged: dict[str, str] = {}
    for found in map(tables_of.groups, rows):
        if found is None:
            return None
        merged.update(found)
    return merged


def over_seeds(
    tables: Sequence[pd.DataFrame], blocks: Sequence[Mapping[str, float | None]], metrics: Sequence[str], rule: Rule
) -> dict[str, Spread]:
    """Return some metrics over seeds, with intervals over videos where the tables have something to draw from.

    Args:
        tables: of the seeds, on the same videos.
        blocks: their headline numbers.
        metrics: names.
        rule: how the threshold is learnt.
    """
    plain = of_headlines(blocks, metrics)
    try:
        drawn = spreads(tables, [name for name in metrics if name in plain], groups=groups_of(tables), rule=rule)
    except OsarbenchError:  # one class on a side
        return plain
    return {name: its._replace(videos=drawn[name].videos if name in drawn else None) for name, its in plain.items()}
