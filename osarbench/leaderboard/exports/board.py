"""What is exported: every entry of a folder of leaderboards with its numbers, and methods as means over their seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from osarbench.errors import OsarbenchError
from osarbench.leaderboard import entries, pages
from osarbench.leaderboard.entries import Entry
from osarbench.protocols.protocol import Protocol
from osarbench.scores import metrics
from osarbench.scores.metrics.result import Settings


class Scored(NamedTuple):
    """An entry and its headline numbers."""

    protocol: Protocol
    entry: Entry
    numbers: Mapping[str, Any]  #: by metric; shares, None where undefined


class Standing(NamedTuple):
    """The entries of one method on one backbone: its seeds."""

    protocol: Protocol
    backbone: str
    method: str
    tier: str
    seeds: Sequence[Scored]

    def mean(self, metric: str) -> float | None:
        """Return the mean over seeds, None where a seed has no such number."""
        values = self._values(metric)
        return None if values is None else mean(values)

    def spread(self, metric: str) -> float | None:
        """Return the standard deviation over seeds; None of one seed."""
        values = self._values(metric)
        return stdev(values) if values is not None and len(values) > 1 else None

    def _values(self, metric: str) -> list[float] | None:
        values = [scored.numbers[metric] for scored in self.seeds]
        return None if None in values else values


def settings_of(protocol: Protocol) -> Settings:
    """Return how a protocol says that tables are evaluated."""
    stated = metrics.settings_of(protocol)
    return Settings(**{**stated, "contested": tuple(stated["contested"])})


def scored(folder: Path) -> list[Scored]:
    """Return all entries of a folder of leaderboards, by protocol, backbone, method and seed.

    Raises:
        OsarbenchError: there is none, or one is not what it says (`osarbench.leaderboard.entries.read`).
    """
    found = [
        Scored(protocol, entry, metrics.headline(entry.rows(), settings_of(protocol)))
        for protocol, its in pages.folders(folder)
        for entry in entries.read(its, protocol)
    ]
    if not found:
        raise OsarbenchError(
            f"{folder} holds no entries to export. Publish one with `osarbench run --publish` or `osarbench import "
            "--publish`."
        )
    return sorted(found, key=lambda one: (one.protocol.name, one.entry.backbone, one.entry.method, one.entry.seed))


def standings(found: Sequence[Scored]) -> list[Standing]:
    """Return the methods of each backbone and protocol, each with its seeds; within them, the higher AUROC first."""
    grouped: dict[tuple[str, str, str, str], list[Scored]] = {}
    for one in found:
        key = (one.protocol.name, one.entry.backbone, one.entry.method, one.entry.tier)
        grouped.setdefault(key, []).append(one)
    rows = [Standing(seeds[0].protocol, *key[1:], seeds) for key, seeds in grouped.items()]
    return sorted(
        rows, key=lambda row: (row.protocol.name, row.backbone, -(row.mean(pages.RANKED_BY) or 0), row.method)
    )
