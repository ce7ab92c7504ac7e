"""Checks of a method's settings: one that changes after `fit` is refused, or scores are those of a fresh fit with it.

Two well-known scores, in a suite where a search sets parameters on fitted objects, kept what they had learnt with the
old ones, and were tuned on that.
"""

import inspect
import typing
from collections.abc import Iterator
from typing import Any

from osarbench.checks.check import CheckFailed
from osarbench.checks.method_case import MethodCase, same
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Method, settings_of
from osarbench.plugins.settings import annotation, coerce

FACTORS = (0.5, 2, 0.9, 1.1, 0.25)


def changed_settings_are_refused_or_count(case: MethodCase) -> str:
    """A setting that is changed after fit is refused, or gives the scores of a fresh fit with it."""
    refused: list[str] = []
    followed: list[str] = []
    for name in sorted(settings_of(case.cls)):
        for value in other_values(case, name):
            method, fresh = case.fitted(), with_setting(case, name, value)
            if fresh is None or fresh.head_settings() != method.head_settings() or not hasattr(method, name):
                continue  # another head is another network; and what no attribute holds cannot be changed
            try:
                setattr(method, name, value)
            except (OsarbenchError, AttributeError):
                refused.append(name)
                break
            _compare(case, method, fresh, f"{name}={value!r}")
            followed.append(name)
            break
    return "; ".join(
        f"{what} {', '.join(names)}" for what, names in (("refused", refused), ("followed", followed)) if names
    )


def _compare(case: MethodCase, changed: Method, fresh: Method, what: str) -> None:
    case.learn(fresh, case.data)
    wanted = case.scores(fresh, case.data.test)
    if not same(case.scores(changed, case.data.test), wanted):
        raise CheckFailed(
            f"With {what} set after fit, scores are not those of a fresh fit with it: what was learnt before is kept. "
            "Leave settings to the constructor, as Method does, or learn anew where they change."
        )
    case.learn(changed, case.data)
    if not same(case.scores(changed, case.data.test), wanted):
        raise CheckFailed(
            f"With {what} set after fit, not even another fit gives the scores of a fresh method with it."
        )


def with_setting(case: MethodCase, name: str, value: Any) -> Method | None:
    """Return a fresh instance that differs in one setting; None if it refuses the value."""
    settings = {name: value}
    if not isinstance(case.method, type):
        settings = {
            key: getattr(case.method, key) for key in settings_of(case.cls) if hasattr(case.method, key)
        } | settings
    try:
        return case.cls(**settings)
    except OsarbenchError:
        return None


def other_values(case: MethodCase, name: str) -> Iterator[Any]:
    """Yield values of a setting other than what it has, as its annotation allows, likely ones first."""
    now = getattr(case.new(), name, inspect.signature(case.cls).parameters[name].default)
    wanted = annotation(case.cls, name)
    found: list[Any]
    if isinstance(now, bool):
        found = [not now]
    elif isinstance(now, int):
        found = [round(now * factor) for factor in FACTORS] + [now + 1, now - 1]
    elif isinstance(now, float):
        found = [now * factor for factor in FACTORS] + [now + 0.5, 0.5]
    else:
        found = [2, 0.5, *_choices(wanted)]
    for value in found:
        if value == now:
            continue
        try:
            yield coerce(value, wanted)
        except ValueError:
            continue


def _choices(wanted: Any) -> list[Any]:
    """Return what a literal, or one in a union, may be."""
    if typing.get_origin(wanted) is typing.Literal:
        return list(typing.get_args(wanted))
    return [choice for part in typing.get_args(wanted) for choice in _choices(part)]


CHECKS = (changed_settings_are_refused_or_count,)
