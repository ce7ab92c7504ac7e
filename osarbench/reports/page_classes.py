"""The part of a report's page on classes: best, worst, hardest, most confused, and the confusion matrix."""

from collections.abc import Mapping, Sequence
from typing import Any

from osarbench.reports import confusion
from osarbench.reports.confusion import Matrix
from osarbench.reports.markup import Column, Safe, join, percent, plural, table, tag
from osarbench.reports.page_numbers import named
from osarbench.reports.results import Result
from osarbench.reports.style import series

#: Up to this many classes are all shown.
ALL = 14
_EACH = 5  # of the best and of the worst, where not all are shown
_HARDEST = 10
_BLOCK = 10
_PAIRS = 10

_KNOWN = {
    "closed_accuracy": "Accuracy ↑",
    "known_accepted": "Accepted ↑",
    "f1": "F1 ↑",
    "class_auroc": "AUROC ↑",
}
_UNKNOWN = {"unknown_rejected": "Rejected ↑", "class_auroc": "AUROC ↑"}


def classes(place: int, result: Result) -> Safe:
    """Return the card of one result: its known classes from worst to best, hardest unknown classes, confused pairs."""
    rows = result.metrics["per_class"]
    parts = [
        tag("h3", named(place, result.name)),
        tag("h4", f"Known classes, worst first{_some(len(rows['known']), 2 * _EACH)}"),
        _known(place, result.name, rows["known"]),
        tag("h4", f"Unknown classes, hardest first{_some(len(rows['unknown']), _HARDEST)}"),
        _unknown(place, result.name, rows["unknown"]),
    ]
    whole = confusion.matrix(result.metrics)
    if whole is not None:
        parts += [tag("h4", "Most confused pairs of known classes"), _pairs(result.name, whole)]
    return tag("article", *parts, class_="card")


def matrix_card(place: int, result: Result) -> Safe | None:
    """Return the card with the confusion matrix of one result; None if there is no threshold to decide with."""
    whole = confusion.matrix(result.metrics)
    if whole is None:
        return None
    known = len(whole.names) - 1
    head = tag("h3", named(place, result.name))
    if known <= ALL:
        return tag("article", head, _grid(place, result.name, whole), class_="card")
    part = confusion.most_confused(whole, _BLOCK)
    left = tag(
        "div", tag("h4", f"The {_BLOCK} most confused of {known} known classes"), _grid(place, result.name, part)
    )
    hint = tag("p", "Point at a cell for its classes. The last row and column are the unknown.", class_="hint")
    right = tag("div", tag("h4", f"All {known} known classes"), _heat(place, result.name, whole), hint)
    return tag("article", head, tag("div", left, right, class_="halves"), class_="card")


def is_large(results: Sequence[Result]) -> bool:
    """Say whether the cards of `matrix_card` need the whole width of the page."""
    return any(result.metrics["counts"]["known_classes"] > ALL for result in results)


def _some(count: int, shown: int) -> str:
    return "" if count <= ALL else f" ({shown} of {count})"


def _known(place: int, name: str, rows: Mapping[str, Mapping[str, Any]]) -> Safe:
    shown = [key for key in _KNOWN if all(key in row for row in rows.values())]
    by = "f1" if "f1" in shown else "closed_accuracy"
    order = sorted(rows, key=lambda label: (rows[label][by], rows[label]["closed_accuracy"], label))
    if len(order) > ALL:
        order = [*order[:_EACH], "", *order[-_EACH:]]
    lines = [
        [label, f"{rows[label]['videos']:,}", *_shares(place, rows[label], shown)] if label else
        ["…", *[""] * (len(shown) + 1)]
        for label in order
    ]  # fmt: skip
    columns = [Column("Class"), Column("Videos", numeric=True), *(Column(_KNOWN[key], numeric=True) for key in shown)]
    return table(columns, lines, label=f"Known classes of {name}, in percent")


