"""Files of few-shot scores as UOSR publishes them: distances of every draw of shots, and a softmax score of each video.

Keys: ``d_in [draws, N]`` and ``d_ood [draws, M]``, the distance of known and unknown test videos (``[N]`` and ``[M]``
where no shot is learnt from), ``d_train [draws, T]`` and ``d_ood_fs [draws, S]``, those of training videos and of the
shots; ``msp_in``, ``msp_ood``: 1 - the largest softmax probability; ``{ind,ood}_{pred,label}``.

Source of the formulas: Cen et al., ICLR 2023; Jun-CEN/Unified-Open-Set-Recognition at ed876ec,
``UOSR_eval/uosr_few_shot_video.py``. None of the published shots is a test video: their distances do not recur among
those of the test, and 14 draws of five or 65 of one fit the 70 training videos a class of HMDB-51's split 1.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from osarbench.errors import OsarbenchError, did_you_mean, unknown_name
from osarbench.published import npz
from osarbench.published.scores import AnyArray, Part, Scores, part

#: Keys that every such file has, and those of what was trained on.
KEYS = ("d_in", "d_ood", "msp_in", "msp_ood", "ind_pred", "ood_pred", "ind_label", "ood_label")
LEARNT = ("d_train", "d_ood_fs")
SLOPE = 50.0  #: of the sigmoid of FS-KNNS
TINY = 1e-6  #: in the logarithm of few-shot SIRC


class FewShot(NamedTuple):
    """One file; distances are [draws, videos] in the file's own precision."""

    known: AnyArray
    unknown: AnyArray
    train: AnyArray | None  #: distances of training videos
    shots: AnyArray | None  #: distances of the shots
    softmax: tuple[AnyArray, AnyArray]  #: uncertainty of the softmax, known [N] and unknown [M]
    parts: tuple[Part, Part]  #: labels and predictions of known and unknown videos, with the softmax uncertainty

    @property
    def draws(self) -> int:
        """How many draws of shots there are; 1 where no shot is learnt from."""
        return len(self.known)


class Draw(NamedTuple):
    """The distances of one draw and the softmax uncertainties, known and unknown test videos in one array [N + M]."""

    distance: AnyArray
    softmax: AnyArray
    train: AnyArray | None
    shots: AnyArray | None


def _sirc(draw: Draw) -> AnyArray:
    assert draw.train is not None
    location, slope = draw.train.mean() + 3 * draw.train.std(), 1 / draw.train.std()
    combined: AnyArray = np.log(draw.softmax * (1 + np.exp(slope * (draw.distance - location))) + TINY)
    return combined


def _knns(draw: Draw) -> AnyArray:
    assert draw.shots is not None
    location = draw.shots.mean() - 0.5 * draw.shots.std()
    combined: AnyArray = draw.softmax + draw.distance / (1 + np.exp(-SLOPE * (draw.distance - location)))
    return combined


#: Name in a published table -> uncertainty [N + M] of a draw.
SCORES: Mapping[str, Callable[[Draw], AnyArray]] = {
    "msp": lambda draw: draw.softmax,
    "distance": lambda draw: draw.distance,
    "sum": lambda draw: draw.distance + draw.softmax,
    "product": lambda draw: draw.distance * draw.softmax,
    "sirc": _sirc,
    "knns": _knns,
}
_NEEDS = {"sirc": "d_train", "knns": "d_ood_fs"}


