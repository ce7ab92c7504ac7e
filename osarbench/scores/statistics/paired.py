"""Methods compared on the same videos: differences, intervals, p-values over all pairs, and ranks that know ties."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from osarbench.errors import OsarbenchError, unknown_name
from osarbench.scores.statistics import alternative_tests as second_opinions
from osarbench.scores.statistics import resample, weighted
from osarbench.scores.statistics.align import DEFAULT_RULE, Aligned, FloatArray, Rule, align, some
from osarbench.scores.statistics.alternative_tests import DeLong, Methods, adjusted
from osarbench.scores.statistics.intervals import Interval, check_draws, check_threshold, freedom, over_seeds, summary
from osarbench.scores.statistics.power import detectable, unpaired
from osarbench.scores.statistics.student import two_sided

#: The table of a training run, or the tables of its views.
Seed = pd.DataFrame | Sequence[pd.DataFrame]
#: With fewer clusters than this on a side, a bootstrap over them is said to be rough.
FEW_CLUSTERS = 10


class Pair(NamedTuple):
    """Two methods and a metric; all numbers are shares (not percent), the difference is ``first - second``."""

    first: str
    second: str
    metric: str
    difference: Interval  #: value, interval and standard error of the paired replicates
    p: float  #: two-sided, of value / se by Student's t; near 0.05 the interval may be of another opinion
    p_holm: float  #: adjusted over all pairs of this metric
    detectable: float  #: smallest difference that such a paired comparison finds with 80 % power
    detectable_unpaired: float  #: the same if the methods did not share their videos
    permutation_p: float | None  #: two-sided; None if not asked for, or with several tables
    permutation_p_holm: float | None
    delong: DeLong | None  #: of AUROC, else None


class Comparison(NamedTuple):
    """Methods on the same videos."""

    metrics: tuple[str, ...]
    entries: dict[str, dict[str, Interval]]  #: method -> metric -> number
    seeds: dict[str, int]  #: method -> how many tables
    pairs: tuple[Pair, ...]  #: metric by metric, every pair of methods in the given order
    known: int  #: videos
    unknown: int
    resampled: str  #: one line that says what the intervals are about
    notes: tuple[str, ...]  #: what a reader must know beside it, a sentence each


class _Drawn(NamedTuple):
    """A method, resampled."""

    values: FloatArray  #: [S, metrics] by seed
    replicates: FloatArray  #: [metrics, draws] of the mean over seeds

    def metric(self, place: int) -> "_Drawn":
        """Return the values [S] and replicates [draws] of one metric."""
        return _Drawn(self.values[:, place], self.replicates[place])


def compare(
    tables: Mapping[str, Sequence[Seed]],
    *,
    metrics: Sequence[str] | None = None,
    groups: Mapping[str, str] | None = None,
    draws: int = 2000,
    permutations: int = 0,
    seed: int = 0,
    level: float = 0.95,
    intersection: bool = False,
    paired_seeds: bool = False,
    rule: Rule = DEFAULT_RULE,
) -> Comparison:
    """Compare methods pair by pair on the same videos, all of them under the same resampled classes.

    Args:
        tables: method -> scores tables of its seeds, or a list of tables of the views of each. A number is the mean
            over them, and seeds are resampled too where there are several.
        metrics: of `osarbench.scores.statistics.weighted.METRICS`; default: `DEFAULT_METRICS` as far as all tables
            have them.
        groups: video -> group; resample groups within classes instead of classes
            (`osarbench.scores.statistics.resample`).
        permutations: swaps that the permutation test tries for each pair; 0: none. 2,000 take about a second a pair.
        intersection: compare on the videos that all tables have.
        paired_seeds: seed i of every method shares something (the trained network), so seeds are drawn together.
        rule: how thresholds are learnt.

    Raises:
        OsarbenchError: no tables, tables that are not sound or not of the same videos, a single class on a side, or a
            metric that does not exist or needs a threshold that a table cannot give.
    """
    check_draws(draws, level)
    named = by_view(tables)
    counts = _seeds(named, paired_seeds)
    aligned = align(flat(named), intersection=intersection, rule=rule)
    chosen = _metrics(aligned, metrics)
    check_threshold(aligned.scores, chosen, rule)
    sides = resample.clusters(aligned, groups)
    every = iter(aligned.scores.values())
    methods = {name: [[next(every) for _ in views] for views in its] for name, its in named.items()}
    drawn = _resampled(methods, sides, chosen, draws=draws, seed=seed, paired_seeds=paired_seeds)
    classes = [resample.degrees_of_freedom(sides, metric) for metric in chosen]
    entries = {
        name: {metric: _entry(its.metric(j), classes[j], level) for j, metric in enumerate(chosen)}
        for name, its in drawn.items()
    }
    by_delong = second_opinions.by_delong(methods, level) if "auroc" in chosen else {}
    swapped = second_opinions.by_permutation(methods, sides, chosen, swaps=permutations, seed=seed)
    pairs: list[Pair] = []
    for j, metric in enumerate(chosen):
        of_metric = {name: its.metric(j) for name, its in drawn.items()}
        se = {name: its[metric].se for name, its in entries.items()}
        tested = by_delong if metric == "auroc" else {}
        found = _pairs(metric, of_metric, se, classes[j], level, paired_seeds=paired_seeds)
        pairs += _complete(list(found), swapped[metric], tested)
    notes = tuple(_notes(aligned, sides, counts, paired_seeds))
    described, known, unknown = resample.describe(sides), len(aligned.known), len(aligned.unknown)
    return Comparison(chosen, entries, counts, tuple(pairs), known, unknown, described, notes)


def tied_ranks(comparison: Comparison, metric: str = "auroc", *, alpha: float = 0.05) -> dict[str, int]:
    """Return the rank of every method, best first; neighbours that the data cannot tell apart share a rank.

    Rank 1 have the best method and those that follow it in value, up to the first that is significantly worse than it
    (Holm-adjusted p < ``alpha``). That one leads the next group, whose rank is its place, and so on: every method is
    tied with the leader of its group, and none ranks above one of better value. Ties are not transitive, so a method of
    wide interval may be tied with the leader of a better group too; it then has the rank of its value.

    Raises:
        OsarbenchError: the comparison does not have this metric.
    """
    if metric not in comparison.metrics:
        raise unknown_name("metric in this comparison", metric, comparison.metrics)
    sign = 1 if weighted.find(metric).higher_is_better else -1
    of_pair = {frozenset((pair.first, pair.second)): pair.p_holm for pair in comparison.pairs if pair.metric == metric}
    ordered = sorted(comparison.entries, key=lambda name: -sign * comparison.entries[name][metric].value)
    ranks: dict[str, int] = {}
    leader = ordered[0]
    for place, name in enumerate(ordered, start=1):
        if name != leader and of_pair[frozenset((leader, name))] < alpha:
            leader = name
        ranks[name] = place if name == leader else ranks[leader]
    return ranks


def by_view(tables: Mapping[str, Sequence[Seed]]) -> dict[str, list[list[pd.DataFrame]]]:
    """Return the tables of each method by seed and view; a single table of a seed is its one view."""
    return {
        name: [[seed] if isinstance(seed, pd.DataFrame) else list(seed) for seed in its] for name, its in tables.items()
    }


def flat(tables: Mapping[str, Sequence[Sequence[pd.DataFrame]]]) -> dict[str, pd.DataFrame]:
    """Return the tables of all methods, seeds and views in a row, by names that tell them apart."""
    return {
        name + (f" (seed {i})" if len(its) > 1 else "") + (f" (view {j})" if len(views) > 1 else ""): table
        for name, its in tables.items()
        for i, views in enumerate(its, start=1)
        for j, table in enumerate(views, start=1)
    }


def _seeds(tables: Mapping[str, Sequence[Sequence[pd.DataFrame]]], paired_seeds: bool) -> dict[str, int]:
    counts = {name: len(its) for name, its in tables.items()}
    empty = [name for name, its in tables.items() if not its or not all(its)]
    if not counts or empty:
        raise OsarbenchError(f"There is no scores table{f' of {some(empty)}' if empty else ''} to compare.")
    if paired_seeds and len(set(counts.values())) > 1:
        stated = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise OsarbenchError(f"Seeds can be paired only where every method has as many: {stated}.")
    return counts


def _metrics(aligned: Aligned, metrics: Sequence[str] | None) -> tuple[str, ...]:
    if metrics is not None:
        return tuple(dict.fromkeys(metrics))
    thresholded = all(scores.known_accepted is not None for scores in aligned.scores.values())
    return tuple(name for name in weighted.DEFAULT_METRICS if thresholded or not weighted.find(name).needs_threshold)


def _resampled(
    methods: Methods,
    sides: resample.Sides,
    metrics: tuple[str, ...],
    *,
    draws: int,
    seed: int,
    paired_seeds: bool,
) -> dict[str, _Drawn]:
    """Return the replicates of each method, means over seeds and views, all under the same draws of classes."""
    ordered = [weighted.sort(scores) for its in methods.values() for views in its for scores in views]
    values, replicates = resample.replicates(ordered, sides, metrics, draws=draws, seed=seed)
    drawn, begin = {}, 0
    for place, (name, its) in enumerate(methods.items()):
        ends = begin + np.cumsum([0, *map(len, its)])
        seeds = [slice(*bounds) for bounds in pairwise(ends.tolist())]
        # seeds of different methods are drawn apart unless they belong together
        generator = np.random.default_rng([seed, 0 if paired_seeds else place])
        drawn[name] = _Drawn(
            np.array([values[views].mean(axis=0) for views in seeds]),
            over_seeds(np.array([replicates[views].mean(axis=0) for views in seeds]), generator),
        )
        begin = ends[-1]
    return drawn


def _entry(its: _Drawn, classes: float, level: float) -> Interval:
    df = freedom(its.replicates, classes, [its.values])
    return summary(its.values.mean(), its.replicates, level, df)


def _pairs(
    metric: str,
    drawn: Mapping[str, _Drawn],
    se: Mapping[str, float],
    classes: float,
    level: float,
    *,
    paired_seeds: bool,
) -> Iterator[Pair]:
    """Yield the pairs of a metric, uncorrected."""
    for (first, one), (second, other) in combinations(drawn.items(), 2):
        replicates = one.replicates - other.replicates
        by_seed = [one.values - other.values] if paired_seeds else [one.values, other.values]
        df = freedom(replicates, classes, by_seed)
        its = summary(one.values.mean() - other.values.mean(), replicates, level, df, lowest=-1.0)
        apart = detectable(unpaired(se[first], se[second]), level=level, df=df)
        smallest, p = detectable(its.se, level=level, df=df), two_sided(its.value, its.se, df)
        yield Pair(first, second, metric, its, p, p, smallest, apart, None, None, None)


def _complete(
    pairs: Sequence[Pair], swapped: second_opinions.Pairs, by_delong: Mapping[tuple[str, str], DeLong]
) -> Iterator[Pair]:
    """Yield the pairs of a metric with their p-values corrected, and with what other tests say."""
    p_holm, swapped_holm = adjusted({(pair.first, pair.second): pair.p for pair in pairs}), adjusted(swapped)
    for pair in pairs:
        names = pair.first, pair.second
        yield pair._replace(
            p_holm=p_holm[names],
            permutation_p=swapped.get(names),
            permutation_p_holm=swapped_holm.get(names),
            delong=by_delong.get(names),
        )


def _notes(aligned: Aligned, sides: resample.Sides, seeds: Mapping[str, int], paired_seeds: bool) -> Iterator[str]:
    single = [name for name, count in seeds.items() if count == 1]
    if single:
        yield f"One seed of {some(single, 5)}: how much another training run would differ is not in the intervals."
    if len(single) < len(seeds):
        together = " Seeds of the same place are drawn together." if paired_seeds else ""
        yield f"Where there are several seeds, a number is their mean, and seeds are resampled too.{together}"
    if aligned.known["video"].str.fullmatch(r"row \d{5,}").all() and len(seeds) > 1:
        yield "Videos have no names, only numbers of rows: they were paired by their place in the files."
    for name, side in (("known", sides.known), ("unknown", sides.unknown)):
        if side.number < FEW_CLUSTERS:
            kind = "groups" if sides.groups else "classes"
            yield f"There are only {side.number} {name} {kind}: the intervals are rough, and wide for that reason."
    for name, count in aligned.dropped.items():
        if count:
            yield f"{count:,} test videos of {name} are left out, because not all tables have them."
