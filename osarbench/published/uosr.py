"""The numbers of unified open-set recognition (UOSR, ICLR 2023) as its scripts compute them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from osarbench.published.scores import FloatArray, Scores
from osarbench.scores.metrics.ranking import doubled_wins, open_aurc, rank, win_share

Numbers = dict[str, float]
PER_MILLE = 1000  #: AURC is printed times this


def numbers(scores: Scores, excluded: Iterable[int] = ()) -> tuple[Numbers, Numbers]:
    """Return the numbers of a scores file, and those of them that do not depend on the order of tied rows.

    AUROCs in percent, ``aurc`` times 1000; an area without pairs is left out.

    Args:
        scores: the file.
        excluded: numbers of the unknown classes that are left out.
    """
    kept = scores.unknown.uncertainty[~np.isin(scores.unknown.labels, list(excluded))]
    known, right = scores.known.uncertainty, np.equal(scores.known.labels, scores.known.predicted)
    ranking = rank(known=known, unknown=kept, correct=right)
    right_ones, wrong_ones, unknown = ranking.correct, ranking.known - ranking.correct, ranking.unknown
    areas = {
        "auroc": (ranking.known, unknown),
        "uosr_auroc": (right_ones, wrong_ones + unknown),
        "inc_ood_auroc": (right_ones, unknown),
        "inc_inw_auroc": (right_ones, wrong_ones),
        "inw_ood_auroc": (wrong_ones, unknown),
    }
    found = {name: _area(below, above) for name, (below, above) in areas.items()}
    value = open_aurc(ranking)
    published = aurc_known_first(known, kept, right, scores.precision)
    return (
        {name: 100 * area for name, area in found.items() if area is not None} | {"aurc": PER_MILLE * published},
        {} if value is None else {"aurc": PER_MILLE * value},
    )


def aurc_known_first(known: FloatArray, unknown: FloatArray, right: Any, precision: str = "float64") -> float:
    """Return AURC as published: the mean over n of the share of errors among the n most confident videos.

    1 - uncertainty is sorted by a stable sort with the known rows first, so that ties are cut in their favour, and
    among them in the order of the file. In float32 the subtraction makes ties of its own.

    Source: Jun-CEN/Unified-Open-Set-Recognition at ed876ec, ``calc_aurc_eaurc``.

    Args:
        known: uncertainties [N].
        unknown: likewise, [M].
        right: bool [N], whether a known video is named rightly.
        precision: NumPy type in which the subtraction is made.
    """
    confidence = 1 - np.concatenate([known, unknown]).astype(precision)
    order = np.argsort(-confidence, kind="stable")
    errors = ~np.concatenate([np.asarray(right, bool), np.zeros(len(unknown), bool)])[order]
    return float(np.mean(np.cumsum(errors) / np.arange(1, len(errors) + 1)))


def mean(of_draws: Iterable[tuple[Numbers, Numbers]]) -> tuple[Numbers, Numbers]:
    """Return the mean over draws of what `numbers` returned for each."""
    published, free = zip(*of_draws, strict=True)
    return _means(published), _means(free)


def _means(parts: tuple[Numbers, ...]) -> Numbers:
    return {
        name: float(np.mean([its[name] for its in parts])) for name in parts[0] if all(name in its for its in parts)
    }


def _area(below: Any, above: Any) -> float | None:
    return float(win_share(doubled_wins(above, below), below[-1], above[-1])) if below[-1] and above[-1] else None
