"""Names of folders that say what is in them."""

import re
from typing import Any

from osarbench.digests import text_digest


def of_draw(name: str, draw: int | None) -> str:
    """Return the name of what a step makes, with the draw of classes that it is of.

    >>> of_draw("linear-0", None), of_draw("linear-0", 2)
    ('linear-0', 'draw-2/linear-0')
    """
    return name if draw is None else f"draw-{draw}/{name}"


def setting_in_a_name(setting: tuple[str, Any]) -> str:
    """Return a setting as a part of a folder's name; what may not stand in one is replaced by a digest.

    >>> setting_in_a_name(("temperature", 2.0))
    ',temperature=2.0'
    """
    stated = f",{setting[0]}={setting[1]}"
    return stated if re.fullmatch(r"[\w.,=+-]{1,60}", stated) else f",{setting[0]}={text_digest(setting[1])}"
