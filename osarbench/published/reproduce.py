"""A published table next to what its own files give, cell by cell, in the publication's own way of computing."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from osarbench.errors import OsarbenchError
from osarbench.published import few_shot, npz, uosr
from osarbench.published.few_shot import FewShot
from osarbench.published.scores import FloatArray, Part, Scores
from osarbench.published.tables import Convention, PublishedTable, Row
from osarbench.scores.metrics import closed, openness, ranking, thresholds

Numbers = dict[str, float]
#: Unknown data set -> its classes, by which open macro-F1 is defined.
UNKNOWN_CLASSES = {"hmdb51": 51, "mit": 305}
KNOWN_CLASSES = 101


class Cell(NamedTuple):
    """One number of a published table; in percent, unless its column has a scale."""

    row: Row
    column: str
    published: float
    recomputed: float
    plain: float | None  #: of every row of the file at once, no class taken out; None where that is the same definition
    #: What it is whatever the order of tied rows, where the published number depends on that.
    order_free: float | None = None
    #: Few-shot scores whose scale owes nothing to test videos, where the file allows it.
    without_test: float | None = None

    @property
    def off(self) -> float:
        """Recomputed - published, in points."""
        return self.recomputed - self.published


class Reproduction(NamedTuple):
    """What came of recomputing one publication."""

    cells: list[Cell]
    files: dict[str, Scores]  #: by the path that the table names, those that are there
    missing: list[str]  #: paths that are not
    few_shot: dict[str, FewShot]  #: likewise, files of few-shot scores


def reproduce(published: PublishedTable, folder: Path) -> Reproduction:
    """Recompute every published number whose scores file is below ``folder``.

    Raises:
        OsarbenchError: the folder has none of the files, or one of them cannot be read.
    """
    named = {row.file: row for row in published.rows if row.file}
    there = {name: row for name, row in named.items() if (folder / name).is_file()}
    few = {name: few_shot.read(folder / name) for name, row in there.items() if row.score in few_shot.SCORES}
    files = {name: npz.read(folder / name, kind=row.score) for name, row in there.items() if name not in few}
    if not there:
        raise OsarbenchError(
            f"{folder} has none of the {len(named)} score files of {published.name}, for example {next(iter(named))}. "
            f"Give the folder that contains {next(iter(named)).partition('/')[0]}/, as published."
        )
    cells = [cell for row in published.rows if row.file in files for cell in _cells(row, files[row.file], published)]
    cells += [cell for row in published.rows if row.file in few for cell in _few_shot(row, few[row.file], published)]
    return Reproduction(cells, files, [name for name in named if name not in there], few)


def at_every_threshold(known: FloatArray, unknown: FloatArray) -> Numbers:
    """Return AUROC, AUPR and FPR95 as PSL's scripts compute them, in percent."""
    order = ranking.rank(known=known, unknown=unknown)
    values = {
        "auroc": ranking.auroc(order),
        "aupr": ranking.aupr(order),
        "fpr95": ranking.fpr_at_tpr(order, rule="nearest"),
    }
    return {name: 100 * value for name, value in values.items() if value is not None}


