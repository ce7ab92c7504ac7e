"""What a setting is annotated with, and whether a value is of it: numbers, text, truth values and choices of them."""

import typing
from types import NoneType, UnionType
from typing import Any

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "none"}


def annotation(plugin: type, key: str) -> Any:
    """Return what a setting of a class's constructor is annotated with; `Any` if with nothing that can be read."""
    try:
        return typing.get_type_hints(plugin.__init__).get(key, Any)  # type: ignore[misc]
    except Exception:  # names that only a type checker sees
        return Any


def fits(value: Any, wanted: Any) -> bool:
    """Say whether a value is of an annotation; of one that is none of the above, any is."""
    if typing.get_origin(wanted) is typing.Literal:
        return value in typing.get_args(wanted)
    if typing.get_origin(wanted) in (typing.Union, UnionType):
        return any(fits(value, one) for one in typing.get_args(wanted))
    if wanted in (int, float):
        return isinstance(value, (int, float) if wanted is float else int) and not isinstance(value, bool)
    return wanted not in _WORDS or isinstance(value, wanted)


def meant(value: Any, wanted: Any) -> Any:
    """Return a value as its annotation reads it: the word "none" as None and 1 as 1.0, where these alone fit.

    >>> meant("none", float | None), meant(1, float), meant(1, int | None), meant("none", str)
    (None, 1.0, 1, 'none')
    """
    if value == "none" and not fits(value, wanted):
        return None
    kinds = (wanted, *typing.get_args(wanted))
    return float(value) if type(value) is int and float in kinds and int not in kinds else value


def words(wanted: Any) -> str:
    """Return what an annotation asks for, in plain words.

    >>> words(int | None)
    'a whole number or none'
    """
    choices = typing.get_args(wanted)
    if typing.get_origin(wanted) is typing.Literal:
        return " or ".join(repr(choice) for choice in choices)
    return " or ".join(map(words, choices)) or _WORDS.get(wanted, str(wanted))
