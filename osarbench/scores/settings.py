"""How a scores table is to be evaluated: what its run, its entry or its protocol states."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osarbench.artifacts import manifest
from osarbench.errors import OsarbenchError
from osarbench.scores import table
from osarbench.scores.metrics import settings_of as settings_of_protocol

TABLES = ("scores.csv", "scores.csv.gz")  # what a run calls its scores table
_KEYS = ("quantile", "threshold_from", "threshold_rule", "draws", "seed", "contested", "unknown_parts")


def facts_of(file: Path) -> dict[str, Any]:
    """Return what is known of the making of a scores table: by its manifest, else its first line; empty if nothing is.

    Raises:
        OsarbenchError: the manifest or the first line is damaged.
    """
    made = manifest.read(file)
    return dict(made.get("origin", {})) if made is not None else table.read_facts(file) or {}


def settings_of(file: Path, facts: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings of the ``metrics.json`` next to a scores table, else of its protocol, else none (defaults).

    Args:
        file: the scores table.
        facts: what `facts_of` returned for it, if it was called already.

    Raises:
        OsarbenchError: the ``metrics.json`` or the manifest is damaged.
    """
    written = file.with_name("metrics.json")
    if file.name in TABLES and written.is_file():
        try:
            stated = dict(json.loads(written.read_text(encoding="utf-8"))["settings"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise OsarbenchError(f"{written} is damaged. Delete it and run the same `osarbench run` again.") from error
        return {key: stated[key] for key in _KEYS if key in stated}  # an older one may have fewer
    protocol = (facts_of(file) if facts is None else facts).get("protocol") or {}
    if not protocol:
        return {}
    from osarbench.protocols import protocol as protocols  # it imports pydantic, which few tables need

    try:
        read = protocols.read(protocol["name"])
    except (OsarbenchError, KeyError, TypeError):  # somebody's own protocol
        return {}
    return settings_of_protocol(read) if read.sha256 == protocol.get("sha256") else {}
