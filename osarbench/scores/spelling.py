"""Class names that are spelled in two ways: equal numbers are one class, and what else looks alike is said."""

import re
from decimal import Decimal

import pandas as pd

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_COLUMNS = ("label", "predicted")


def equal_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with one spelling of each class whose names are numbers: 3, 3.0 and 03 are one class.

    The spelling that labels have first stays. A table without two spellings is returned as it is.
    """
    first: dict[Decimal, str] = {}
    other: dict[str, str] = {}
    for column in _COLUMNS:
        for name in table[column].unique():
            if isinstance(name, str) and _NUMBER.fullmatch(name):
                kept = first.setdefault(Decimal(name), name)
                if kept != name:
                    other[name] = kept
    return table.assign(**{column: table[column].replace(other) for column in _COLUMNS}) if other else table


def findings(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each two class names that differ in case or blanks alone; nothing is merged.

    Only a name that is predicted and no label of a known video is looked at, for that is what costs accuracy.
    """
    labels = table.loc[table["role"] != "unknown", "label"].unique()
    alike = {_letters(name): name for name in labels}
    found = []
    for name in sorted(set(table["predicted"].unique()) - set(labels)):
        label = alike.get(_letters(name))
        if label is not None:
            count = int((table["predicted"] == name).sum())
            found.append(
                f"'{name}' is predicted {count:,} times and '{label}' is a label: they differ in case or blanks alone, "
                "and count as two classes. Spell them alike if they are one."
            )
    return found


def _letters(name: str) -> str:
    return "".join(name.split()).casefold()
