"""``videos.csv`` next to the outputs of a network: which videos they are of, so that others can read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

FILE = "videos.csv"
COLUMNS = ("role", "source", "video", "label", "group")


class Facts(NamedTuple):
    """What the manifest of the list states of the outputs next to it."""

    protocol: Mapping[str, str]  #: name and sha256
    backbone: str
    head: str
    seed: int
    classes: Sequence[str]  #: in the order of the logits
    deviations: Mapping[str, Any]  #: from the protocol
    weights: Mapping[str, Any] | None  #: that the network started from


def write(rows: pd.DataFrame, into: Path) -> None:
    """Write the videos, in the order of the index."""
    rows[list(COLUMNS)].to_csv(into, index=False)


def read(file: Path) -> pd.DataFrame:
    """Return the videos; every column is text."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)
