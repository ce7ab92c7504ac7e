"""Metrics as a table for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from osarbench.errors import unknown_name
from osarbench.reports.formats import visible
from osarbench.scores.metrics import uosr
from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.registry import find, of_block

#: What a table for people shows, by name.
SHOWN = ("closed_accuracy", "auroc", "aupr_unknown", "fpr95_unknown_first", "oscr", "known_accepted")
#: Metrics that belong together, by a name that stands for all of them.
GROUPS: Mapping[str, tuple[str, ...]] = {"uosr": uosr.NAMES}


def columns(names: Sequence[str] = SHOWN) -> list[Metric]:
    """Return the metrics that are shown, in order."""
    return [find(name) for name in names]


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics that people ask for by name, or by the name of a group; `SHOWN` if they name none.

    Raises:
        OsarbenchError: there is no such metric, or it is no number of known against unknown videos.
    """
    listed = [each for name in names for each in GROUPS.get(name, (name,))]
    numbers = [metric.name for metric in of_block("videos")]
    for name in listed:
        if name not in numbers:
            raise unknown_name("metric of known against unknown videos", name, [*numbers, *GROUPS])
    return tuple(dict.fromkeys(listed)) or SHOWN


def rows(results: Mapping[str, Mapping[str, Any]], names: Sequence[str] = SHOWN) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells, in percent: a row for all videos of each result, and one for each part of it.

    ``results`` maps a name (a method, a file) to what `osarbench.scores.metrics.evaluate` returned for it.
    """
    lines = [
        [visible(name) if first else "", visible(part), *(_percent(block.get(key)) for key in names)]
        for name, metrics in results.items()
        for first, part, block in _parts(metrics)
    ]
    return ["", "known / unknown", *(metric.title for metric in columns(names))], lines


def legend(results: Mapping[str, Mapping[str, Any]], names: Sequence[str] = SHOWN) -> list[str]:
    """Return lines that say the convention of each column of `rows`, and how thresholds were learnt."""
    lines = [f"{metric.label}: {metric.convention}" for metric in columns(names)]
    if not any(metric.needs_threshold for metric in columns(names)):
        return lines
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


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
