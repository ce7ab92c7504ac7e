"""Published numbers are data: one strict TOML file a paper in ``benchmarks/published``, each cell with its convention.

Numbers are in percent, as printed. A row with a ``file`` can be recomputed (`osarbench.published.reproduce`); the
others can only be reported.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

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


class Row(NamedTuple):
    """One line of a published table."""

    protocol: str  #: the known and unknown data sets, as osarbench's protocol of this name; excluded classes may differ
    backbone: str
    method: str
    training: str  #: "kinetics400" (fine-tuned from it) or "scratch"
    numbers: Mapping[str, float]  #: column -> percent
    note: str = ""
    file: str | None = None  #: the scores file it is of, below the folder of published files
    threshold: float | None = None  #: the published one
    threshold_on: Literal["uncertainty", "confidence"] = "uncertainty"  #: a confidence below it is rejected
    position: int = 0  #: methods before this one on the command line that drew the unknown classes


class PublishedTable(NamedTuple):
    """The numbers of one publication."""

    name: str  #: the file's stem
    title: str
    citation: str
    source: str  #: where in the publication or its repository the numbers are
    columns: Mapping[str, str]  #: column -> what it is
    conventions: Mapping[str, Convention]  #: protocol -> how its numbers are computed
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class _Sections:
    title: str
    citation: str
    source: str
    columns: Mapping[str, str]
    conventions: Mapping[str, Convention]
    row: tuple[Mapping[str, Any], ...]


def names() -> list[str]:
    """Return the names that `read` takes."""
    return sorted(benchmark_files.shipped("published table"))


def read(name: str) -> PublishedTable:
    """Return the published numbers of one paper by name, or of a file if it ends in .toml.

    Raises:
        OsarbenchError: no such file, not TOML, an unknown or missing key, or a number outside 0..100.
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
        if not isinstance(value, int | float) or not 0 <= value <= 100:
            raise OsarbenchError(f"{where}: {key} = {value!r} is no percentage.")
    rest = {key: value for key, value in line.items() if key not in numbers}
    return Row(numbers=numbers, **rest)
