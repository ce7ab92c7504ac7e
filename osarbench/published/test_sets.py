"""What the usual test sets hold, to tell padded, lost and mislabelled rows of a file without video names."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from osarbench.published.scores import AnyArray, Part

#: A distributed sampler pads to a multiple of its processes, so a file may have some rows more than its test set.
MOST_PADDING = 64
MOST_LOST = 8
#: Share of a test set's videos that may be surplus or lost, class by class, in a file that is still taken for it.
MOST_MISFIT = 0.05
#: Share of one label above which labels are taken for placeholders.
DOMINANT = 0.5

# Videos of each class, in the official order of classes: UCF-101's classInd.txt with testlist0N.txt.
_UCF101_TEST1 = (
    "44 32 41 35 31 43 43 35 37 48 38 40 38 33 30 43 49 37 28 36 33 39 36 49 33 45 45 34 40 36 37 37 39 33 "
    "33 45 28 34 41 37 35 49 34 46 31 40 37 38 36 34 39 37 33 45 34 35 37 33 44 41 49 48 43 28 44 31 28 40 "
    "35 28 39 30 28 41 34 36 43 43 46 32 40 28 31 39 41 32 34 33 42 39 28 49 38 32 43 28 35 36 35 45 36"
)
_UCF101_TEST2 = (
    "39 29 41 35 29 45 39 33 36 44 36 46 40 30 32 43 41 40 28 34 33 41 39 49 31 44 43 33 37 35 34 38 33 37 "
    "41 46 37 28 40 34 33 44 36 42 33 34 36 39 36 36 42 39 36 44 28 40 33 29 45 41 48 42 46 28 43 32 28 39 "
    "34 28 48 28 33 39 33 44 39 43 42 35 37 28 29 39 40 30 33 38 34 33 28 48 37 35 46 28 37 35 36 37 35"
)
_UCF101_TEST3 = (
    "37 33 38 39 31 43 40 42 40 42 40 42 34 28 30 43 45 37 29 34 30 38 42 43 28 38 48 28 30 37 37 39 40 35 "
    "42 36 42 31 41 31 36 44 35 42 33 28 31 43 46 34 34 33 37 31 32 37 28 29 47 45 41 42 48 33 46 31 28 45 "
    "35 28 45 28 34 37 35 37 33 48 35 34 38 28 34 43 35 31 33 39 36 40 28 45 36 34 31 32 28 34 42 42 36"
)


class Official(NamedTuple):
    """One test set as its data set's lists define it."""

    name: str  #: data set and split, as in a scores table's column ``source``
    title: str
    counts: tuple[int, ...]  #: videos of each class

    @property
    def rows(self) -> int:
        """Videos in all."""
        return sum(self.counts)


SETS: Mapping[str, Official] = {
    its.name: its
    for its in (
        *(
            Official(f"ucf101/test{split}", f"UCF-101, test split {split}", tuple(map(int, counts.split())))
            for split, counts in ((1, _UCF101_TEST1), (2, _UCF101_TEST2), (3, _UCF101_TEST3))
        ),
        *(Official(f"hmdb51/test{split}", f"HMDB-51, test split {split}", (30,) * 51) for split in (1, 2, 3)),
        Official("mit/validation", "Moments in Time v2, validation", (100,) * 305),
    )
}


def guess(videos: Part) -> Official | None:
    """Return the test set that a part of a file must be of, by its rows in each class; None if it is of none.

    Where labels are placeholders or names, or out of range, the numbers of rows and classes must do.

    >>> one_each = np.repeat(np.arange(51), 30)
    >>> guess(Part(np.zeros(1530), np.zeros(1530), one_each, one_each)).name
    'hmdb51/test1'
    """
    rows, classes = len(videos.labels), len(np.unique(videos.labels))
    placeholders = dominant(videos.labels) is not None
    misfits = {}
    for its in SETS.values():
        number = None if placeholders else numbers(videos.labels, its)
        if not placeholders and classes != len(its.counts):
            continue
        if number is not None and number.min() >= 0 and number.max() < len(its.counts):
            misfit = int(np.abs(np.bincount(number, minlength=len(its.counts)) - np.array(its.counts)).sum())
            fits = misfit <= MOST_MISFIT * its.rows
        else:
            misfit = abs(rows - its.rows)
            fits = -MOST_LOST <= rows - its.rows <= MOST_PADDING
        if fits:
            misfits[its.name] = misfit
    return SETS[min(misfits, key=misfits.__getitem__)] if misfits else None


def dominant(labels: AnyArray) -> tuple[object, int] | None:
    """Return the label that most rows have, and how many, if it cannot be a class among others; None if there is none.

    >>> dominant(np.array([0, 1, 2, 2, 2, 2])), dominant(np.array([0, 1, 2]))
    ((2, 4), None)
    """
    names, counts = np.unique(labels, return_counts=True)
    most = int(counts.argmax())
    if counts[most] <= DOMINANT * len(labels) or (len(names) == 2 and len(labels) < 20):
        return None
    return names[most].item(), int(counts[most])


def numbers(labels: AnyArray, official: Official) -> AnyArray | None:
    """Return labels as class numbers of a test set, None if they are names that are not all of its classes.

    Official orders are alphabetical, without regard to case, so complete names can be numbered.
    """
    if labels.dtype.kind == "i":
        return labels
    names = sorted(set(labels.tolist()), key=str.casefold)
    if len(names) != len(official.counts):
        return None
    position = {name: number for number, name in enumerate(names)}
    return np.array([position[name] for name in labels.tolist()], np.int64)
