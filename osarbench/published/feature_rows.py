"""Somebody's features in the order of a protocol's videos, and the classifier behind somebody's logits."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.published.feature_files import FeatureFile, Floats

SHOWN = 5  #: names in a message
FIT_TOLERANCE = 1e-3  #: of the largest logit, what a linear classifier may leave unexplained


def positions(found: FeatureFile, rows: pd.DataFrame, *, complete: bool) -> np.ndarray:
    """Return which row of a file each of N videos is, int64 [N]; -1 where it is not there and need not be.

    Args:
        found: the file.
        rows: of a protocol's index, with ``source`` and ``video``.
        complete: whether every video must be there.

    Raises:
        OsarbenchError: ids are repeated, surplus or missing; some are named, all are counted.
    """
    wanted = list(zip(rows["source"], rows["video"], strict=True) if found.sources else rows["video"])
    given = list(zip(found.sources, found.videos, strict=True) if found.sources else found.videos)
    unclear = [name for name, count in Counter(wanted).items() if count > 1]
    if unclear:
        more = "start and end seconds tell them apart, which feature files do not have" if found.sources else (
            "add 'source' (as in index.csv) to the file"
        )  # fmt: skip
        raise OsarbenchError(
            f"{len(unclear)} ids stand for several videos of the protocol ({_named(unclear)}): {more}."
        )
    repeated = [name for name, count in Counter(given).items() if count > 1]
    if repeated:
        raise OsarbenchError(f"{len(repeated)} videos are there more than once: {_named(repeated)}. Keep one of each.")
    known = set(wanted)
    surplus = [name for name in given if name not in known]
    place = {name: row for row, name in enumerate(given)}
    missing = [name for name in wanted if name not in place]
    if surplus:
        raise OsarbenchError(
            f"{len(surplus)} of {len(given)} videos are not the protocol's: {_named(surplus)}.{_hint(surplus, wanted)}"
        )
    if missing and complete:
        raise OsarbenchError(
            f"{len(missing)} of the protocol's {len(wanted)} videos are missing: {_named(missing)}. Each needs its "
            "features, those of training and calibration too."
        )
    return np.array([place.get(name, -1) for name in wanted], dtype=np.int64)


def class_order(found: FeatureFile, classes: Sequence[str]) -> np.ndarray:
    """Return where each known class [K] is in the file's logits and weight.

    Raises:
        OsarbenchError: the file's classes are not the protocol's.
    """
    names = found.class_names
    sized = found.weight if found.weight is not None else None
    count = len(sized) if sized is not None else found.logits.shape[2] if found.logits is not None else len(classes)
    if count != len(classes):
        raise OsarbenchError(f"The file's classifier has {count} classes; the protocol has {len(classes)} known ones.")
    if names is None:
        return np.arange(len(classes))
    for name in names:
        if name not in classes:
            raise OsarbenchError(f"The file's class '{name}' is no known one.{did_you_mean(name, classes)}")
    if len(set(names)) != len(names):
        raise OsarbenchError("The file names a class twice.")
    return np.array([names.index(name) for name in classes])


def classifier(found: FeatureFile) -> tuple[Floats, Floats] | None:
    """Return the weight [K, D] and bias [K] of a file, recovered from its logits if it has only these.

    Logits that are a linear function of the features determine it: it is fitted by least squares, and refused where it
    does not give them back.

    Raises:
        OsarbenchError: features, logits and classifier contradict each other, or there are too few videos to tell.
    """
    features = found.features.mean(axis=1).astype(np.float64)  # [N, D]
    if found.weight is not None and found.bias is not None:
        if found.logits is not None:
            _check_fit(features @ found.weight.T.astype(np.float64) + found.bias, found.logits, "weight and bias give")
        return found.weight, found.bias
    if found.logits is None:
        return None
    if len(features) <= features.shape[1] + 1:
        raise OsarbenchError(
            f"{len(features)} videos do not determine a classifier of {features.shape[1]} features. Add 'weight' and "
            "'bias' to the file, or leave out 'logits' and train a head: --train linear."
        )
    design = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(design, found.logits.mean(axis=1).astype(np.float64), rcond=None)
    _check_fit(design @ solution, found.logits, "the nearest linear classifier gives")
    return solution[:-1].T.astype(np.float32), solution[-1].astype(np.float32)


def _check_fit(computed: np.ndarray, stated: Floats, what: str) -> None:
    target = stated.mean(axis=1)
    worst = float(np.abs(computed - target).max())
    if worst > FIT_TOLERANCE * max(1.0, float(np.abs(target).max())):
        raise OsarbenchError(
            f"The logits are not those of a linear classifier on the features: {what} others, by up to {worst:.3g}. "
            "Features must be what the last layer reads; or leave out the logits, and train a head: --train linear."
        )


def _named(names: Sequence[object]) -> str:
    shown = ["/".join(name) if isinstance(name, tuple) else str(name) for name in names[:SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > SHOWN else "")


def _hint(surplus: Sequence[object], wanted: Sequence[object]) -> str:
    """Say what was probably meant: ids without folder or ending, or from another source."""
    plain = {PurePosixPath(_video(name)).stem for name in surplus}
    near = next((name for name in wanted if PurePosixPath(_video(name)).stem in plain), None)
    if near is None:
        return " Is it a file for another protocol?"
    shown = "/".join(near) if isinstance(near, tuple) else near
    return f" The protocol's are like {shown}: the path below videos/, with folder and ending."


def _video(name: object) -> str:
    return str(name[1]) if isinstance(name, tuple) else str(name)