def read(path: Path) -> FewShot:
    """Return what a file of few-shot scores holds.

    Raises:
        OsarbenchError: it is no NumPy archive, lacks a key, its draws or videos are not equally many everywhere, or a
            distance is no number.
    """
    arrays = npz.read_arrays(path)
    for key in KEYS:
        if key not in arrays:
            hint = did_you_mean(key, arrays)
            raise OsarbenchError(
                f"{path} has no array '{key}', so it is no file of few-shot scores.{hint} It has: "
                f"{', '.join(arrays) or 'none'}. Such a file has {', '.join(KEYS)}, and {' and '.join(LEARNT)} where "
                "shots are learnt from."
            )
    distances = {key: _distances(path, key, arrays[key]) for key in ("d_in", "d_ood", *LEARNT) if key in arrays}
    counts = {key: len(its) for key, its in distances.items()}
    if len(set(counts.values())) > 1:
        stated = ", ".join(f"{key} has {count}" for key, count in counts.items())
        raise OsarbenchError(
            f"{path}: its arrays hold different numbers of draws ({stated}), so they are not of the same shots. The "
            "file is damaged or put together of several; fetch it again."
        )
    for key, side in (("d_in", "ind"), ("d_ood", "ood")):
        videos, labels = distances[key].shape[1], len(arrays[f"{side}_label"].reshape(-1))
        if videos != labels:
            raise OsarbenchError(
                f"{path}: a draw of {key} has {videos:,} videos, and {side}_label names {labels:,}. Padded rows must "
                "be in all arrays or in none."
            )
    softmax = arrays["msp_in"].reshape(-1), arrays["msp_ood"].reshape(-1)
    known, unknown = (
        part(
            f"{path} ({word} videos)",
            uncertainty=uncertainty,
            predicted=arrays[f"{side}_pred"].reshape(-1),
            labels=arrays[f"{side}_label"].reshape(-1),
        )
        for side, uncertainty, word in zip(("ind", "ood"), softmax, ("known", "unknown"), strict=True)
    )
    train, shots = (distances.get(key) for key in LEARNT)
    return FewShot(distances["d_in"], distances["d_ood"], train, shots, softmax, (known, unknown))


def scored(few: FewShot, score: str, *, of_test: bool = True, where: str = "the file") -> Iterator[Scores]:
    """Yield the scores of every draw.

    Args:
        few: the file.
        score: one of `SCORES`.
        of_test: as published: distances and softmax scores are scaled to 0 and 1 over the test videos (distances over
            training videos and shots as well), so a video's score depends on the other test videos. Without it
            distances are scaled over training videos and shots alone, and softmax scores are as they are.
        where: what messages call the file.

    Raises:
        OsarbenchError: there is no such score, or it needs distances that the file lacks.
    """
    if score not in SCORES:
        raise unknown_name("few-shot score", score, SCORES)
    lacking = [key for key, its in zip(LEARNT, (few.train, few.shots), strict=True) if its is None]
    needed = set(LEARNT) if not of_test else {_NEEDS[score]} if score in _NEEDS else set()
    if needed & set(lacking):
        raise OsarbenchError(f"{where} has no {' and '.join(sorted(needed & set(lacking)))}, which '{score}' needs.")
    known, unknown = few.parts
    for number in range(few.draws):
        values = SCORES[score](_scaled(few, number, score, of_test=of_test))
        first, second = values[: len(known.labels)], values[len(known.labels) :]
        yield Scores(
            known._replace(uncertainty=first.astype(np.float64)),
            unknown._replace(uncertainty=second.astype(np.float64)),
            "few-shot",
            precision=values.dtype.name,
        )


def _scaled(few: FewShot, number: int, score: str, *, of_test: bool) -> Draw:
    """Return one draw; scores of a single kind of number are not scaled, as the published script leaves them."""
    distance, softmax = np.concatenate([few.known[number], few.unknown[number]]), np.concatenate(few.softmax)
    train, shots = (its if its is None else its[number] for its in (few.train, few.shots))
    if score == "msp" or (score == "distance" and few.shots is None and few.draws == 1):
        return Draw(distance, softmax, train, shots)
    learnt = [its for its in (train, shots) if its is not None]
    low, high = _range([distance, *learnt] if of_test else learnt)
    if of_test:
        least, most = _range([softmax])
        softmax = (softmax - least) / (most - least)
    scaled = [None if its is None else (its - low) / (high - low) for its in (distance, train, shots)]
    assert scaled[0] is not None
    return Draw(scaled[0], softmax, scaled[1], scaled[2])


def _range(parts: list[AnyArray]) -> tuple[AnyArray, AnyArray]:
    together = np.concatenate(parts)
    return together.min(), together.max()


def _distances(path: Path, key: str, values: AnyArray) -> AnyArray:
    """Return distances [draws, videos]."""
    if values.dtype.kind != "f" or values.ndim not in (1, 2) or 0 in values.shape:
        raise OsarbenchError(
            f"{path}: {key} is {values.dtype} of shape {list(values.shape)}; it must hold distances [draws, videos]."
        )
    if not np.isfinite(values).all():
        raise OsarbenchError(f"{path}: {int((~np.isfinite(values)).sum()):,} distances in {key} are NaN or infinite.")
    return np.atleast_2d(values)