def in_chunks(known: FloatArray, unknown: FloatArray, *, chunks: int, known_rows: int) -> Numbers:
    """Return the means over consecutive chunks of all that follows the first ``known_rows`` known rows, in percent.

    Source: PSL ``evaluation_code/experiments/compare_openness_new_mit.py``, lines 100-113. Known rows beyond
    ``known_rows``, which padding made, open the first chunk; rows beyond ten equal chunks are dropped.
    """
    rest = np.concatenate([known[known_rows:], unknown])
    leaked = max(len(known) - known_rows, 0)
    parts = rest[: len(rest) // chunks * chunks].reshape(chunks, -1)
    first = at_every_threshold(np.append(known[:known_rows], parts[0, :leaked]), parts[0, leaked:])
    all_of_them = [first, *(at_every_threshold(known[:known_rows], part) for part in parts[1:])]
    return {name: float(np.mean([numbers[name] for numbers in all_of_them])) for name in first}


def open_counts(scores: Scores, threshold: float, unknown_classes: int) -> openness.OpenCounts:
    """Count the decisions of a scores file at a threshold on its uncertainty."""
    return openness.open_counts(
        known_labels=scores.known.labels,
        known_decisions=_decided(scores.known, threshold),
        unknown_labels=scores.unknown.labels,
        unknown_decisions=_decided(scores.unknown, threshold),
        known_classes=KNOWN_CLASSES,
        unknown_classes=unknown_classes,
    )


def threshold_of(row: Row) -> float | None:
    """Return a row's published threshold as one on the uncertainty, which is 1 - confidence where it is on that."""
    if row.threshold is None or row.threshold_on == "uncertainty":
        return row.threshold
    return 1 - row.threshold


def _cells(row: Row, scores: Scores, published: PublishedTable) -> list[Cell]:
    convention = published.conventions[row.protocol]
    if published.tables:
        its, free = uosr.numbers(scores, convention.excluded_unknown)
        its |= _closed(scores)
        return [Cell(row, name, value, its[name], None, free.get(name)) for name, value in row.numbers.items()
                if name in its]  # fmt: skip
    recomputed, plain = (_thresholded if row.threshold is not None else _free)(row, scores, convention)
    return [
        Cell(row, column, value, recomputed[column], plain.get(column))
        for column, value in row.numbers.items()
        if column in recomputed
    ]


def _few_shot(row: Row, few: FewShot, published: PublishedTable) -> list[Cell]:
    """Return the cells of a few-shot row: means over the draws of shots."""
    excluded, score = published.conventions[row.protocol].excluded_unknown, str(row.score)

    def mean(*, of_test: bool) -> tuple[Numbers, Numbers]:
        scored = few_shot.scored(few, score, of_test=of_test, where=str(row.file))
        return uosr.mean(uosr.numbers(scores, excluded) for scores in scored)

    its, free = mean(of_test=True)
    apart = mean(of_test=False)[0] if few.train is not None and score != "distance" else {}
    return [
        Cell(row, name, value, its[name], None, free.get(name), apart.get(name))
        for name, value in row.numbers.items()
        if name in its
    ]


def _free(row: Row, scores: Scores, convention: Convention) -> tuple[Numbers, Numbers]:
    known, unknown = scores.known.uncertainty, scores.unknown.uncertainty
    kept = unknown[~np.isin(scores.unknown.labels, convention.excluded_unknown)]
    if convention.chunks is not None:
        numbers = in_chunks(known, kept, chunks=convention.chunks, known_rows=convention.known_rows or len(known))
    else:
        numbers = at_every_threshold(known, kept)
    return numbers | _closed(scores), at_every_threshold(known, unknown)


def _thresholded(row: Row, scores: Scores, convention: Convention) -> tuple[Numbers, Numbers]:
    threshold = threshold_of(row)
    assert threshold is not None
    balanced = thresholds.balanced_accuracy(
        known=scores.known.uncertainty, unknown=scores.unknown.uncertainty, threshold=threshold
    )
    counts = open_counts(scores, threshold, UNKNOWN_CLASSES[row.protocol.rpartition("-")[2]])
    drawn = openness.dear_open_macro_f1(counts, position=row.position)
    numbers = {
        "open_set_auc": balanced,
        "open_macro_f1": drawn and drawn.value,
        "open_macro_f1_std": drawn and drawn.std,
    }
    plain = at_every_threshold(scores.known.uncertainty, scores.unknown.uncertainty)
    return (
        {name: 100 * value for name, value in numbers.items() if value is not None} | _closed(scores),
        {"open_set_auc": plain["auroc"]},
    )


def _closed(scores: Scores) -> Numbers:
    value = closed.accuracy(scores.known.labels, scores.known.predicted)
    return {} if value is None else {"closed_accuracy": 100 * value}


def _decided(part: Part, threshold: float) -> FloatArray:
    return np.where(part.uncertainty > threshold, KNOWN_CLASSES, part.predicted)