def _unknown(place: int, name: str, rows: Mapping[str, Mapping[str, Any]]) -> Safe:
    shown = [key for key in _UNKNOWN if all(key in row for row in rows.values())]
    order = sorted(rows, key=lambda label: ([rows[label][key] for key in shown], label))
    lines = [
        [label, f"{rows[label]['videos']:,}", *_shares(place, rows[label], shown), rows[label]["most_predicted"],
         percent(rows[label]["purity"])]
        for label in (order if len(order) <= ALL else order[:_HARDEST])
    ]  # fmt: skip
    columns = [
        Column("Class"), Column("Videos", numeric=True), *(Column(_UNKNOWN[key], numeric=True) for key in shown),
        Column("Most taken for"), Column("Share", numeric=True, hint="of its videos, before any is rejected"),
    ]  # fmt: skip
    return table(columns, lines, label=f"Unknown classes of {name}, in percent")


def _shares(place: int, row: Mapping[str, Any], keys: Sequence[str]) -> list[Safe]:
    first, *others = keys
    look = f"--share:{row[first]:.4f};--tone:var(--{series(place)})"
    bar = tag("span", percent(row[first]), class_="bar", style=look)
    return [bar, *(join([percent(row[key])]) for key in others)]


def _pairs(name: str, whole: Matrix) -> Safe:
    pairs = confusion.confused_pairs(whole, _PAIRS)
    if not pairs:
        return tag("p", "No accepted known video is named as another class.", class_="hint")
    lines = [[pair.label, pair.decision, f"{pair.videos:,}", f"{pair.of:,}"] for pair in pairs]
    columns = [Column("Class"), Column("Accepted as"), Column("Videos", numeric=True), Column("Of", numeric=True)]
    return table(columns, lines, label=f"Most confused pairs of known classes of {name}")


def _grid(place: int, name: str, part: Matrix) -> Safe:
    columns = [*part.names, *([confusion.OTHER] if part.counts.shape[1] > len(part.names) else [])]
    head = [tag("th", column, scope="col") for column in columns]
    body = []
    for label, counts in zip(part.names, part.counts, strict=True):
        total = max(int(counts.sum()), 1)
        cells = [
            _counted(int(count) / total, int(count), label, decision)
            for decision, count in zip(columns, counts, strict=True)
        ]
        last = "last" if confusion.is_unknown(label) else None
        body.append(tag("tr", tag("th", label, scope="row"), *cells, class_=last))
    label = f"Confusion matrix of {name}: videos by true class (rows) and decision (columns)"
    inner = tag("table", tag("thead", tag("tr", tag("td"), *head)), tag("tbody", *body), class_="matrix",
                style=f"--tone:var(--{series(place)})", aria_label=label)  # fmt: skip
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=label)


def _counted(share: float, count: int, label: str, decision: str) -> Safe:
    last = "last" if confusion.is_unknown(decision) else None
    if not count:
        return tag("td", class_=last)
    names = f"{label} → {decision}: {plural(count, 'video')}"
    return tag("td", f"{count:,}", title=names, style=f"--share:{share:.2f}", class_=last)


def _heat(place: int, name: str, whole: Matrix) -> Safe:
    """Return the whole matrix as a picture whose cells say their names when pointed at."""
    size = len(whole.names)
    totals = whole.counts.sum(axis=1)
    cells = [
        tag("rect", tag("title", f"{whole.names[row]} → {whole.names[column]}: {whole.counts[row, column]:,}"),
            x=str(column), y=str(row), width="1", height="1",
            opacity=f"{0.2 + 0.8 * whole.counts[row, column] / totals[row]:.2f}")
        for row, column in zip(*whole.counts.nonzero(), strict=True)
    ]  # fmt: skip
    edge = tag("path", d=f"M{size - 1} 0v{size}M0 {size - 1}h{size}", stroke="var(--muted)", stroke_width="0.15")
    return tag("svg", edge, tag("g", *cells, fill=f"var(--{series(place)})"), viewBox=f"0 0 {size} {size}", role="img",
               class_="heat", aria_label=f"Confusion matrix of {name}, all classes; unknown last")  # fmt: skip
