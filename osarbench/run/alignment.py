"""Videos of several runs brought into one order; those that a run lacks are named."""

from collections.abc import Sequence

import pandas as pd

from osarbench.errors import OsarbenchError
from osarbench.run import listing
from osarbench.run.parts import Part

KEY = ["role", "source", "video", "nth"]  #: columns that name a video, and a piece of one


def align(found: Sequence[Part]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the videos that all parts have, in the order of the first, and those that a part lacks (column "run").

    Raises:
        OsarbenchError: parts disagree about a video's label.
    """
    first, *others = (keyed(part.rows) for part in found)
    common = first
    for part, rows in zip(found[1:], others, strict=True):
        both = common.merge(rows, on=KEY, suffixes=("", "_there"))
        wrong = both[both["label"] != both["label_there"]]
        if len(wrong):
            one = wrong.iloc[0]
            raise OsarbenchError(
                f"{found[0].name} and {part.name} disagree about {one['source']}/{one['video']}: {one['label']} and "
                f"{one['label_there']}. Their annotations differ."
            )
        common = both[first.columns]
    every = pd.concat([first, *others], ignore_index=True).drop_duplicates(KEY)
    lacking = [
        every[~pd.MultiIndex.from_frame(every[KEY]).isin(pd.MultiIndex.from_frame(rows[KEY]))].assign(run=part.name)
        for part, rows in zip(found, (first, *others), strict=True)
    ]
    return common.reset_index(drop=True), pd.concat(lacking, ignore_index=True)[["run", *listing.COLUMNS]]


def keyed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with a column that tells pieces of one video apart."""
    return rows.assign(nth=rows.groupby(["role", "source", "video"]).cumcount())
