"""What to expect of one training: how far the numbers of the same command lay apart where that was measured."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from osarbench.protocols import files as benchmark_files
from osarbench.protocols import strict_toml
from osarbench.protocols.protocol import Protocol
from osarbench.protocols.strict_toml import STRICT
from osarbench.scores.metrics.registry import find

Share = Annotated[float, Field(ge=0, le=1)]
#: What a line names of a band.
_TOLD = ("closed_accuracy", "auroc")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Bands:
    """A file in ``benchmarks/bands/``, of the name of its protocol."""

    trainings: int  #: of each method
    conditions: str  #: what differed between them
    protocol: str  #: sha256 of the protocol that they followed
    #: backbone -> method -> metric -> the least and the largest number
    backbones: Mapping[str, Mapping[str, Mapping[str, tuple[Share, Share]]]]


def read(protocol: Protocol) -> Bands | None:
    """Return what was measured of a protocol, None if nothing was, or if it was of other contents."""
    file = benchmark_files.shipped("band").get(protocol.name)
    if file is None:
        return None
    bands: Bands = strict_toml.build(Bands, strict_toml.read(file), str(file))
    return bands if bands.protocol == protocol.sha256 else None


def expectation(protocol: Protocol, backbone: str, methods: Sequence[str]) -> list[str]:
    """Return what a reader of the numbers of one training must know, a line each.

    Args:
        protocol: of the run, which follows it.
        backbone: its name.
        methods: names of those that ran with their published settings.
    """
    bands = read(protocol)
    measured = {} if bands is None else bands.backbones.get(backbone, {})
    lines = [
        "One training: expect other numbers with another seed, processor or number of threads. --seeds 0-4 shows how "
        "far apart they lie."
    ]
    for method in methods:
        if bands is not None and method in measured:
            told = ", ".join(_told(name, *measured[method][name]) for name in _TOLD if name in measured[method])
            lines.append(f"{method}: {bands.trainings} trainings ({bands.conditions}) gave {told}.")
    return lines


def _told(name: str, least: float, largest: float) -> str:
    return f"{find(name).label} {100 * least:.1f} to {100 * largest:.1f}"
