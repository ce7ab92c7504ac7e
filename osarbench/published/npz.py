"""NumPy archives of DEAR, PSL and SOAR: ``{ind,ood}_{conf,unctt,pred,label}`` and their relatives.

Sources of the keys: DEAR ``experiments/{ood_detection,baseline_rpl,baseline_openmax}.py``, PSL
``evaluation_code/experiments``, SOAR ``experiments/open_set_evaluation.py``.
"""

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.published.kinds import kind_of
from osarbench.published.scores import AnyArray, Part, Scores, part

#: The prefix of a key, and the word for its videos.
SIDES = {"ind": "known", "ood": "unknown"}
#: Limits, far above what scores need: of an archive, and of how far an array of more than `FREE_BYTES` is compressed.
MAX_BYTES = 2 * 2**30
MAX_ARRAYS = 1_000
MAX_RATIO = 200
FREE_BYTES = 64 * 2**20
_DAMAGED = (
    OSError, EOFError, KeyError, RecursionError, MemoryError, zipfile.BadZipFile, zlib.error, NotImplementedError,
)  # fmt: skip
PUBLISHED_AS = {
    "openmax": "uncertainty is the last of K + 1 OpenMax probabilities (DEAR scored only whether it is the largest)",
    "softmax": "uncertainty is 1 - the largest softmax probability, which DEAR and PSL scored for such files",
}


def read(path: Path, *, kind: str | None = None) -> Scores:
    """Return what a NumPy archive of known (``ind``) and unknown (``ood``) videos says. Nothing in it is executed.

    Args:
        path: the archive.
        kind: "softmax" or "openmax", which probabilities are scored where it holds both; by default openmax.

    Raises:
        OsarbenchError: it is not a NumPy archive, is cut short, holds pickled objects, lacks a key, or an array has
            a shape that is no score a video.
    """
    arrays = read_arrays(path)
    if kind is not None:
        arrays = {key: its for key, its in arrays.items() if key[4:] not in {"softmax", "openmax"} - {kind}}
    if "ind_unctt" not in arrays and {"d_in", "d_ood"} <= set(arrays):
        raise OsarbenchError(
            f"{path} holds distances of draws of few shots (d_in, d_ood ...), not one score a video, so it is no "
            "scores table. Table 19 of UOSR is made of such files: osarbench reproduce uosr FOLDER."
        )
    choices: dict[str, None] = {}
    (known, first), (unknown, second) = (_side(path, arrays, prefix, choices) for prefix in SIDES)
    train, threshold = _train(path, arrays, choices)
    return Scores(
        known, unknown, _variant(arrays), tuple(choices), train, threshold, np.result_type(first, second).name
    )


def read_arrays(path: Path) -> dict[str, AnyArray]:
    """Return the arrays of a NumPy archive by name, within limits of size.

    Raises:
        OsarbenchError: it is not a NumPy archive, is cut short, too large, or holds pickled objects.
    """
    if kind_of(path) != "npz":
        raise OsarbenchError(f"{path} is no NumPy archive (.npz).")
    try:
        _check_size(path)
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise _pickled(path) from error
        raise OsarbenchError(f"{path} is damaged: {error}. Fetch it again.") from error
    except _DAMAGED as error:
        raise OsarbenchError(f"{path} is cut short or damaged: {error}. Fetch it again.") from error


def _check_size(path: Path) -> None:
    """Refuse an archive before it is read if its arrays are larger than scores are, or than the file can hold.

    Raises:
        OsarbenchError: they are; the limit is stated.
        ValueError: an array says that it is larger than what the archive holds of it.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        if size > MAX_BYTES or len(members) > MAX_ARRAYS:
            raise OsarbenchError(
                f"{path} holds {len(members):,} arrays of {size:,} bytes, and no more than {MAX_ARRAYS:,} of "
                f"{MAX_BYTES:,} bytes are read. "
                "Save the arrays {ind,ood}_{conf,unctt,pred,label} alone."
            )
        for member in members:
            if member.file_size > MAX_RATIO * member.compress_size + FREE_BYTES:
                raise OsarbenchError(
                    f"{path}: {member.filename} holds {member.file_size:,} bytes in {member.compress_size:,} "
                    f"compressed ones, which no scores do; {MAX_RATIO} times as many are read."
                )
            _check_header(archive, member)


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Raise a `ValueError` if the header of an array states more than follows it."""
    with archive.open(member) as opened:
        if opened.read(6) != np.lib.format.MAGIC_PREFIX:
            return  # no array
        version = opened.read(2)
        read = np.lib.format.read_array_header_1_0 if version[:1] == b"\x01" else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(opened)
        stated = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            return  # refused with a message of its own
        if min(shape, default=0) < 0 or math.prod(shape) > MAX_BYTES or stated > member.file_size:
            raise ValueError(f"{member.filename} states {stated:,} bytes, and {member.file_size:,} are there")


def _pickled(path: Path) -> OsarbenchError:
    return OsarbenchError(
        f"{path} holds pickled objects, and unpickling a stranger's file runs whatever code is in it, so osarbench "
        "does not. If you trust its author, convert it yourself, then import plain.npz:\n"
        f'  python -c "import numpy as np; z = np.load({str(path)!r}, allow_pickle=True); '
        "np.savez('plain.npz', **{k: np.array(z[k].tolist()) for k in z})\""
    )


def _variant(arrays: Mapping[str, AnyArray]) -> str:
    extra = [key for key in ("ind_video_names", "ood_video_names", "train_unctt", "threshold") if key in arrays]
    if "ind_unctt" not in arrays:
        kind = "{ind,ood}_{openmax,softmax,label}" if "ind_openmax" in arrays else "{ind,ood}_{softmax,label}"
    else:
        kind = "{ind,ood}_{conf,unctt,pred,label}" if "ind_conf" in arrays else "{ind,ood}_{unctt,pred,label}"
    return ", ".join([kind, *extra])


