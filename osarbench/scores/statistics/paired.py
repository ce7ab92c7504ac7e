"""Methods compared on the same videos: differences, intervals, p-values over all pairs, and ranks that know ties."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from osarbench.errors import OsarbenchError, unknown_name
from osarbench.scores.metrics.registry import compared, find_resampled
from osarbench.scores.statistics import alternative_tests, pairwise_p, resample
from osarbench.scores.statistics.align import (
    DEFAULT_RULE,
    Aligned,
    FloatArray,
    Rule,
    Seed,
    Table,
    align,
    by_view,
    flat,
    some,
)
from osarbench.scores.statistics.alternative_tests import DeLong, adjusted
from osarbench.scores.statistics.intervals import Interval, check_draws, check_threshold, freedom, over_seeds, summary
from osarbench.scores.statistics.pairwise_p import Drawn
from osarbench.scores.statistics.power import detectable, unpaired

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
    pairs: tuple[Pair, ...]  #: metric by metric, every pair of methods in the given order; empty if not asked for
    p_holm: dict[str, FloatArray]  #: metric -> adjusted p-values [methods, methods], in the order of ``entries``
    known: int  #: videos
    unknown: int
    resampled: str  #: one line that says what the intervals are about
    notes: tuple[str, ...]  #: what a reader must know with it, a sentence each
    videos: Mapping[str, Mapping[str, Interval]]  #: as ``entries``, of these very seeds: over other videos alone


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
    pairs: bool = True,
) -> Comparison:
    """Compare methods pair by pair on the same videos, all of them under the same resampled classes.

    Args:
        tables: method -> scores tables of its seeds, or a list of tables of the views of each. A number is the mean
            over them, and seeds are resampled too where there are several.
        metrics: of `osarbench.scores.metrics.registry.resampled`; default: those that are compared, as far as all
            tables have them.
        groups: video -> group; resample groups within classes instead of classes
            (`osarbench.scores.statistics.resample`).
        draws: bootstrap replicates.
        permutations: swaps that the permutation test tries for each pair; 0: none.
        seed: of draws and swaps.
        level: of the intervals.
        intersection: compare on the videos that all tables have.
        paired_seeds: seed i of every method shares something (the trained network), so seeds are drawn together.
        rule: how thresholds are learnt, of the tables that come without a rule.
        pairs: describe every pair; without it there are only the adjusted p-values, which ranks need.

    Raises:
        OsarbenchError: no tables, tables that are not sound or not of the same videos, a single class on a side, or a
            metric that does not exist or needs a threshold that a table cannot give.
    """
    check_draws(draws, level)
    named = by_view(tables, rule)
    counts, every = _seeds(named, paired_seeds), flat(named)
    aligned = align(every, intersection=intersection)
    chosen = _metrics(aligned, metrics)
    check_threshold(aligned.scores, chosen, every)
    sides = resample.clusters(aligned, groups)
    drawn = _resampled(named, aligned, sides, chosen, draws=draws, seed=seed, paired_seeds=paired_seeds)
    classes = {metric: resample.degrees_of_freedom(sides, metric) for metric in chosen}
    entries = {
        name: {metric: _entry(its[metric], classes[metric], level) for metric in chosen} for name, its in drawn.items()
    }
    of_metric = {metric: {name: its[metric] for name, its in drawn.items()} for metric in chosen}
    p = {
        metric: pairwise_p.p_values(list(its.values()), classes[metric], paired_seeds=paired_seeds)
        for metric, its in of_metric.items()
    }
    comparison = Comparison(
        metrics=chosen,
        entries=entries,
        seeds=counts,
        pairs=(),
        p_holm={metric: pairwise_p.corrected(its) for metric, its in p.items()},
        known=len(aligned.known),
        unknown=len(aligned.unknown),
        resampled=resample.describe(sides),
        notes=(*_notes(aligned, sides, counts, paired_seeds), *_threshold_notes(every)),
        videos={
            name: {metric: _of_videos(its[metric], classes[metric], level) for metric in chosen}
            for name, its in drawn.items()
        },
    )
    if not pairs:
        return comparison
    scores = iter(aligned.scores.values())
    methods = {name: [[next(scores) for _ in views] for views in its] for name, its in named.items()}
    by_delong = alternative_tests.by_delong(methods, level) if "auroc" in chosen else {}
    swapped = alternative_tests.by_permutation(methods, sides, chosen, swaps=permutations, seed=seed)
    found: list[Pair] = []
    for metric in chosen:
        raw = _pairs(comparison, metric, of_metric[metric], p[metric], classes[metric], level, paired_seeds)
        found += _complete(raw, swapped[metric], by_delong if metric == "auroc" else {})
    return comparison._replace(pairs=tuple(found))


def tied_ranks(comparison: Comparison, metric: str = "auroc", *, alpha: float = 0.05) -> dict[str, int]:
    """Return the rank of every method, best first; neighbours that the data cannot tell apart share a rank.

    Rank 1 have the best method and those that follow it in value, up to the first that is significantly worse than it
    (Holm-adjusted p < ``alpha``). That one leads the next group, whose rank is its position, and so on: every method is
    tied with the leader of its group, and none ranks above one of better value. Ties are not transitive, so a method of
    wide interval may be tied with the leader of a better group too; it then has the rank of its value.

    Raises:
        OsarbenchError: the comparison does not have this metric.
    """
    if metric not in comparison.metrics:
        raise unknown_name("metric in this comparison", metric, comparison.metrics)
    sign, p = find_resampled(metric).sign or 1, comparison.p_holm[metric]
    values = [comparison.entries[name][metric].value for name in comparison.entries]
    names = list(comparison.entries)
    ordered = sorted(range(len(names)), key=lambda i: -sign * values[i])
    ranks: dict[str, int] = {}
    leader = ordered[0]
    for position, i in enumerate(ordered, start=1):
        if i != leader and p[leader, i] < alpha:
            leader = i
        ranks[names[i]] = position if i == leader else ranks[names[leader]]
    return ranks


def _seeds(tables: Mapping[str, Sequence[Sequence[Table]]], paired_seeds: bool) -> dict[str, int]:
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
    return tuple(name for name in compared() if thresholded or not find_resampled(name).needs_threshold)


def _resampled(
    methods: Mapping[str, Sequence[Sequence[Table]]],
    aligned: Aligned,
    sides: resample.Sides,
    metrics: tuple[str, ...],
    *,
    draws: int,
    seed: int,
    paired_seeds: bool,
) -> dict[str, dict[str, Drawn]]:
    """Return the replicates of each method by metric, means over seeds and views, under the same draws of classes."""
    values, replicates = resample.replicates(aligned.scores.values(), sides, metrics, draws=draws, seed=seed)
    drawn, begin = {}, 0
    for position, (name, its) in enumerate(methods.items()):
        ends = begin + np.cumsum([0, *map(len, its)])
        seeds = [slice(*bounds) for bounds in pairwise(ends.tolist())]
        # seeds of different methods are drawn apart unless they belong together
        generator = np.random.default_rng([seed, 0 if paired_seeds else position])
        of_seeds = np.array([values[views].mean(axis=0) for views in seeds])
        by_seed = np.array([replicates[views].mean(axis=0) for views in seeds])
        means, fixed = over_seeds(by_seed, generator), by_seed.mean(axis=0)
        drawn[name] = {metric: Drawn(of_seeds[:, j], means[j], fixed[j]) for j, metric in enumerate(metrics)}
        begin = ends[-1]
    return drawn


def _entry(its: Drawn, classes: float, level: float) -> Interval:
    df = freedom(its.replicates, classes, [its.values])
    return summary(its.values.mean(), its.replicates, level, df)


def _of_videos(its: Drawn, classes: float, level: float) -> Interval:
    return summary(its.values.mean(), its.of_videos, level, freedom(its.of_videos, classes, []))


def _pairs(
    comparison: Comparison,
    metric: str,
    drawn: Mapping[str, Drawn],
    p: FloatArray,
    classes: float,
    level: float,
    paired_seeds: bool,
) -> Iterator[Pair]:
    """Yield the pairs of a metric, without the other tests.

    Args:
        comparison: of the methods alone.
        metric: which one.
        drawn: method -> its values and replicates of the metric.
        p: p-values [methods, methods].
        classes: degrees of freedom of the resampled classes.
        level: of the intervals.
        paired_seeds: whether seeds are drawn together.
    """
    p_holm = comparison.p_holm[metric]
    for (i, (first, one)), (j, (second, other)) in combinations(enumerate(drawn.items()), 2):
        replicates = one.replicates - other.replicates
        by_seed = [one.values - other.values] if paired_seeds else [one.values, other.values]
        df = freedom(replicates, classes, by_seed)
        its = summary(one.values.mean() - other.values.mean(), replicates, level, df, lowest=-1.0)
        alone = unpaired(comparison.entries[first][metric].se, comparison.entries[second][metric].se)
        smallest, apart = (detectable(se, level=level, df=df) for se in (its.se, alone))
        yield Pair(first, second, metric, its, float(p[i, j]), float(p_holm[i, j]), smallest, apart, None, None, None)


def _complete(
    pairs: Iterable[Pair], swapped: alternative_tests.Pairs, by_delong: Mapping[tuple[str, str], DeLong]
) -> Iterator[Pair]:
    """Yield the pairs of a metric with what other tests say."""
    swapped_holm = adjusted(swapped)
    for pair in pairs:
        names = pair.first, pair.second
        yield pair._replace(
            permutation_p=swapped.get(names),
            permutation_p_holm=swapped_holm.get(names),
            delong=by_delong.get(names),
        )


def _notes(aligned: Aligned, sides: resample.Sides, seeds: Mapping[str, int], paired_seeds: bool) -> Iterator[str]:
    single = [name for name, count in seeds.items() if count == 1]
    if single:
        yield f"One seed of {some(single, 5)}: how much another training run would differ is not in the intervals."
    if len(single) < len(seeds):
        together = " Seeds of the same number are drawn together." if paired_seeds else ""
        yield f"Where there are several seeds, a number is their mean, and seeds are resampled too.{together}"
    if aligned.known["video"].str.fullmatch(r"row \d{5,}").all() and len(seeds) > 1:
        yield "Videos have no names, only numbers of rows: they were paired by their position in the files."
    for name, side in (("known", sides.known), ("unknown", sides.unknown)):
        if side.number < FEW_CLUSTERS:
            kind = "groups" if sides.groups else "classes"
            yield f"There are only {side.number} {name} {kind}: the intervals are rough, and wide for that reason."
    for name, count in aligned.dropped.items():
        if count:
            yield f"{count:,} test videos of {name} are left out, because not all tables have them."


def _threshold_notes(tables: Mapping[str, Table]) -> Iterator[str]:
    rules = {table.rule for table in tables.values()}
    if len(rules) > 1:
        told = "; ".join(
            f"{some([name for name, table in tables.items() if table.rule == rule])}: {rule}" for rule in sorted(rules)
        )
        yield f"The thresholds are learnt in different ways, so thresholded numbers are not alike. {told}."
