"""Entries of a leaderboard: one file each, a scores table with the facts of its making in the first line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import pandas as pd

from osarbench.artifacts import manifest, storage
from osarbench.errors import OsarbenchError
from osarbench.protocols import draws
from osarbench.protocols.protocol import Protocol
from osarbench.scores import table

#: How a row came about: *run* here from videos, or *re-scored* from a scores file that somebody published.
Tier = Literal["run", "re-scored"]
SUFFIX = ".csv.gz"
_NEEDED = ("protocol", "backbone", "method", "seed", "tier", "osarbench")


class Entry(NamedTuple):
    """One entry of a leaderboard."""

    backbone: str
    method: str
    seed: int
    tier: Tier
    file: Path
    facts: Mapping[str, Any]

    @property
    def draw(self) -> int | None:
        """Which draw of classes it is of, where its protocol has draws."""
        return self.facts.get("draw")

    def rows(self) -> pd.DataFrame:
        """Return its scores table."""
        return table.read(self.file)


def publish_run(scores: Path, folder: Path) -> Path:
    """Copy a run's scores table to ``<folder>/<protocol>/<backbone>/<method>-<seed>.csv.gz``, and return that path.

    Of a draw of classes it is ``<method>-draw<draw>-<seed>.csv.gz``.

    Raises:
        OsarbenchError: there is no such table with its manifest, or the run deviates from its protocol.
    """
    made = manifest.read(scores)
    if made is None:
        raise OsarbenchError(
            f"{scores} has no manifest next to it, so nobody can say what it was made from. Publish the table of a run "
            "(scores.csv in its method's folder), or import somebody else's with `osarbench import --publish`."
        )
    origin = made.get("origin")
    if not isinstance(origin, dict):
        raise OsarbenchError(
            f"{scores} was made by an older osarbench, which did not note where it comes from. Run it again."
        )
    if origin["deviations"]:
        stated = ", ".join(f"{key} = {value}" for key, value in origin["deviations"].items())
        raise OsarbenchError(f"{scores} deviates from its protocol ({stated}), so it cannot enter the leaderboard.")
    facts = {
        **origin,
        "method": scores.parent.name,
        "tier": "run",
        "osarbench": made["osarbench"],
        "python": made["python"],
        "versions": made["identity"]["versions"],
        "made": made["made"],
    }
    return publish(table.read(scores), facts, folder)


def publish(rows: pd.DataFrame, facts: Mapping[str, Any], folder: Path) -> Path:
    """Write a scores table with its facts as one entry, and return its path.

    A run replaces an earlier run of its name and seed, a published file an earlier import of itself.

    Raises:
        OsarbenchError: the table is not sound, a fact is missing, a name cannot be a file's, or the place is taken.
    """
    table.validate(rows)
    missing = [key for key in _NEEDED if key not in facts]
    if missing:
        raise OsarbenchError(f"An entry of a leaderboard needs the facts {', '.join(missing)}.")
    for key in ("backbone", "method"):
        name = str(facts[key])
        if not name or name.startswith(".") or "/" in name or "\\" in name:
            raise OsarbenchError(f"The {key} '{name}' cannot be a file's name. Choose one without slashes.")
    file: Path = folder / facts["protocol"]["name"] / facts["backbone"] / _file_name(facts)
    if file.is_file() and _evidence(there := table.read_facts(file) or {}) != _evidence(facts):
        raise OsarbenchError(
            f"{file} is an entry already: {_told(there)}, not {_told(facts)}. Choose another name for the method, or "
            "delete that file."
        )
    with storage.atomic_write(file) as temporary:
        table.write(rows, temporary, facts=facts)
    return file


def check_sources(rows: pd.DataFrame, protocol: Protocol, where: str) -> None:
    """Raise an `OsarbenchError` if test videos are of other data sets or splits than the protocol's, or not of all."""
    sections = protocol.sections
    wanted = {
        "known": {f"{sections.known.dataset}/{split}" for split in sections.known.test},
        "unknown": {f"{unknown.dataset}/{split}" for unknown in sections.unknown for split in unknown.splits},
    }
    for role, sources in wanted.items():
        found = set(rows.loc[rows["role"] == role, "source"])
        if found != sources:
            raise OsarbenchError(
                f"{where} holds {role} test videos of {', '.join(sorted(found)) or 'no source'}, and the protocol "
                f"'{protocol.name}' tests {', '.join(sorted(sources))}. Publish it under its own protocol; `osarbench "
                f"import` takes sources it cannot guess with --{role}-source."
            )


