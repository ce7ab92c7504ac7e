"""How much results, and the order of methods, depend on which unknown classes are taken out."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from osarbench.scores.metrics import closed, ranking
from osarbench.scores.metrics.registry import find

NONE = "none"  #: the list that takes nothing out
#: What is shown; the closed accuracy is the same for every list: it has no unknown videos.
METRICS = ("auroc", "fpr95_unknown_first", "oscr")


class Result(NamedTuple):
    """The numbers of one scores table without the classes of one list; None where no unknown video is left."""

    table: str
    list: str
    listed: int  #: classes that the list names
    removed: int  #: of them, those that the table has
    unknown: int  #: unknown videos left
    auroc: float | None
    fpr95_unknown_first: float | None
    oscr: float | None
    closed_accuracy: float | None


class RankReversal(NamedTuple):
    """Two tables whose order a list reverses."""

    list: str
    metric: str
    better: str  #: the table that is better without any list
    worse: str  #: the one that the list puts before it


def sweep(tables: Mapping[str, pd.DataFrame], lists: Mapping[str, Collection[str]]) -> list[Result]:
    """Return the results of sound scores tables without any list, and then for each list without its classes."""
    return [
        _result(name, rows, title, frozenset(classes))
        for title, classes in {NONE: frozenset[str](), **lists}.items()
        for name, rows in tables.items()
    ]


def rank_reversals(results: Iterable[Result]) -> list[RankReversal]:
    """Return every pair of tables and metric whose order is another with a list than without any.

    Whether a difference is more than chance is another question, for a test on the same videos.
    """
    return list(_rank_reversals(list(results)))


def _rank_reversals(results: list[Result]) -> Iterator[RankReversal]:
    cells = {(result.list, result.table): result for result in results}
    tables = list(dict.fromkeys(result.table for result in results))
    for title in dict.fromkeys(result.list for result in results):
        for metric in METRICS:
            for pair in combinations(tables, 2):
                before = [getattr(cells[NONE, table], metric) for table in pair]
                after = [getattr(cells[title, table], metric) for table in pair]
                if None in before or None in after or (before[0] - before[1]) * (after[0] - after[1]) >= 0:
                    continue
                better, worse = pair if (before[0] - before[1]) * find(metric).sign > 0 else pair[::-1]
                yield RankReversal(title, metric, better, worse)


def _result(name: str, rows: pd.DataFrame, title: str, classes: frozenset[str]) -> Result:
    known = rows[rows["role"] == "known"]
    unknown = rows[rows["role"] == "unknown"]
    left = unknown[~unknown["label"].isin(classes)]
    correct = (known["label"] == known["predicted"]).to_numpy()
    order = ranking.rank(known=known["uncertainty"].to_numpy(), unknown=left["uncertainty"].to_numpy(), correct=correct)
    return Result(
        table=name,
        list=title,
        listed=len(classes),
        removed=len(classes & set(unknown["label"])),
        unknown=len(left),
        auroc=ranking.auroc(order),
        fpr95_unknown_first=ranking.fpr_at_tpr(order),
        oscr=ranking.oscr(order),
        closed_accuracy=closed.accuracy(known["label"], known["predicted"]),
    )
