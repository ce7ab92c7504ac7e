"""What `osarbench compare` prints and writes, in points (percent)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tabulate import tabulate

from osarbench.reports.formats import visible
from osarbench.scores.metrics.registry import find
from osarbench.scores.statistics.intervals import Interval
from osarbench.scores.statistics.paired import Comparison, Pair, tied_ranks
from osarbench.scores.statistics.variance import Parts

Variances = Mapping[str, Mapping[str, Parts]]


def render(comparison: Comparison, parts: Variances, *, level: float, draws: int) -> str:
    """Return the tables for the terminal, with what a reader must know before and after them."""
    shown = f"{100 * level:g} %"
    sections = [
        f"{comparison.known:,} known and {comparison.unknown:,} unknown videos. Numbers are points (percent), in "
        f"brackets {shown} intervals of {draws:,} draws.\n{comparison.resampled}",
        _entries(comparison),
    ]
    if comparison.pairs:
        sections += [_pairs(comparison, shown), *_delong(comparison, shown)]
    if parts:
        sections.append(_parts(parts))
    elif any(count > 1 for count in comparison.seeds.values()):
        sections.append("The parts of the variance need as many views for each seed.")
    return "\n\n".join([*sections, "\n".join(map(visible, comparison.notes))]).rstrip()


def to_json(comparison: Comparison, parts: Variances) -> str:
    """Return every number, as shares (not percent)."""
    content: dict[str, Any] = {
        "resampled": comparison.resampled,
        "notes": comparison.notes,
        "videos": {"known": comparison.known, "unknown": comparison.unknown},
        "seeds": comparison.seeds,
        "entries": {
            name: {metric: its._asdict() for metric, its in metrics.items()}
            for name, metrics in comparison.entries.items()
        },
        "ranks": {metric: tied_ranks(comparison, metric) for metric in comparison.metrics},
        "pairs": [_pair_fields(pair) for pair in comparison.pairs],
        "variance": {
            name: {metric: its._asdict() | {"shares": its.shares()} for metric, its in metrics.items()}
            for name, metrics in parts.items()
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _pair_fields(pair: Pair) -> dict[str, Any]:
    tested = pair.delong
    return pair._asdict() | {
        "difference": pair.difference._asdict(),
        "delong": None if tested is None else {**tested.difference._asdict(), "p": tested.p},
    }


def _entries(comparison: Comparison) -> str:
    ranks = {metric: tied_ranks(comparison, metric) for metric in comparison.metrics}
    several = len(comparison.entries) > 1
    lines = []
    for name, metrics in comparison.entries.items():
        cells = [f"{_value(its)}{f'  #{ranks[metric][name]}' if several else ''}" for metric, its in metrics.items()]
        lines.append([visible(name), comparison.seeds[name], *cells])
    headers = ["", "seeds", *(find(metric).title for metric in comparison.metrics)]
    told = "\n#1 is the best, and whatever is not significantly worse (p Holm >= 0.05); then the best of the rest."
    return tabulate(lines, headers=headers, disable_numparse=True) + (told if several else "")


def _pairs(comparison: Comparison, shown: str) -> str:
    swapped = any(pair.permutation_p is not None for pair in comparison.pairs)
    lines, last = [], ""
    for pair in comparison.pairs:
        label = find(pair.metric).label
        cells = ["" if label == last else label, visible(f"{pair.first} - {pair.second}"), _signed(pair.difference)]
        cells += [_p(pair.p), _p(pair.p_holm)]
        cells += [_p(pair.permutation_p), _p(pair.permutation_p_holm)] if swapped else []
        lines.append([*cells, f"{100 * pair.detectable:.2f}", f"{100 * pair.detectable_unpaired:.2f}"])
        last = label
    headers = ["", "", f"difference [{shown}]", "p", "p Holm", *["p swap", "p swap Holm"] * swapped]
    told = [
        "p: of the paired difference and its standard error. Holm: corrected for the number of pairs of a metric.",
        "detectable: the smallest true difference that such a comparison finds with 80 % power; unpaired: if the "
        "methods had been tested on different videos.",
    ]
    if any(pair.p >= 0.05 and not pair.difference.low <= 0 <= pair.difference.high for pair in comparison.pairs):
        told.append(
            "An interval without 0 next to a large p: the difference is skewed (FPR95 often is); ranks go by p."
        )
    if swapped:
        told.insert(1, "p swap: how often the difference is as large if the methods are swapped in some of what is "
                    "resampled.")  # fmt: skip
    table = tabulate(lines, headers=[*headers, "detectable", "unpaired"], disable_numparse=True)
    return "\n".join([table, *told])


def _delong(comparison: Comparison, shown: str) -> Iterator[str]:
    lines = [
        [visible(f"{pair.first} - {pair.second}"), _signed(pair.delong.difference), _p(pair.delong.p)]
        for pair in comparison.pairs
        if pair.delong is not None
    ]
    if lines:
        yield (
            tabulate(lines, headers=["AUROC by DeLong", f"difference [{shown}]", "p"], disable_numparse=True)
            + "\nDeLong takes videos for independent. Videos of a class are not, so these intervals are "
            "too narrow for a statement about other classes."
        )


def _parts(parts: Variances) -> str:
    lines = [
        [visible(name), find(metric).label, its.seeds, f"{100 * its.mean:.2f} ± {100 * its.std:.2f}",
         *(_part(its, part) for part in ("seed", "view", "classes", "rest"))]
        for name, metrics in parts.items() for metric, its in metrics.items()
    ]  # fmt: skip
    headers = ["variance", "", "seeds", "mean ± std", "seed", "view", "draw", "rest"]
    told = [
        "One number, of one seed and one draw of what is resampled, varies by these standard deviations (share of the "
        "variance); rest: seeds and views that are good at other classes.",
    ]
    if any(its.view is None for metrics in parts.values() for its in metrics.values()):
        told.append(
            "view: not to be told from these tables, which are means over views (or of one); it is in the part of the "
            "seed. Join tables of single views of a seed by + to see it."
        )
    return "\n".join([tabulate(lines, headers=headers, disable_numparse=True), *told])


def _part(its: Parts, part: str) -> str:
    std = getattr(its, part)
    return "-" if std is None else f"{100 * std:.2f} ({100 * its.shares()[part]:.0f} %)"


def _value(its: Interval) -> str:
    return f"{100 * its.value:.2f} [{100 * its.low:.2f}, {100 * its.high:.2f}]"


def _signed(its: Interval) -> str:
    return f"{100 * its.value:+.2f} [{100 * its.low:+.2f}, {100 * its.high:+.2f}]"


def _p(p: float | None) -> str:
    if p is None:
        return "-"
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"
