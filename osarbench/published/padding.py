"""Which rows a distributed sampler repeated: found from the order of labels alone, for files without video names.

PyTorch's ``DistributedSampler`` appends the first videos of its list until every process has equally many; process r
takes the videos r, r + W, r + 2W ... Gathering joins the batches of all processes, process by process.
"""

from typing import NamedTuple

import numpy as np

from osarbench.published.scores import AnyArray
from osarbench.published.test_sets import Official

MOST_PROCESSES = 128
LARGEST_BATCH = 256


class Padding(NamedTuple):
    """Surplus rows, and the rows whose videos they repeat, in the same order."""

    rows: list[int]
    repeats: list[int]  #: empty if several numbers of processes fit that agree about the surplus rows only


def find(labels: AnyArray, official: Official) -> Padding | None:
    """Return the padding of a file whose class numbers [N] are more than its test set has videos.

    Every number of processes and batch size is tried. One fits if surplus rows have the labels of the rows they repeat
    and what is left has the test set's number of videos in every class. None if none fits, or several that disagree.
    """
    videos, wanted = official.rows, np.array(official.counts)
    listed = np.arange(videos, len(labels))
    if not listed.size or len(listed) > videos or labels.min() < 0 or labels.max() >= len(wanted):
        return None
    found: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    for processes in range(2, MOST_PROCESSES + 1):
        if -(-videos // processes) * processes != len(labels):
            continue
        for batch in range(1, min(LARGEST_BATCH, len(labels) // processes) + 1):
            rows, repeats = (row_of(its, len(labels), processes, batch) for its in (listed, listed - videos))
            if (labels[rows] == labels[repeats]).all() and _counts(np.delete(labels, rows), wanted):
                found.setdefault(tuple(rows.tolist()), set()).add(tuple(repeats.tolist()))
    if len(found) != 1:
        return None
    ((surplus, candidates),) = found.items()
    return Padding(list(surplus), list(candidates.pop()) if len(candidates) == 1 else [])


def row_of(listed: AnyArray, rows: int, processes: int, batch: int) -> AnyArray:
    """Return the row of a file of ``rows`` rows at which each video of the sampler's list is.

    >>> row_of(np.arange(8), rows=8, processes=2, batch=3).tolist()
    [0, 3, 1, 4, 2, 5, 6, 7]
    """
    process, position = listed % processes, listed // processes
    step, within = position // batch, position % batch
    size = np.minimum(batch, rows // processes - step * batch)  # the last batch may be smaller
    result: AnyArray = step * batch * processes + process * size + within
    return result


def _counts(labels: AnyArray, wanted: AnyArray) -> bool:
    return bool((np.bincount(labels, minlength=len(wanted)) == wanted).all())
