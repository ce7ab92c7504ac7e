"""Unknown classes that may be known ones under another name, found from scores tables and class names alone.

A network that was trained on an action calls it by its name wherever it meets it: an unknown class whose videos nearly
all fall into one known class repeats that class, or looks much like it. Classes found so are candidates for
manual review. The measure is `purity` of `osarbench.scores.metrics.per_class`, pooled over tables.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from osarbench.audits import names
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.protocols.protocol import Protocol
from osarbench.scores import table

#: From here on, a class is shown: half of its videos fall into one known class, or half of the words agree.
NOTABLE = 0.5


class Candidate(NamedTuple):
    """One unknown class and what speaks for a known class that it repeats."""

    name: str
    evidence: float  #: 1 - (1 - purity)(1 - similarity), for the order only: it is no probability
    purity: float  #: share of its videos, in all tables, that fall into its most frequent predicted class
    most_predicted: str
    similarity: float  #: of its name to that of `similar_to`
    similar_to: str  #: the known class whose name is most alike; empty where no word is shared
    videos: int  #: rows, in all tables
    status: str  #: what the protocol says: "excluded", "contested", or nothing
    reason: str  #: the protocol's
    lists: tuple[str, ...]  #: exclusion lists that name it


def candidates(
    tables: Iterable[pd.DataFrame],
    *,
    protocol: Protocol | None = None,
    lists: Mapping[str, Iterable[str]] | None = None,
) -> list[Candidate]:
    """Return every unknown class of scores tables, the strongest candidate for a review first.

    Args:
        tables: sound ones (`check`), of one or several methods on the same videos.
        protocol: its excluded and contested classes are marked.
        lists: name -> classes, to say which lists name a class.
    """
    rows = pd.concat(list(tables), ignore_index=True)
    unknown = rows["role"] == "unknown"
    known_names = sorted({*rows.loc[~unknown, "label"], *rows["predicted"]})
    landed = pd.crosstab(rows.loc[unknown, "label"], rows.loc[unknown, "predicted"])
    marks = _marks(protocol)
    found = []
    for name, counts in zip(landed.index, landed.to_numpy(), strict=True):
        purity, match = float(counts.max() / counts.sum()), names.nearest(name, known_names)
        naming = tuple(title for title, classes in (lists or {}).items() if name in classes)
        evidence = 1 - (1 - purity) * (1 - match.similarity)
        found.append(
            Candidate(
                name, evidence, purity, landed.columns[int(counts.argmax())], match.similarity, match.name,
                int(counts.sum()), *marks.get(name, ("", "")), naming,
            )
        )  # fmt: skip
    return sorted(found, key=lambda candidate: (-candidate.evidence, -candidate.purity, candidate.name))


def check(tables: Mapping[str, pd.DataFrame], protocol: Protocol | None = None) -> None:
    """Raise an `OsarbenchError` if tables are not sound, not of the same classes, or not of a protocol."""
    unknown: dict[str, set[str]] = {}
    for name, rows in tables.items():
        try:
            table.validate(rows)
            if protocol is not None:
                check_protocol(rows, protocol)
        except OsarbenchError as error:
            raise OsarbenchError(f"{name}: {error}") from error
        unknown[name] = set(rows.loc[rows["role"] == "unknown", "label"])
    first, *others = unknown
    for name in others:
        differing = sorted(unknown[first] ^ unknown[name])
        if differing:
            raise OsarbenchError(
                f"{first} and {name} do not have the same unknown classes: {', '.join(differing[:5])} "
                f"{'are' if len(differing) > 1 else 'is'} in one only. Compare tables of one protocol."
            )


def check_protocol(rows: pd.DataFrame, protocol: Protocol) -> None:
    """Raise an `OsarbenchError` if data sets or classes of a table are not those that the protocol's file names.

    No data set need be there for it, so classes that the file does not name are believed.
    """
    sections = protocol.sections
    unknown = set(rows.loc[rows["role"] == "unknown", "label"])
    stated = {label for part in sections.unknown for label in part.classes}
    if all(part.classes for part in sections.unknown):
        _refuse(unknown - stated, stated, f"unknown class of the protocol '{protocol.name}'")
    if sections.known.classes:
        known = set(rows.loc[rows["role"] != "unknown", "label"])
        its = sections.known.classes
        _refuse(known - set(its), its, f"known class of the protocol '{protocol.name}'")
    named = set(_marks(protocol))
    if named and not stated and not named & unknown:
        raise OsarbenchError(
            f"The table has none of the {len(named)} unknown classes that the protocol '{protocol.name}' excludes or "
            "contests. Name the protocol that the table is of, or leave --protocol out."
        )
    _check_datasets(rows, protocol)


def without_excluded(rows: pd.DataFrame, protocol: Protocol) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that a protocol tests, and those of the unknown classes that it excludes.

    Raises:
        OsarbenchError: the table is not of the protocol's data sets or classes.
    """
    check_protocol(rows, protocol)
    excluded = [label for unknown in protocol.sections.unknown for label in unknown.exclude]
    left_out = (rows["role"] == "unknown") & rows["label"].isin(excluded)
    return rows[~left_out].reset_index(drop=True), rows[left_out]


def _check_datasets(rows: pd.DataFrame, protocol: Protocol) -> None:
    """Compare the data sets in the column ``source`` ("hmdb51/test1") with the protocol's."""
    sections = protocol.sections
    for role, right in (("known", {sections.known.dataset}), ("unknown", {its.dataset for its in sections.unknown})):
        sources = rows.loc[rows["role"] == role, "source"]
        there = set(sources[sources.str.contains("/")].str.partition("/")[0])
        if there - right:
            raise OsarbenchError(
                f"The {role} videos are of {', '.join(sorted(there - right))}, and in the protocol '{protocol.name}' "
                f"they are of {', '.join(sorted(right))}. Name the protocol that the table is of."
            )


def _refuse(wrong: set[str], right: Iterable[str], what: str) -> None:
    if wrong:
        first, *others = sorted(wrong)
        more = f" (and {len(others)} more)" if others else ""
        raise OsarbenchError(f"The table's class '{first}' is no {what}{more}.{did_you_mean(first, right)}")


def _marks(protocol: Protocol | None) -> dict[str, tuple[str, str]]:
    marks: dict[str, tuple[str, str]] = {}
    for part in protocol.sections.unknown if protocol is not None else ():
        marks |= {label: ("contested", reason) for label, reason in part.contested.items()}
        marks |= {label: ("excluded", reason) for label, reason in part.exclude.items()}
    return marks
