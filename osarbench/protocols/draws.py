"""Draws of classes: a protocol with ``[[draws]]`` is several experiments, which differ in what is known.

A draw names known classes. The other classes of the same data set are unknown; other unknown data sets stay as they
are. Which classes are known moves results as a training's seed does, so that a method is reported over all draws.
"""

from collections.abc import Sequence
from dataclasses import replace

from osarbench.errors import OsarbenchError
from osarbench.protocols.protocol import Protocol, Unknown


def of(protocol: Protocol, number: int | None) -> Protocol:
    """Return the protocol of one draw; the protocol itself for None.

    Raises:
        OsarbenchError: it has no draws, not so many, or was drawn already.
    """
    if number is None:
        return protocol
    check(protocol, [number])
    if protocol.draw is not None:
        raise ValueError(f"{protocol.title} is of one draw already")
    known = protocol.sections.draws[number].known
    sections = replace(
        protocol.sections,
        known=replace(protocol.sections.known, classes=known),
        unknown=tuple(_without(part, known, protocol, number) for part in protocol.sections.unknown),
    )
    return protocol._replace(sections=sections, draw=number)


def check(protocol: Protocol, numbers: Sequence[int]) -> None:
    """Raise an `OsarbenchError` if a protocol does not have the draws of these numbers, which count from 0."""
    count = len(protocol.sections.draws)
    if numbers and not count:
        raise OsarbenchError(
            f"The protocol '{protocol.name}' has no draws of classes: its known classes are always the same. Leave out "
            "--draws."
        )
    for number in numbers:
        if not 0 <= number < count:
            there = f"{count} draws, 0 to {count - 1}" if count > 1 else "one draw, number 0"
            raise OsarbenchError(f"There is no draw {number} of the protocol '{protocol.name}': it has {there}.")


def _without(part: Unknown, known: Sequence[str], protocol: Protocol, number: int) -> Unknown:
    """Return unknown videos without the classes that are known in a draw."""
    if part.dataset != protocol.sections.known.dataset:
        return part
    drawn = dict.fromkeys(known, f"known in draw {number}")
    return replace(
        part,
        classes=tuple(name for name in part.classes if name not in drawn),
        exclude={**part.exclude, **drawn},
        contested={name: why for name, why in part.contested.items() if name not in drawn},
    )
