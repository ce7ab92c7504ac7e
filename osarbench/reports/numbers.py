"""The tables of a report's page: summary, parts, threshold, calibration, and where the numbers come from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from osarbench.reports.disagreements import Comparison
from osarbench.reports.formats import percent, plural, signed_percent
from osarbench.reports.results import Result
from osarbench.reports.tables import Cell, Column, Table, cells
from osarbench.scores.metrics import uosr
from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.registry import find

#: Names of the metrics that are shown: without a threshold, at the threshold, of all test videos at it, calibration.
RANKED = ("closed_accuracy", "auroc", "aupr_unknown", "fpr95_unknown_first", "oscr")
DECIDED = ("known_accepted", "transfer_gap", "unknown_rejected", "balanced_accuracy")
OPEN = ("open_macro_f1",)
CALIBRATED = ("ece_closed", "brier_closed", "dear_ece_closed", "dear_ece_open", "dear_ece_binary")
_OF_PARTS = ("known_accepted", "transfer_gap")  # of those at the threshold
#: A gap beyond this is pointed out: five of a hundred videos.
_WIDE_GAP = 0.05
#: Block of a metric -> block of `Result.metrics` in which its number for all test videos is.
_BLOCKS = {"videos": "headline", "thresholded": "thresholded", "calibration": "calibration"}


def summary(results: Sequence[Result], *, comparable: bool) -> Table:
    """Return the headline numbers of all results; the best of each column is bold where results are comparable."""
    decided = (*DECIDED, *OPEN) if has_threshold(results) else ()
    groups = [("", 1), ("Without a threshold", len(RANKED)), ("At the threshold", len(decided))] if decided else []
    return _numbers(results, (*RANKED, *decided), "Summary, in percent", mark=comparable, groups=groups)


def summary_keys(results: Sequence[Result]) -> list[str]:
    """Return the names of the metrics in the summary."""
    return [*RANKED, *((*DECIDED, *OPEN) if has_threshold(results) else ())]


def has_threshold(results: Sequence[Result]) -> bool:
    """Say whether there is a threshold in any of the results."""
    return any(result.metrics["thresholded"]["threshold"] is not None for result in results)


def parts(results: Sequence[Result]) -> Table:
    """Return the numbers of each source, and without contested classes; there are no rows if there is one part only."""
    shown = (*RANKED, *(_OF_PARTS if has_threshold(results) else ()))
    rows = [
        [Cell(result.name, position), *cells(known, unknown), *(_cell(name, block[name]) for name in shown)]
        for position, result in enumerate(results)
        for known, unknown, block in _blocks(result.metrics)
    ]
    columns = [Column("Result"), Column("Known"), Column("Unknown"), *_columns(shown)]
    return Table("Numbers of the parts of the test, in percent", columns, rows)


def unified(results: Sequence[Result]) -> Table:
    """Return the numbers of unified open-set recognition, where wrongly named videos are to be refused as well."""
    return _numbers(results, uosr.NAMES, "Unified open-set recognition, in percent", mark=False)


def unified_keys() -> tuple[str, ...]:
    """Return the names of the metrics in that table."""
    return uosr.NAMES


def calibration(results: Sequence[Result]) -> Table:
    """Return the calibration errors of all results."""
    return _numbers(results, CALIBRATED, "Calibration, in percent", mark=False)


def agreement(comparison: Comparison) -> Table:
    """Return how many videos both, one or neither of two results gets right."""
    one, other = comparison.names
    titles = ("Both right", f"Only {one}", f"Only {other}", "Neither")
    columns = [Column("Test videos"), *(Column(title, numeric=True) for title in titles)]
    rows = [
        cells(role.capitalize(), *(f"{count:,}" for count in counts))
        for role, counts in (comparison.right or {}).items()
    ]
    return Table(f"How many videos {one} and {other} get right", columns, rows)


def threshold_story(result: Result) -> str:
    """Return how the threshold was learnt and what it does to the test videos, as the end of a sentence."""
    numbers, settings = result.metrics["thresholded"], result.metrics["settings"]
    if numbers["threshold"] is None:
        return f"no threshold, since its table has no rows of the role “{settings['threshold_from']}”."
    headline = result.metrics["headline"]
    source = "held-out known" if settings["threshold_from"] == "calibration" else "training"
    threshold = f"{numbers['threshold']:.6g}".replace("-", "−")
    return (
        f"threshold {threshold}, set to accept {100 * settings['quantile']:g} % of "
        f"{plural(numbers['threshold_videos'], source + ' video')}. Of the known test videos it accepts "
        f"{percent(headline['known_accepted'])} % (gap {signed_percent(headline['transfer_gap'])})."
    )


def provenance(results: Sequence[Result]) -> Table:
    """Return where each result comes from and with which settings it was evaluated."""
    columns = [Column(title) for title in ("Result", "Table", "Protocol", "Backbone", "Seed", "Deviations", "Settings")]
    rows = [
        [Cell(result.name, position), Cell(str(result.file), look="code"), *cells(*_facts(result))]
        for position, result in enumerate(results)
    ]
    return Table("Where the results come from", columns, rows)


def tiles(result: Result) -> dict[str, int]:
    """Return the counts of a result by what is counted."""
    counts = result.metrics["counts"]
    return {
        "known test videos": counts["known"],
        "known classes": counts["known_classes"],
        "unknown test videos": counts["unknown"],
        "unknown classes": counts["unknown_classes"],
        "videos behind the threshold": result.metrics["thresholded"]["threshold_videos"],
    }


def _numbers(
    results: Sequence[Result], names: Sequence[str], label: str, *, mark: bool,
    groups: Sequence[tuple[str, int]] = (),
) -> Table:  # fmt: skip
    """Return a table of metrics.

    Args:
        results: a row each.
        names: of the metrics, a column each.
        label: of the table.
        mark: whether the best of each column is bold.
        groups: of columns, see `Table`.
    """
    values = {name: [_value(result, name) for result in results] for name in names}
    best = {name: _best(find(name), values[name]) if mark else None for name in names}
    rows = []
    for position, result in enumerate(results):
        row = [Cell(result.name, position)]
        for name in names:
            value = values[name][position]
            cell = _cell(name, value)
            row.append(cell._replace(look="strong") if value is not None and value == best[name] else cell)
        rows.append(row)
    return Table(label, [Column("Result"), *_columns(names)], rows, groups)


def _columns(names: Sequence[str]) -> list[Column]:
    shown = [find(name) for name in names]
    return [Column(one.title[0].upper() + one.title[1:], numeric=True, hint=one.convention) for one in shown]


def _value(result: Result, name: str) -> float | None:
    value: float | None = result.metrics[_BLOCKS[find(name).block]][name]
    return value


def _cell(name: str, value: float | None) -> Cell:
    if name != "transfer_gap":
        return Cell(percent(value))
    wide = value is not None and abs(value) > _WIDE_GAP + 1e-9
    return Cell(("⚠ " if wide else "") + signed_percent(value), look="warn" if wide else "plain")


def _best(metric: Metric, values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return max(there, key=lambda value: metric.sign * value) if metric.sign and len(there) > 1 else None


def _blocks(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield what is compared with what, and the numbers, where they differ from the headline's."""
    if metrics["without_contested"] is not None:
        yield "all", "all but contested", metrics["without_contested"]
    by_source = metrics["by_source"]
    if len(by_source["known"]) > 1:
        yield from ((source, "all", block) for source, block in by_source["known"].items())
    if len(by_source["unknown"]) > 1:
        yield from (("all", source, block) for source, block in by_source["unknown"].items())


def _facts(result: Result) -> list[str]:
    facts, settings = result.facts, result.metrics["settings"]
    deviations = facts.get("deviations") or {}
    stated = ", ".join(f"{key} = {value}" for key, value in deviations.items()) or "none"
    contested = f", {plural(len(settings['contested']), 'contested class', 'contested classes')}"
    return [
        result.protocol or "not stated",
        str(facts.get("backbone", "not stated")),
        str(facts.get("seed", "not stated")),
        stated if facts else "not stated",
        f"quantile {settings['quantile']:g} of {settings['threshold_from']}, {settings['draws']} draws of seed "
        f"{settings['seed']}{contested if settings['contested'] else ''}",
    ]
