"""Metrics as a table for people."""

from collections.abc import Iterator, Mapping
from typing import Any

# Shown column -> key in a block of metrics; arrows say which way is better.
COLUMNS = {
    "closed accuracy ↑": "closed_accuracy",
    "AUROC ↑": "auroc",
    "AUPR ↑": "aupr_unknown",
    "FPR95 ↓": "fpr95_unknown_first",
    "OSCR ↑": "oscr",
    "known accepted": "known_accepted",
}


def rows(results: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]]:
    """Return headers and rows, in percent: a row for all videos of each result, and one for each part of it.

    ``results`` maps a name (a method, a file) to what `osarbench.scores.metrics.evaluate` returned for it.
    """
    lines = [
        [name if first else "", part, *(_percent(block.get(key)) for key in COLUMNS.values())]
        for name, metrics in results.items()
        for first, part, block in _parts(metrics)
    ]
    return ["", "known / unknown", *COLUMNS], lines


def legend(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return lines that say the convention of each column of `rows`, and how thresholds were learnt."""
    conventions = next(iter(results.values()))["conventions"]
    lines = [f"{column.rstrip(' ↑↓')}: {conventions[key]}" for column, key in COLUMNS.items()]
    for quantile, source, rule in sorted({_threshold(metrics["settings"]) for metrics in results.values()}):
        lines.append(f"threshold: accepts {100 * quantile:g} % of the {source} videos (rule '{rule}')")
    without = [name for name, metrics in results.items() if metrics["thresholded"]["threshold"] is None]
    if without:
        whose = "any table" if len(without) == len(results) else ", ".join(without)
        lines.append(f"-: no such videos are in {whose}")
    return lines


def _threshold(settings: Mapping[str, Any]) -> tuple[float, str, str]:
    return settings["quantile"], settings["threshold_from"], settings["threshold_rule"]


def _parts(metrics: Mapping[str, Any]) -> Iterator[tuple[bool, str, Mapping[str, Any]]]:
    """Yield the headline and, where they say more, its parts: (is it the first, what it compares, numbers)."""
    yield True, "all / all", metrics["headline"]
    if metrics["without_contested"] is not None:
        yield False, "all / all but contested", metrics["without_contested"]
    for side, shown in (("known", "{} / all"), ("unknown", "all / {}")):
        sources = metrics["by_source"][side]
        if len(sources) > 1:
            for source, block in sources.items():
                yield False, shown.format(source), block


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
