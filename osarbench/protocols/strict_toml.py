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
_SURPLUS = ("unexpected_keyword_argument", "extra_forbidden")


def read(file: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        OsarbenchError: it is not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OsarbenchError(f"{file} is not TOML: {error}.") from error


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
