"""Where two results disagree: the videos that one of them gets right and the other does not, and ranks that differ."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from osarbench.reports.results import Result
from osarbench.scores.metrics.ranking import win_shares

Role = Literal["known", "unknown"]
ROLES: tuple[Role, ...] = ("known", "unknown")


class Side(NamedTuple):
    """What one result decides about a video."""

    predicted: str
    rejected: bool
    right: bool | None  #: None: an unknown video, and no threshold to reject it or not
    rank: float  #: share of the known test videos that are less uncertain (ties half)

    def decision(self, label: str) -> str:
        """Return what is decided on the video, whose true class is given."""
        if self.rejected:
            return "rejected"
        return "named rightly" if self.predicted == label else self.predicted


class Case(NamedTuple):
    """One test video and what both results say of it."""

    role: Role
    source: str
    video: str
    label: str
    sides: tuple[Side, Side]


class Chosen(NamedTuple):
    """Some of the videos of one kind, the largest difference of ranks first."""

    title: str
    videos: int | None  #: of this kind, shown or not; None: every video is of it
    cases: list[Case]


class Comparison(NamedTuple):
    """Two results on the videos that both were tested on."""

    names: tuple[str, str]
    shared: int
    #: Role -> videos that [both, only the first, only the second, neither] gets right; None without thresholds.
    right: dict[Role, tuple[int, int, int, int]] | None
    lists: list[Chosen]
    relabelled: bool = False  #: whether a video has two labels; if so, nothing is compared


def compare(first: Result, second: Result, *, limit: int = 6) -> Comparison:
    """Return where two results disagree at their own thresholds, and the ranks that differ most.

    Right is: a known video that is accepted with its class, an unknown one that is rejected. Without a threshold in
    both, ranks alone are compared. A rank is the share of known test videos that are less uncertain, so results of any
    scale compare.
    """
    ours, theirs = _sides(first), _sides(second)
    both = ours.merge(theirs, on=["source", "video"], suffixes=("_0", "_1"), validate="1:1")
    names = (first.name, second.name)
    if ((both["role_0"] != both["role_1"]) | (both["label_0"] != both["label_1"])).any():
        return Comparison(names, 0, None, [], relabelled=True)
    both = both.rename(columns={"role_0": "role", "label_0": "label"})
    both["shift"] = (both["rank_0"] - both["rank_1"]).abs()
    both = both.sort_values(["shift", "source", "video"], ascending=[False, True, True])
    decided = all(one.metrics["thresholded"]["threshold"] is not None for one in (first, second))
    lists = list(_one_sided(both, names, limit)) if decided else []
    lists.append(Chosen("Largest differences of rank", None, _cases(both.head(limit))))
    right = {role: _counts(both[both["role"] == role]) for role in ROLES} if decided else None
    return Comparison(names, len(both), right, lists)


def _sides(result: Result) -> pd.DataFrame:
    rows = result.rows[result.rows["role"].isin(ROLES)]
    uncertainty = rows["uncertainty"].to_numpy(np.float64)
    is_known = (rows["role"] == "known").to_numpy()
    threshold = result.metrics["thresholded"]["threshold"]
    rejected = np.zeros(len(rows), bool) if threshold is None else uncertainty > threshold
    named = (rows["label"] == rows["predicted"]).to_numpy()
    return rows[["role", "source", "video", "label", "predicted"]].assign(
        rejected=rejected,
        right=np.where(is_known, named & ~rejected, rejected),
        decided=is_known | (threshold is not None),
        rank=win_shares(uncertainty, uncertainty[is_known]),
    )


def _one_sided(both: pd.DataFrame, names: tuple[str, str], limit: int) -> list[Chosen]:
    lists = []
    for role, verb in (("unknown", "rejected"), ("known", "accepted and named rightly")):
        for one, other in ((0, 1), (1, 0)):
            found = both[(both["role"] == role) & both[f"right_{one}"] & ~both[f"right_{other}"]]
            title = f"{role.capitalize()} videos {verb} by {names[one]}, not by {names[other]}"
            lists.append(Chosen(title, len(found), _cases(found.head(limit))))
    return lists


def _counts(both: pd.DataFrame) -> tuple[int, int, int, int]:
    first, second = both["right_0"], both["right_1"]
    masks = (first & second, first & ~second, ~first & second, ~first & ~second)
    both_right, only_first, only_second, neither = (int(mask.sum()) for mask in masks)
    return both_right, only_first, only_second, neither


def _cases(rows: pd.DataFrame) -> list[Case]:
    return [
        Case(
            row["role"], row["source"], row["video"], row["label"],
            (_side(row, 0), _side(row, 1)),
        )
        for row in rows.to_dict("records")
    ]  # fmt: skip


def _side(row: Mapping[Any, Any], position: int) -> Side:
    return Side(
        predicted=str(row[f"predicted_{position}"]),
        rejected=bool(row[f"rejected_{position}"]),
        right=bool(row[f"right_{position}"]) if row[f"decided_{position}"] else None,
        rank=float(row[f"rank_{position}"]),
    )