def _side(
    path: Path, arrays: Mapping[str, AnyArray], prefix: str, choices: dict[str, None]
) -> tuple[Part, np.dtype[Any]]:
    """Return the videos of a side, and the precision that their uncertainty has in the file."""
    where = f"{path} ({SIDES[prefix]} videos)"
    columns: dict[str, Any] = {"videos": arrays.get(f"{prefix}_video_names")}
    if f"{prefix}_softmax" not in arrays or f"{prefix}_unctt" in arrays:
        columns["uncertainty"] = _score(path, f"{prefix}_unctt", arrays, choices)
        columns["predicted"] = _need(path, arrays, f"{prefix}_pred").reshape(-1)
        if f"{prefix}_conf" in arrays:
            columns["confidence"] = _confidence(arrays, prefix, choices)
        else:
            choices["the file has no confidence"] = None
    else:
        kind = "openmax" if f"{prefix}_openmax" in arrays else "softmax"
        columns |= _of_probabilities(where, kind, arrays[f"{prefix}_{kind}"])
        choices[PUBLISHED_AS[kind]] = None
        choices["confidence is the largest probability of a known class, and the prediction is that class"] = None
    labels = _need(path, arrays, f"{prefix}_label").reshape(-1)
    return part(where, labels=labels, **columns), columns["uncertainty"].dtype


def _score(path: Path, key: str, arrays: Mapping[str, AnyArray], choices: dict[str, None]) -> AnyArray:
    values = _need(path, arrays, key)
    if values.ndim == 2 and values.shape[1] == 2:
        choices["uncertainty is the first of two columns (aleatoric), which PSL scored; the second is epistemic"] = None
    elif values.ndim == 2 and values.shape[1] > 2:
        raise OsarbenchError(
            f"{path}: {key} has {values.shape[1]} columns, so it holds features and no score. PSL's score is the "
            "Mahalanobis distance to the training features, in its files *_score.npz. Import one of these."
        )
    elif values.ndim not in (1, 2) or 0 in values.shape[1:]:
        raise OsarbenchError(f"{path}: {key} is {values.dtype} of shape {list(values.shape)}, not one score a video.")
    first: AnyArray = values if values.ndim == 1 else values[:, 0]
    return first


def _confidence(arrays: Mapping[str, AnyArray], prefix: str, choices: dict[str, None]) -> AnyArray | None:
    given = [arrays[f"{side}_conf"] for side in SIDES if f"{side}_conf" in arrays]
    if not any(((its < 0) | (its > 1 + 1e-5)).any() for its in given if its.dtype.kind in "fiu"):
        own: AnyArray = arrays[f"{prefix}_conf"].reshape(-1)
        return own
    choices["conf holds logits and no probabilities, so no confidence is taken from it"] = None
    return None


def _of_probabilities(where: str, kind: str, values: AnyArray) -> dict[str, Any]:
    if values.ndim != 2 or values.shape[1] < 3 or values.dtype.kind != "f":
        raise OsarbenchError(f"{where}: {kind} is {values.dtype} of shape {list(values.shape)}, not [videos, classes].")
    if len(values) and not (values.min() >= 0 and np.abs(values.sum(axis=1, dtype=np.float64) - 1).max() < 0.05):
        raise OsarbenchError(
            f"{where}: the rows of {kind} are no probabilities that sum to 1; they may be logits. Save the {kind} of "
            "each video, or a score of your own as unctt with pred and label."
        )
    known = values[:, :-1] if kind == "openmax" else values  # [N, K]
    largest = known.max(axis=1)
    # in the file's own precision, as the publications did: float64 would part what is tied there
    uncertainty = values[:, -1] if kind == "openmax" else 1 - largest
    return {
        "uncertainty": uncertainty,
        "confidence": largest,
        "predicted": known.argmax(axis=1),
        "probabilities": known,
    }


def _train(path: Path, arrays: Mapping[str, AnyArray], choices: dict[str, None]) -> tuple[Part | None, float | None]:
    stated = arrays.get("threshold", np.empty(0))
    threshold = float(stated.reshape(-1)[0]) if stated.size == 1 and stated.dtype.kind in "fiu" else None
    if threshold is not None:
        choices[f"the file states the threshold {threshold:.9g}; only the origin keeps it"] = None
    if "train_unctt" not in arrays:
        return None, threshold
    scored = _score(path, "train_unctt", arrays, choices)
    if "train_label" not in arrays:
        choices["train_unctt has no labels, which a row needs, so the training videos are left out"] = None
        return None, threshold
    labels = arrays["train_label"].reshape(-1)
    predicted = arrays.get("train_pred", labels).reshape(-1)
    if "train_pred" not in arrays:
        choices["training videos have no prediction: their label is used; only their uncertainty is used"] = None
    return part(f"{path} (training videos)", uncertainty=scored, predicted=predicted, labels=labels), threshold


def _need(path: Path, arrays: Mapping[str, AnyArray], key: str) -> AnyArray:
    if key not in arrays:
        hint = did_you_mean(key, [name for name in arrays if name[:3] == key[:3]] or arrays)
        raise OsarbenchError(
            f"{path} has no array '{key}'.{hint} It has: {', '.join(arrays) or 'none'}. A scores file has "
            "{ind,ood}_{conf,unctt,pred,label} or {ind,ood}_{softmax,label}."
        )
    return arrays[key]
