"""The part of a report's page on classes: best, worst, hardest, most confused, and the confusion matrix."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from osarbench.reports import confusion
from osarbench.reports.confusion import Matrix
from osarbench.reports.formats import percent, plural
from osarbench.reports.results import Result
from osarbench.reports.tables import Cell, Column, Table, cells

#: Up to this many classes are all shown.
ALL = 14
_EACH = 5  # of the best and of the worst, where not all are shown
_HARDEST = 10
BLOCK = 10  # classes of the most confused part of a large matrix
_PAIRS = 10
_FACTS = 5  # of a backbone's

_KNOWN = {
    "closed_accuracy": "Accuracy ↑",
    "known_accepted": "Accepted ↑",
    "f1": "F1 ↑",
    "class_auroc": "AUROC ↑",
}
_UNKNOWN = {"unknown_rejected": "Rejected ↑", "class_auroc": "AUROC ↑"}


class Listing(NamedTuple):
    """Classes in a table, and how many of all they are where not all are shown."""

    table: Table
    some: str


class Count(NamedTuple):
    """A cell of a small matrix: videos, their share of the true class, and its tooltip."""

    videos: int
    share: float
    hint: str
    last: bool  #: whether its decision is "unknown"


class Row(NamedTuple):
    """A row of a small matrix: a true class."""

    label: str
    cells: list[Count]
    last: bool  #: whether it is the unknown


class Grid(NamedTuple):
    """A matrix small enough for a table."""

    columns: list[str]
    rows: list[Row]


class Spot(NamedTuple):
    """A cell of a large matrix that is not empty."""

    row: int
    column: int
    opacity: float
    hint: str


class Heat(NamedTuple):
    """A matrix as a picture."""

    size: int  #: known classes and the unknown
    cells: list[Spot]


class Confusion(NamedTuple):
    """The confusion matrix of one result: all of it in a table, or its most confused part and all as a picture."""

    name: str
    position: int
    known: int  #: classes
    part: Grid
    whole: Heat | None


def known(position: int, result: Result) -> Listing:
    """Return the known classes of a result from worst to best."""
    rows = result.metrics["per_class"]["known"]
    shown = [key for key in _KNOWN if all(key in row for row in rows.values())]
    by = "f1" if "f1" in shown else "closed_accuracy"
    order = sorted(rows, key=lambda label: (rows[label][by], rows[label]["closed_accuracy"], label))
    lines = [[*cells(label, f"{rows[label]['videos']:,}"), *_shares(position, rows[label], shown)] for label in order]
    if len(order) > ALL:
        lines = [*lines[:_EACH], cells("…", *[""] * (len(shown) + 1)), *lines[-_EACH:]]
    columns = [Column("Class"), Column("Videos", numeric=True), *(Column(_KNOWN[key], numeric=True) for key in shown)]
    return Listing(Table(f"Known classes of {result.name}, in percent", columns, lines), _some(len(rows), 2 * _EACH))


def unknown(position: int, result: Result) -> Listing:
    """Return the unknown classes of a result, those that pass for known ones first."""
    rows = result.metrics["per_class"]["unknown"]
    shown = [key for key in _UNKNOWN if all(key in row for row in rows.values())]
    order = sorted(rows, key=lambda label: ([rows[label][key] for key in shown], label))
    lines = [
        [*cells(label, f"{rows[label]['videos']:,}"), *_shares(position, rows[label], shown),
         *cells(rows[label]["most_predicted"], percent(rows[label]["purity"]))]
        for label in (order if len(order) <= ALL else order[:_HARDEST])
    ]  # fmt: skip
    columns = [
        Column("Class"), Column("Videos", numeric=True), *(Column(_UNKNOWN[key], numeric=True) for key in shown),
        Column("Most taken for"), Column("Share", numeric=True, hint="of its videos, before any is rejected"),
    ]  # fmt: skip
    return Listing(Table(f"Unknown classes of {result.name}, in percent", columns, lines), _some(len(rows), _HARDEST))


def pairs(result: Result) -> Table | None:
    """Return the pairs of known classes that are confused most; None if there is no threshold to decide with."""
    whole = confusion.matrix(result.metrics)
    if whole is None:
        return None
    found = confusion.confused_pairs(whole, _PAIRS)
    lines = [cells(pair.label, pair.decision, f"{pair.videos:,}", f"{pair.of:,}") for pair in found]
    columns = [Column("Class"), Column("Accepted as"), Column("Videos", numeric=True), Column("Of", numeric=True)]
    return Table(f"Most confused pairs of known classes of {result.name}", columns, lines)


def matrices(results: Sequence[Result]) -> list[Confusion]:
    """Return the confusion matrices of the results that have a threshold to decide with."""
    found = [(position, result, confusion.matrix(result.metrics)) for position, result in enumerate(results)]
    return [_confusion(position, result.name, whole) for position, result, whole in found if whole is not None]


def diagnostics(result: Result) -> Listing | None:
    """Return what the backbone says of the test videos of each class, means, the lowest first; None if nothing."""
    if not result.classes:
        return None
    names = list(dict.fromkeys(name for means in result.classes.values() for name in means))[:_FACTS]
    roles = result.rows[result.rows["role"].isin(["known", "unknown"])]
    role_of = {(source, label): role for source, label, role in roles[["source", "label", "role"]].to_numpy()}
    order = sorted(result.classes, key=lambda key: ([result.classes[key].get(name, 0.0) for name in names], key))
    lines = [
        cells(
            label,
            source,
            role_of.get((source, label), ""),
            *(_mean(result.classes[source, label], name) for name in names),
        )
        for source, label in order
    ]
    if len(order) > ALL:
        lines = [*lines[:_EACH], cells("…", *[""] * (len(names) + 2)), *lines[-_EACH:]]
    columns = [Column("Class"), Column("Source"), Column("Role")]
    columns += [Column(name.replace("_", " ").capitalize(), numeric=True) for name in names]
    table = Table(f"What the backbone of {result.name} says of each class", columns, lines)
    return Listing(table, _some(len(order), 2 * _EACH))


def _mean(means: Mapping[str, float], name: str) -> str:
    return f"{means[name]:.3f}" if name in means else ""


def _confusion(position: int, name: str, whole: Matrix) -> Confusion:
    count = len(whole.names) - 1
    if count <= ALL:
        return Confusion(name, position, count, _grid(whole), None)
    return Confusion(name, position, count, _grid(confusion.most_confused(whole, BLOCK)), _heat(whole))


def _some(count: int, shown: int) -> str:
    return "" if count <= ALL else f" ({shown} of {count})"


def _shares(position: int, row: Mapping[str, Any], keys: Sequence[str]) -> list[Cell]:
    first, *others = keys
    return [Cell(percent(row[first]), position, share=row[first]), *cells(*(percent(row[key]) for key in others))]


def _grid(part: Matrix) -> Grid:
    columns = [*part.names, *([confusion.OTHER] if part.counts.shape[1] > len(part.names) else [])]
    rows = [
        Row(label, list(_counts(label, columns, counts.tolist())), confusion.is_unknown(label))
        for label, counts in zip(part.names, part.counts, strict=True)
    ]
    return Grid(columns, rows)


def _counts(label: str, columns: Sequence[str], counts: Sequence[int]) -> Iterator[Count]:
    total = max(sum(counts), 1)
    for decision, count in zip(columns, counts, strict=True):
        hint = f"{label} → {decision}: {plural(count, 'video')}"
        yield Count(count, count / total, hint, confusion.is_unknown(decision))


def _heat(whole: Matrix) -> Heat:
    totals = whole.counts.sum(axis=1)
    spots = []
    for row, column in zip(*(indices.tolist() for indices in whole.counts.nonzero()), strict=True):
        hint = f"{whole.names[row]} → {whole.names[column]}: {whole.counts[row, column]:,}"
        spots.append(Spot(row, column, 0.2 + 0.8 * float(whole.counts[row, column] / totals[row]), hint))
    return Heat(len(whole.names), spots)
