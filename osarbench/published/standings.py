"""Do methods keep their order when only the way of computing changes? The same score files, seen in several ways.

Everything here is computed from published score files alone. The matched operating point accepts 95 % of the known
*test* videos: nobody could choose it in practice, so it is a diagnosis and no result.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from osarbench.published.reproduce import UNKNOWN_CLASSES, open_counts
from osarbench.published.scores import Scores
from osarbench.published.tables import PublishedTable, Row
from osarbench.scores.metrics import ranking, thresholds
from osarbench.scores.metrics.expectation import expected_open_macro_f1

REJECTED = "unknown rejected, 95 % of known accepted"
MATCHED_F1 = "open macro-F1, 95 % of known accepted"
LOWER_IS_BETTER = ("FPR95",)


class Standing(NamedTuple):
    """The methods of one published comparison, in several views of the same files."""

    protocol: str
    backbone: str
    training: str
    reference: str  #: the view that the publication ranks by
    values: dict[str, dict[str, float]]  #: view -> method -> percent


class RankReversal(NamedTuple):
    """A view in which pairs of methods are ranked the other way round from the publication's own."""

    view: str
    order: list[str]  #: methods, best first
    pairs: list[tuple[str, str]]  #: (better here, better in the publication)
    compared: int  #: pairs that differ in both


def standings(
    published: PublishedTable, files: Mapping[str, Scores], lists: Mapping[str, Mapping[str, Collection[int]]]
) -> list[Standing]:
    """Return a standing for every group of rows with the same protocol, backbone and training, two files at least.

    Args:
        files: those that are there, by the path in the table (`osarbench.published.reproduce.Reproduction`).
        lists: unknown data set -> title of a list -> numbers of the classes that it takes out.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in published.rows:
        if row.file in files and row.numbers:
            groups.setdefault((row.protocol, row.backbone, row.training), []).append(row)
    return [_standing(rows, files, lists) for rows in groups.values() if len(rows) > 1]


def rank_reversals(standing: Standing) -> list[RankReversal]:
    """Return, for every view but the reference, the pairs of methods whose order is reversed.

    Whether a difference is more than chance is another question, for a test on the same videos.
    """
    return [_reversal(standing, view, values) for view, values in standing.values.items() if view != standing.reference]


def order(standing: Standing, view: str) -> list[str]:
    """Return the methods of a view, best first."""
    values = standing.values[view]
    return sorted(values, key=lambda method: values[method] * _sign(view), reverse=True)


def _reversal(standing: Standing, view: str, values: Mapping[str, float]) -> RankReversal:
    reference = standing.values[standing.reference]
    pairs, compared = [], 0
    for first, second in combinations([method for method in reference if method in values], 2):
        before = (reference[first] - reference[second]) * _sign(standing.reference)
        after = (values[first] - values[second]) * _sign(view)
        compared += before * after != 0
        if before * after < 0:
            pairs.append((first, second) if after > 0 else (second, first))
    return RankReversal(view, order(standing, view), pairs, compared)


def _sign(view: str) -> int:
    return -1 if view.startswith(LOWER_IS_BETTER) else 1


def _standing(
    rows: list[Row], files: Mapping[str, Scores], lists: Mapping[str, Mapping[str, Collection[int]]]
) -> Standing:
    values: dict[str, dict[str, float]] = {}
    unknown = rows[0].protocol.rpartition("-")[2]
    columns = [name for name in rows[0].numbers if name in ("open_set_auc", "open_macro_f1", "auroc")]
    for row in rows:
        for name in columns:
            values.setdefault(f"{name} as published", {})[row.method] = row.numbers[name]
        for view, value in _views(files[str(row.file)], lists.get(unknown, {}), UNKNOWN_CLASSES[unknown]):
            values.setdefault(view, {})[row.method] = value
    return Standing(rows[0].protocol, rows[0].backbone, rows[0].training, f"{columns[0]} as published", values)


def _views(scores: Scores, lists: Mapping[str, Collection[int]], unknown_classes: int) -> Iterator[tuple[str, float]]:
    known, unknown = scores.known.uncertainty, scores.unknown.uncertainty
    for title, classes in {"": (), **lists}.items():
        kept = unknown[~np.isin(scores.unknown.labels, list(classes))]
        seen = ranking.rank(known=known, unknown=kept)
        suffix = f", without {title}" if title else ""
        yield from _percent(f"AUROC{suffix}", ranking.auroc(seen))
        yield from _percent(f"FPR95{suffix}", ranking.fpr_at_tpr(seen))
    threshold = thresholds.quantile_threshold(known)
    assert threshold is not None
    yield from _percent(REJECTED, 1 - (thresholds.accepted_share(unknown, threshold) or 0.0))
    if scores.unknown.labels.max() < unknown_classes and len(set(scores.unknown.labels.tolist())) == unknown_classes:
        f1 = expected_open_macro_f1(open_counts(scores, threshold, unknown_classes))
        yield from _percent(MATCHED_F1, f1 and f1.value)


def _percent(view: str, value: float | None) -> Iterator[tuple[str, float]]:
    if value is not None:
        yield view, 100 * value
