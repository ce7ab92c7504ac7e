"""Reading official lists that are JSON: what is there is checked before it is used, and named where it is wrong."""

import json
from pathlib import Path
from typing import Any

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import cannot_be_read


def read_json(file: Path, layout: str, kind: type) -> Any:
    """Return what a JSON file holds.

    Args:
        file: the list.
        layout: of the data set, for the message.
        kind: what is at its top: list or dict.

    Raises:
        OsarbenchError: it is missing, no JSON, or has something else at its top.
    """
    if not file.is_file():
        raise OsarbenchError(f"The list file {file} is missing.\n{layout}")
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise cannot_be_read(file, error) from error
    except (ValueError, RecursionError) as error:
        raise OsarbenchError(f"{file} is no JSON: {error}. Is it complete, and the official file?") from error
    if not isinstance(found, kind):
        raise OsarbenchError(f"{file} holds no {kind.__name__} at its top. Is this the official file?\n{layout}")
    return found


def wrong_entry(file: Path, place: int | str, entry: Any, wanted: str) -> OsarbenchError:
    """Return the error for an entry that is not what it should be."""
    shown = json.dumps(entry)
    shown = shown if len(shown) <= 120 else shown[:120] + "..."
    return OsarbenchError(f"{file}, entry {place}: {shown} is not {wanted}. Is this the official file?")


def folder_name(name: Any) -> bool:
    """Say whether something may be the name of a file: text that leaves no folder."""
    return isinstance(name, str) and bool(name) and name not in (".", "..") and not {"/", "\\", "\0"} & set(name)
