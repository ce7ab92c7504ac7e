"""Published lists of unknown classes that repeat a known one: data, one strict TOML file for each unknown data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import strict_toml
from osarbench.protocols.protocol import Protocol
from osarbench.protocols.strict_toml import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ListSection:
    """``[lists.NAME]``: one list, either its classes or the union of other lists."""

    title: str
    source: str  #: the paper, repository and place in it
    classes: tuple[str, ...] = ()
    union: tuple[str, ...] = ()  #: names of lists
    needs_review: bool = False  #: nobody has looked at the videos yet


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Sections:
    """What a file of lists holds."""

    title: str
    dataset: str  #: the unknown one
    known: str  #: the known one, whose classes the reasons name
    lists: Mapping[str, ListSection]
    classes: Mapping[str, str] = Field(default_factory=dict)  #: class -> what the known data set has of it


class ExclusionList(NamedTuple):
    """One list, its classes resolved."""

    title: str
    source: str
    classes: Mapping[str, str]  #: class -> reason
    needs_review: bool
    union: tuple[str, ...] = ()  #: the lists it is the union of


def read(name: str) -> dict[str, ExclusionList]:
    """Return the lists of an unknown data set by name, or of a file if it ends in .toml.

    Raises:
        OsarbenchError: no such file, not TOML, an unknown or missing key, a class without a reason or a reason without
            a list, or a union of lists that are not there.
    """
    file = benchmark_files.find(name, "exclusion list")
    sections: Sections = strict_toml.build(Sections, strict_toml.read(file), str(file))
    lists = {name: _resolve(name, sections, file) for name in sections.lists}
    unused = sorted(set(sections.classes) - {label for its in lists.values() for label in its.classes})
    if unused:
        raise OsarbenchError(f"{file}: no list names {', '.join(unused)}, which [classes] gives a reason for.")
    return lists


def of_protocol(protocol: Protocol) -> dict[str, ExclusionList]:
    """Return the excluded classes of a protocol as a list, and these with the contested ones; either may be empty."""
    excluded = {label: why for part in protocol.sections.unknown for label, why in part.exclude.items()}
    contested = {label: why for part in protocol.sections.unknown for label, why in part.contested.items()}
    source = f"the protocol {protocol.name}, [unknown.exclude]"
    wide = ExclusionList("excluded or contested", f"{source} and [unknown.contested]", excluded | contested, False)
    return {"excluded": ExclusionList("excluded", source, excluded, False), "excluded+contested": wide}


def _resolve(name: str, sections: Sections, file: Path) -> ExclusionList:
    section = sections.lists[name]
    where = f"{file}: [lists.{name}]"
    if bool(section.classes) == bool(section.union):
        raise OsarbenchError(f"{where} needs either classes or a union of other lists.")
    for other in section.union:
        if other not in sections.lists or not sections.lists[other].classes:
            plain = [key for key, its in sections.lists.items() if its.classes]
            raise OsarbenchError(f"{where}: there is no list of classes '{other}'.{did_you_mean(other, plain)}")
    named = {*section.classes, *(label for other in section.union for label in sections.lists[other].classes)}
    for label in sorted(named):
        if label not in sections.classes:
            raise OsarbenchError(
                f"{where}: the class '{label}' has no reason in [classes].{did_you_mean(label, sections.classes)}"
            )
    reasons = {label: sections.classes[label] for label in sorted(named)}
    return ExclusionList(section.title, section.source, reasons, section.needs_review, section.union)
