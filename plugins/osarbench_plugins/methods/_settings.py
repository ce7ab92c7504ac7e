"""Settings that only some numbers make sense for: refused where they are stated, not scored into nonsense."""

import math
from typing import TypeVar

from osarbench.errors import OsarbenchError

Number = TypeVar("Number", int, float)


def within(value: Number, what: str, *, least: float = 0.0, most: float = math.inf) -> Number:
    """Return a setting, if it is from ``least`` to ``most``.

    Raises:
        OsarbenchError: it is not; ``what`` names method and setting.
    """
    if not least <= value <= most:
        bounds = f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise OsarbenchError(f"{what} is {bounds}, {value} is not.")
    return value


def positive(value: Number, what: str) -> Number:
    """Return a setting, if it is above 0.

    Raises:
        OsarbenchError: it is not; ``what`` names method and setting.
    """
    if not 0 < value < math.inf:
        raise OsarbenchError(f"{what} is above 0, {value} is not.")
    return value
