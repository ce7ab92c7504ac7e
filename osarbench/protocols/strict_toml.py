"""TOML files as dataclasses, strictly: an error names file, section and key, and the nearest right key."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from osarbench.errors import OsarbenchError, did_you_mean

#: For pydantic's dataclass decorator.
STRICT = ConfigDict(extra="forbid")
MAX_BYTES = 2**20
MAX_DEPTH = 32
_SURPLUS = ("unexpected_keyword_argument", "extra_forbidden")


def read(file: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        OsarbenchError: it is not TOML, or larger, deeper or of larger numbers than such a file is.
    """
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise OsarbenchError(f"{file} has {size:,} bytes, and no more than {MAX_BYTES:,} are read.")
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise _beyond_depth(file) from error
    except ValueError as error:  # as TOMLDecodeError is, and what numbers of more than 4,300 digits raise
        raise OsarbenchError(f"{file} is not TOML: {str(error)[:300]}.") from error
    _check_limits(content, file)
    return content


def _check_limits(content: Any, file: Path) -> None:
    """Refuse what is nested too deeply, or a whole number that nothing can count to."""
    todo = [(content, 0)]
    while todo:
        value, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise _beyond_depth(file)
        if isinstance(value, dict | list):
            todo += [(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value)]
        elif isinstance(value, int) and abs(value) >= 2**63:
            raise OsarbenchError(f"{file} has a whole number of {value.bit_length()} bits; TOML's have 64 at most.")


def _beyond_depth(file: Path) -> OsarbenchError:
    return OsarbenchError(f"{file} is nested more than {MAX_DEPTH} tables or lists deep.")


def build(kind: type, content: Mapping[str, Any], where: str) -> Any:
    """Return a dataclass of a `STRICT` kind with the content of a file or section.

    Args:
        kind: the dataclass; its sections are dataclasses in turn, alone or in tuples and mappings.
        where: file, or file and section, for messages.

    Raises:
        OsarbenchError: an unknown key (with the nearest right one), a missing one, or a wrong value.
    """
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        # A misspelt key is also a missing one; the spelling is what helps.
        problem = min(error.errors(), key=lambda found: found["type"] not in _SURPLUS)
        *section, key = problem["loc"]
        section_name = f"{where}: [{'.'.join(str(part) for part in section)}]" if section else where
        if problem["type"] in _SURPLUS:
            hint = did_you_mean(str(key), _keys(kind, section))
            raise OsarbenchError(f"{section_name} has no key '{key}'.{hint}") from error
        if problem["type"] in ("missing", "missing_argument"):
            raise OsarbenchError(f"{section_name} needs a key '{key}'.") from error
        raise OsarbenchError(
            f"{section_name}{'' if section else ':'} {key} = {problem['input']!r} is wrong: "
            f"{problem['msg'][0].lower()}{problem['msg'][1:]}."
        ) from error


def _keys(kind: Any, section: Sequence[int | str]) -> list[str]:
    """Return the keys that a section may have, from the types along its path."""
    for part in section:
        kind = get_type_hints(kind).get(str(part)) if is_dataclass(kind) else _inner(kind)
    kind = _inner(kind) if get_args(kind) else kind
    return [field.name for field in fields(kind)] if is_dataclass(kind) else []


def _inner(kind: Any) -> Any:
    """Return the dataclass that an annotation speaks of: that of a tuple's entries, a mapping's values or a choice."""
    return next((argument for argument in get_args(kind) if is_dataclass(argument)), None)
