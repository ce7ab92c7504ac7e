"""A study as a page and as files: CSV for every table, one JSON with everything."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from osarbench import __version__
from osarbench.artifacts import storage
from osarbench.reports import study as studies
from osarbench.reports.formats import percent, plural, signed_percent
from osarbench.reports.rendering import render as render_template
from osarbench.reports.study import Study
from osarbench.reports.tables import Cell, Column, Table, cells


def render(found: Study, title: str, skipped: Sequence[dict[str, Any]] = ()) -> str:
    """Return the page.

    Args:
        found: the study.
        title: of the page.
        skipped: videos that could not be read: source, video and reason.
    """
    names = [stream.name for stream in found.streams]
    unknown = len(found.streams[0].unknown)
    over = f"The numbers are over {plural(found.videos, 'known video')} and {plural(unknown, 'unknown one')}."
    if found.left_out:
        over += f" {plural(found.left_out, 'video')} that not every network has are left out."
    if skipped:
        over += f" {plural(len(skipped), 'video')} could not be read; each was left out alone, and is listed below."
    return render_template(
        "study.html",
        title=title,
        over=over,
        top=_top(found, names),
        moved=[_moved(found, "helps"), _moved(found, "hurts")],
        second=names[1],
        first=names[0],
        each=[(position, name, _ranked(found, position, best=True), _ranked(found, position, best=False),
               _pairs(found, position)) for position, name in enumerate(names)],
        classes=_classes(found, names),
        open_=_open(found, names),
        skipped=_skipped(skipped),
        version=__version__,
    )  # fmt: skip


def write(found: Study, folder: Path, title: str, skipped: Sequence[dict[str, Any]] = ()) -> Path:
    """Write the page and its files into a folder, and return the page's path.

    Args:
        found: the study.
        folder: is made if need be.
        title: of the page.
        skipped: videos that could not be read.
    """
    content = {**studies.as_dict(found), "unreadable": list(skipped)}
    storage.write_text(folder / "study.json", json.dumps(content, indent=1) + "\n")
    names = [stream.name for stream in found.streams]
    per_class = [{"class": row.label, "videos": row.videos, **dict(zip(names, row.accuracy, strict=True)),
                  "gain": row.gain, "low": row.low, "high": row.high} for row in found.classes]  # fmt: skip
    _csv(folder / "per_class.csv", pd.DataFrame(per_class))
    pairs = []
    for position, name in enumerate(names):
        counts = studies.closed_counts(found, position)
        mark = name.replace("/", "-")
        _csv(folder / f"confusion_counts.{mark}.csv", _matrix(counts, found.labels, found.labels), index=True)
        shares = studies.normalised(counts)
        _csv(folder / f"confusion_row_norm.{mark}.csv", _matrix(shares, found.labels, found.labels), index=True)
        rows, columns = [*found.labels, *found.sources], [*found.labels, studies.UNKNOWN]
        _csv(folder / f"confusion_open.{mark}.csv", _matrix(found.counts[position], rows, columns), index=True)
        pairs += [{"network": name, **pair._asdict()} for pair in studies.confused_pairs(counts, found.labels)]
    _csv(folder / "confused_pairs.csv", pd.DataFrame(pairs))
    page = folder / "study.html"
    storage.write_text(page, render(found, title, skipped))
    return page


def _csv(file: Path, rows: pd.DataFrame, *, index: bool = False) -> None:
    storage.write_text(file, rows.to_csv(index=index))


def _matrix(counts: Any, rows: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(counts, index=pd.Index(rows, name="class"), columns=list(columns))


def _top(found: Study, names: Sequence[str]) -> Table:
    columns = [Column("Network"), *(Column(f"Top-{k} ↑", numeric=True) for k in studies.TOPS)]
    rows = [
        [Cell(name, position), *cells(*(percent(tops[k]) for k in studies.TOPS))]
        for position, (name, tops) in enumerate(zip(names, found.tops, strict=True))
    ]
    return Table("Accuracy on known videos, in percent", columns, rows)


def _moved(found: Study, verdict: str) -> Table:
    rows = [row for row in found.classes if row.verdict == verdict]
    rows.sort(key=lambda row: (-abs(row.gain), row.label))
    columns = [Column("Class"), Column("Videos", numeric=True), Column("Gain", numeric=True),
               Column("95 % interval", numeric=True)]  # fmt: skip
    lines = [
        cells(row.label, f"{row.videos:,}", signed_percent(row.gain),
              f"{signed_percent(row.low)} to {signed_percent(row.high)}") for row in rows
    ]  # fmt: skip
    return Table(f"Classes that {found.streams[1].name} {verdict}, in percent", columns, lines)


def _ranked(found: Study, stream: int, *, best: bool) -> Table:
    columns = [Column("Class"), Column("Videos", numeric=True), Column("Accuracy ↑", numeric=True)]
    lines = [
        [*cells(row.label, f"{row.videos:,}"), Cell(percent(row.accuracy[stream]), stream, share=row.accuracy[stream])]
        for row in studies.ranked(found, stream, best=best)
    ]
    which = "Best" if best else "Worst"
    return Table(f"{which} classes of {found.streams[stream].name}, in percent", columns, lines)


def _pairs(found: Study, stream: int) -> Table:
    columns = [Column("Class"), Column("Taken for"), Column("Rate", numeric=True), Column("Videos", numeric=True),
               Column("Of", numeric=True)]  # fmt: skip
    pairs = studies.confused_pairs(studies.closed_counts(found, stream), found.labels)
    lines = [cells(its.label, its.decision, percent(its.rate), f"{its.videos:,}", f"{its.support:,}") for its in pairs]
    return Table(f"Most confused pairs of {found.streams[stream].name}", columns, lines)


def _classes(found: Study, names: Sequence[str]) -> Table:
    columns = [Column("Class"), Column("Videos", numeric=True), *(Column(name, numeric=True) for name in names),
               Column("Gain", numeric=True), Column("95 % interval", numeric=True)]  # fmt: skip
    lines = []
    for row in sorted(found.classes, key=lambda its: (its.accuracy[0], its.label)):
        interval = "–" if row.low is None else f"{signed_percent(row.low)} to {signed_percent(row.high)}"
        shares = [Cell(percent(value), position, share=value) for position, value in enumerate(row.accuracy)]
        lines.append([*cells(row.label, f"{row.videos:,}"), *shares, *cells(signed_percent(row.gain), interval)])
    return Table("Accuracy of every class, in percent", columns, lines)


def _open(found: Study, names: Sequence[str]) -> Table:
    """Return how many videos of each class and unknown source are called unknown."""
    columns = [Column("Class or source"), Column("Videos", numeric=True)]
    columns += [Column(f"{name}: {what}", numeric=True) for name in names for what in ("right", "unknown")]
    lines = []
    for row, label in enumerate([*found.labels, *found.sources]):
        known = row < len(found.labels)
        line = cells(label if known else f"(unknown) {label}")
        total = int(found.counts[0][row].sum())
        line += cells(f"{total:,}")
        for counts in found.counts:
            shares = studies.normalised(counts)[row]
            line += cells(percent(shares[row]) if known else "–", percent(shares[-1]))
        lines.append(line)
    return Table("Decisions with an unknown column, in percent", columns, lines)


def _skipped(skipped: Sequence[dict[str, Any]]) -> Table:
    columns = [Column("Video"), Column("Role"), Column("Reason")]
    lines = [cells(f"{its['source']}/{its['video']}", str(its.get("role", "")), str(its["reason"])) for its in skipped]
    return Table("Videos that could not be read", columns, lines)
