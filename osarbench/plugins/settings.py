"""Settings of plugins, held to the annotations of their constructors by pydantic: strictly, and in plain words."""

import inspect
import json
import typing
from collections.abc import Mapping
from typing import Any

from osarbench.errors import OsarbenchError, did_you_mean

LARGEST = 2**63  #: no array, loop or generator takes a whole number as large as this
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number")  #: kinds of errors
_WORDS = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text", "null": "none",
    "array": "a list", "object": "a table",
}  # fmt: skip


def check_settings(kind: str, plugin: type, settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings of a plugin's constructor, each as its annotation reads it (`coerce`).

    Args:
        kind: of the plugin, in the singular, for messages.
        plugin: the class; its settings are the keyword arguments of its constructor.
        settings: as a command or a file states them.
        where: which command or file that is, for messages.

    Raises:
        OsarbenchError: the constructor does not take a setting (the nearest one is named), or not
            such a value.
    """
    taken = [p.name for p in inspect.signature(plugin).parameters.values() if p.kind is p.KEYWORD_ONLY]
    who, fitting = f"the {kind} '{getattr(plugin, 'name', plugin.__name__)}'", dict(settings)
    for key, value in settings.items():
        if key not in taken:
            raise OsarbenchError(
                f"{where}: {who} has no setting '{key}'.{did_you_mean(key, taken)} "
                f"It has: {', '.join(taken) or 'none'}."
            )
        try:
            fitting[key] = coerce(value, annotation(plugin, key))
        except ValueError as error:
            raise OsarbenchError(f"{where}: the setting '{key}' of {who} is {error}.") from error
    return fitting


def annotation(plugin: type, key: str) -> Any:
    """Return what a setting of a class's constructor is annotated with; `Any` if with nothing that can be read."""
    try:
        return typing.get_type_hints(plugin.__init__, include_extras=True).get(key, Any)  # type: ignore[misc]
    except Exception:  # names that only a type checker sees
        return Any


def coerce(value: Any, wanted: Any) -> Any:
    """Return a value as an annotation reads it: the word "none" as None and 1 as 1.0, where these alone fit.

    An annotation that pydantic cannot read lets every value pass.

    >>> coerce("none", float | None), coerce(1, float), coerce(1, int | None), coerce("none", str)
    (None, 1.0, 1, 'none')

    Raises:
        ValueError: the value is not of the annotation; the message completes "the setting is ...".
    """
    # Imported late: listing plugins needs none of it.
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    if type(value) is int and abs(value) >= LARGEST:
        raise ValueError(f"{words(wanted)} below 2^63 in size, not one of {value.bit_length()} bits")
    try:
        adapter = TypeAdapter(wanted, config=ConfigDict(strict=True))
    except PydanticUserError:
        return value
    out_of_bounds = False
    for candidate in (value, None) if value == "none" else (value,):
        try:
            # As JSON, for a setting comes from a file or a command: a list can become a tuple and text a path, while
            # text is never a number.
            read = adapter.validate_json(json.dumps(candidate, default=str))
        except ValidationError as error:
            out_of_bounds |= any(found["type"] in _BOUNDS for found in error.errors())
            continue
        if (type(value) is bool) == (type(read) is bool):  # Literal[1] takes true for 1
            return read
    stated = repr(value)
    raise ValueError(
        f"{words(wanted, bounds=out_of_bounds)}, not {stated if len(stated) <= 60 else stated[:57] + '...'}"
    )


def words(wanted: Any, *, bounds: bool = True) -> str:
    """Return what an annotation asks for, in plain words, with or without the bounds of its numbers.

    >>> from typing import Annotated, Literal
    >>> from pydantic import Field
    >>> words(int | None), words(Literal["a", "b"]), words(Annotated[float, Field(gt=0, le=1)])
    ('a whole number or none', "'a' or 'b'", 'a number above 0 and not above 1')
    """
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        schema = TypeAdapter(wanted).json_schema()
    except PydanticUserError:
        return getattr(wanted, "__name__", str(wanted))
    return _of_schema(schema, schema.get("$defs", {}), bounds) or str(wanted)


def _of_schema(schema: Mapping[str, Any], named: Mapping[str, Any], bounds: bool) -> str:
    """Return what a JSON schema asks for; nothing if it does not say."""
    if "$ref" in schema:
        return _of_schema(named[schema["$ref"].rsplit("/", 1)[-1]], named, bounds)
    if "anyOf" in schema:
        return " or ".join(_of_schema(choice, named, bounds) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join("none" if its is None else repr(its) for its in schema.get("enum", [schema.get("const")]))
    return f"{_WORDS.get(schema.get('type', ''), '')}{_bounds(schema) if bounds else ''}"


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {_number(schema['minimum'])} to {_number(schema['maximum'])}"
    limits = {"exclusiveMinimum": "above", "minimum": "not below", "exclusiveMaximum": "below", "maximum": "not above"}
    stated = [f"{word} {_number(schema[key])}" for key, word in limits.items() if key in schema]
    return f" {' and '.join(stated)}" if stated else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
