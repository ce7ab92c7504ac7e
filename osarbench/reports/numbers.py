"""The tables of a report's page: summary, parts, threshold, calibration, and where the numbers come from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from osarbench.reports.disagreements import Comparison
from osarbench.reports.formats import percent, plural, signed_percent
from osarbench.reports.results import Result
from osarbench.reports.tables import Cell, Column, Table, cells
from osarbench.scores.metrics.conventions import CONVENTIONS

#: Shown title -> key of a block of metrics; an arrow says which way is better.
RANKED = {
    "Closed accuracy ↑": "closed_accuracy",
    "AUROC ↑": "auroc",
    "AUPR ↑": "aupr_unknown",
    "FPR95 ↓": "fpr95_unknown_first",
    "OSCR ↑": "oscr",
}
DECIDED = {
    "Known accepted": "known_accepted",
    "Gap": "transfer_gap",
    "Unknown rejected ↑": "unknown_rejected",
    "Balanced accuracy ↑": "balanced_accuracy",
}
OPEN = {"Open macro‑F1 ↑": "open_macro_f1"}
CALIBRATED = {
    "ECE ↓": "ece_closed",
    "Brier ↓": "brier_closed",
    "DEAR ECE, closed ↓": "dear_ece_closed",
    "DEAR ECE, open ↓": "dear_ece_open",
    "DEAR ECE, binary ↓": "dear_ece_binary",
}
#: A gap beyond this is pointed out: five of a hundred videos.
_WIDE_GAP = 0.05
Key = tuple[str, str]  # block of `Result.metrics`, name in it


def summary(results: Sequence[Result], *, comparable: bool) -> Table:
    """Return the headline numbers of all results; the best of each column is bold where results are comparable."""
    ranked: dict[str, Key] = {title: ("headline", key) for title, key in RANKED.items()}
    decided: dict[str, Key] = {title: ("headline", key) for title, key in DECIDED.items()}
    decided |= {title: ("thresholded", key) for title, key in OPEN.items()}
    groups = [("", 1), ("Without a threshold", len(ranked)), ("At the threshold", len(decided))]
    if not has_threshold(results):
        decided, groups = {}, []
    return _numbers(results, ranked | decided, "Summary, in percent", mark=comparable, groups=groups)


def summary_keys(results: Sequence[Result]) -> list[str]:
    """Return the keys of the numbers in the summary."""
    decided = [*DECIDED.values(), *OPEN.values()] if has_threshold(results) else []
    return [*RANKED.values(), *decided]


def has_threshold(results: Sequence[Result]) -> bool:
    """Say whether there is a threshold in any of the results."""
    return any(result.metrics["thresholded"]["threshold"] is not None for result in results)


def parts(results: Sequence[Result]) -> Table:
    """Return the numbers of each source, and without contested classes; there are no rows if there is one part only."""
    decided = ("Known accepted", "Gap") if has_threshold(results) else ()
    shown = RANKED | {title: DECIDED[title] for title in decided}
    rows = [
        [Cell(result.name, position), *cells(known, unknown), *(_cell(key, block[key]) for key in shown.values())]
        for position, result in enumerate(results)
        for known, unknown, block in _blocks(result.metrics)
    ]
    columns = [Column("Result"), Column("Known"), Column("Unknown"), *_columns(shown)]
    return Table("Numbers of the parts of the test, in percent", columns, rows)


def calibration(results: Sequence[Result]) -> Table:
    """Return the calibration errors of all results."""
    keys = {title: ("calibration", key) for title, key in CALIBRATED.items()}
    return _numbers(results, keys, "Calibration, in percent", mark=False)


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
    source = "held-out known" if settings["threshold_from"] == "calibration" else "training"
    threshold = f"{numbers['threshold']:.6g}".replace("-", "−")
    return (
        f"threshold {threshold}, set to accept {100 * settings['quantile']:g} % of "
        f"{plural(numbers['threshold_videos'], source + ' video')}. Of the known test videos it accepts "
        f"{percent(numbers['known_accepted'])} % (gap {signed_percent(numbers['transfer_gap'])})."
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
    results: Sequence[Result], keys: Mapping[str, Key], label: str, *, mark: bool,
    groups: Sequence[tuple[str, int]] = (),
) -> Table:  # fmt: skip
    best = {title: _best(results, title, key) if mark else None for title, key in keys.items()}
    rows = []
    for position, result in enumerate(results):
        row = [Cell(result.name, position)]
        for title, (block, key) in keys.items():
            value = result.metrics[block][key]
            cell = _cell(key, value)
            row.append(cell._replace(look="strong") if value is not None and value == best[title] else cell)
        rows.append(row)
    columns = [Column("Result"), *_columns({title: key for title, (_, key) in keys.items()})]
    return Table(label, columns, rows, groups)


def _columns(shown: Mapping[str, str]) -> list[Column]:
    return [Column(title, numeric=True, hint=CONVENTIONS[key]) for title, key in shown.items()]


def _cell(key: str, value: float | None) -> Cell:
    if key != "transfer_gap":
        return Cell(percent(value))
    wide = value is not None and abs(value) > _WIDE_GAP + 1e-9
    return Cell(("⚠ " if wide else "") + signed_percent(value), look="warn" if wide else "plain")


def _best(results: Sequence[Result], title: str, key: Key) -> float | None:
    values = [value for one in results if (value := one.metrics[key[0]][key[1]]) is not None]
    if len(values) < 2 or title[-1] not in "↑↓":
        return None
    return float(max(values) if title.endswith("↑") else min(values))


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