def read(folder: Path, protocol: Protocol) -> list[Entry]:
    """Return the entries in the folder of a protocol, each checked against the protocol and against the others.

    Raises:
        OsarbenchError: a file has no facts or other rows than it was made with, belongs to another version of the
            protocol, is filed under another name than its own, is not sound, or has other test videos than other runs.
    """
    entries: list[Entry] = []
    first: dict[int | None, tuple[Path, frozenset[tuple[str, str, str]]]] = {}  # by draw of classes
    for file in sorted(folder.glob(f"*/*{SUFFIX}")):
        entry, rows = _checked(file, protocol)
        entries.append(entry)
        if entry.tier == "run":  # published scores files name no videos, and some hold padded rows
            videos = _tested(rows)
            _check_same_videos(file, videos, *first.setdefault(entry.draw, (file, videos)))
    return entries


def _checked(file: Path, protocol: Protocol) -> tuple[Entry, pd.DataFrame]:
    """Return an entry and its rows, if all that it says of itself is so."""
    facts = table.read_facts(file)
    missing = [key for key in _NEEDED if key not in (facts or {})]
    if facts is None or missing:
        raise OsarbenchError(f"{file} does not say in its first line where it comes from. Publish it again.")
    if facts["protocol"] != {"name": protocol.name, "sha256": protocol.sha256}:
        raise OsarbenchError(f"{file} was made with another version of the protocol '{protocol.name}'.")
    if (file.parent.name, file.name) != (facts["backbone"], _file_name(facts)):
        raise OsarbenchError(f"{file} is an entry of {facts['backbone']}/{_file_name(facts)}: it was moved or renamed.")
    if facts["tier"] not in get_args(Tier):
        raise OsarbenchError(f"{file} claims the evidence '{facts['tier']}'; there are: {', '.join(get_args(Tier))}.")
    rows = table.read(file)
    try:
        table.validate(rows)
    except OsarbenchError as error:
        raise OsarbenchError(f"{file}: {error}") from error
    check_sources(rows, protocol, str(file))
    if protocol.sections.draws and facts.get("draw") is None:
        raise OsarbenchError(f"{file} does not say which draw of classes of '{protocol.name}' it is of.")
    protocol = draws.of(protocol, facts.get("draw"))
    excluded = {name for unknown in protocol.sections.unknown for name in unknown.exclude}
    wrong = sorted(set(rows.loc[rows["role"] == "unknown", "label"]) & excluded)
    if wrong:
        raise OsarbenchError(f"{file} holds unknown classes that the protocol excludes: {', '.join(wrong)}.")
    return Entry(facts["backbone"], facts["method"], facts["seed"], facts["tier"], file, facts), rows


def origins(facts: Mapping[str, Any]) -> list[str]:
    """Return the names of the published files that an entry was made from, none for a run."""
    return [str(file["name"]) for file in facts.get("origin", {}).get("files", [])]


def _evidence(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what an entry rests on: equal for two of which the later one may replace the earlier one."""
    return facts.get("tier"), *(file["sha256"] for file in facts.get("origin", {}).get("files", []))


def _told(facts: Mapping[str, Any]) -> str:
    return f"{facts.get('tier')}{''.join(f' from {name}' for name in origins(facts))}"


def _file_name(facts: Mapping[str, Any]) -> str:
    draw = "" if facts.get("draw") is None else f"draw{facts['draw']}-"
    return f"{facts['method']}-{draw}{facts['seed']}{SUFFIX}"


def _tested(rows: pd.DataFrame) -> frozenset[tuple[str, str, str]]:
    """Return the role, source and name of each test video."""
    tested = rows[rows["role"].isin(["known", "unknown"])]
    return frozenset(zip(tested["role"], tested["source"], tested["video"], strict=True))


def _check_same_videos(
    file: Path,
    videos: frozenset[tuple[str, str, str]],
    first_file: Path,
    first_videos: frozenset[tuple[str, str, str]],
) -> None:
    """Refuse an entry whose test videos are not those of the first: their rows could not be compared.

    Args:
        file: of the entry.
        videos: its test videos.
        first_file: of the first entry.
        first_videos: those of the first entry.
    """
    if videos != first_videos:
        only = sorted(videos ^ first_videos)
        raise OsarbenchError(
            f"{file} and {first_file} do not hold the same test videos: {len(only)} are in one of them only, the first "
            f"is {only[0][1]}/{only[0][2]} ({only[0][0]})."
        )
