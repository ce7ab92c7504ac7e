"""Names of folders that say what is in them."""

import re
from typing import Any

from osarbench.digests import text_digest


def setting_in_a_name(setting: tuple[str, Any]) -> str:
    """Return a setting as a part of a folder's name; what may not stand in one is replaced by a digest.

    >>> setting_in_a_name(("temperature", 2.0))
    ',temperature=2.0'
    """
    stated = f",{setting[0]}={setting[1]}"
    return stated if re.fullmatch(r"[\w.,=+-]{1,60}", stated) else f",{setting[0]}={text_digest(setting[1])}"
