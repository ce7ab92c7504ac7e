"""Published numbers are data: one strict TOML file a paper in ``benchmarks/published``, each cell with its convention.

Numbers are in percent, as printed. A row with a ``file`` can be recomputed (`osarbench.published.reproduce`); the
others can only be reported.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import strict_toml
from osarbench.protocols.strict_toml import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Convention:
    """``[conventions.PROTOCOL]``: which rows of the files a number is of."""

    text: str
    excluded_unknown: tuple[int, ...] = ()  #: numbers of unknown classes taken out
    chunks: int | None = None  #: metrics are means over so many consecutive parts of the unknown rows
    known_rows: int | None = None  #: what follows these rows counts to the first chunk


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Printed:
    """``[[table]]``: a table as the publication prints it; its rows say that they are in it."""

    name: str
    title: str
    columns: tuple[str, ...]


class Row(NamedTuple):
    """One line of a published table, or of several that share it."""

    protocol: str  #: the known and unknown data sets, as osarbench's protocol of this name; excluded classes may differ
    backbone: str
    method: str
    training: str  #: "kinetics400" (fine-tuned from it) or "scratch"
    numbers: Mapping[str, float]  #: column -> percent, or as the column's scale says
    note: str = ""
    file: str | None = None  #: the scores file it is of, below the folder of published files
    threshold: float | None = None  #: the published one
    threshold_on: Literal["uncertainty", "confidence"] = "uncertainty"  #: a confidence below it is rejected
    position: int = 0  #: methods before this one on the command line that drew the unknown classes
    tables: tuple[str, ...] = ()  #: names of the printed tables that it stands in
    shots: int | None = None  #: unknown videos of a class that the method learns from
    score: str | None = None  #: which score of the file it is, where that holds several


class PublishedTable(NamedTuple):
    """The numbers of one publication."""

    name: str  #: the file's stem
    title: str
    citation: str
    source: str  #: where in the publication or its repository the numbers are
    columns: Mapping[str, str]  #: column -> what it is
    conventions: Mapping[str, Convention]  #: protocol -> how its numbers are computed
    rows: tuple[Row, ...]
    scales: Mapping[str, int]  #: column -> what the number 1 is printed as, where that is not 100
    tables: tuple[Printed, ...] = ()  #: as printed, where the publication has several


@dataclass(frozen=True, kw_only=True, config=STRICT)
class _Sections:
    title: str
    citation: str
    source: str
    columns: Mapping[str, str]
    conventions: Mapping[str, Convention]
    scales: Mapping[str, int] = Field(default_factory=dict)
    table: tuple[Printed, ...] = ()
    row: tuple[Mapping[str, Any], ...]


def names() -> list[str]:
    """Return the names that `read` takes."""
    return sorted(benchmark_files.shipped("published table"))


def read(name: str) -> PublishedTable:
    """Return the published numbers of one paper by name, or of a file if it ends in .toml.

    Raises:
        OsarbenchError: no such file, not TOML, an unknown or missing key, or a number that its column cannot hold.
    """
    file = benchmark_files.find(name, "published table")
    sections: _Sections = strict_toml.build(_Sections, strict_toml.read(file), str(file))
    return PublishedTable(
        name=file.stem,
        title=sections.title,
        citation=sections.citation,
        source=sections.source.strip(),
        columns=sections.columns,
        conventions=sections.conventions,
        scales=sections.scales,
        tables=sections.table,
        rows=tuple(_row(line, sections, f"{file}: [[row]] {at}") for at, line in enumerate(sections.row, start=1)),
    )


def _row(line: Mapping[str, Any], sections: _Sections, where: str) -> Row:
    allowed = [*(field for field in Row._fields if field != "numbers"), *sections.columns]
    for key in line:
        if key not in allowed:
            raise OsarbenchError(f"{where} has no key '{key}'.{did_you_mean(key, allowed)}")
    for key in ("protocol", "backbone", "method", "training"):
        if not isinstance(line.get(key), str):
            raise OsarbenchError(f"{where} needs a key '{key}', a text.")
    if line["protocol"] not in sections.conventions:
        hint = did_you_mean(line["protocol"], sections.conventions)
        raise OsarbenchError(f"{where}: protocol '{line['protocol']}' has no [conventions.{line['protocol']}].{hint}")
    numbers = {key: line[key] for key in sections.columns if key in line}
    for key, value in numbers.items():
        scale = sections.scales.get(key, 100)
        if not isinstance(value, int | float) or not 0 <= value <= scale:
            what = "no percentage" if scale == 100 else f"not from 0 to {scale:,}"
            raise OsarbenchError(f"{where}: {key} = {value!r} is {what}.")
    rest = {key: value for key, value in line.items() if key not in numbers}
    printed = {table.name: table for table in sections.table}
    for name in rest.get("tables", ()):
        if name not in printed:
            raise OsarbenchError(f"{where}: there is no [[table]] '{name}'.{did_you_mean(name, printed)}")
        lacking = [column for column in printed[name].columns if column not in numbers]
        if lacking:
            raise OsarbenchError(f"{where}: table {name} has the column {lacking[0]}, and the row has no such number.")
    return Row(numbers=numbers, **{**rest, "tables": tuple(rest.get("tables", ()))})
