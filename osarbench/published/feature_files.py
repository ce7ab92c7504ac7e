"""Features that somebody computed elsewhere: NumPy archives, Parquet and safetensors files, strictly read.

Each holds, for N videos, ``video`` (their ids: the path below the data set's ``videos/``) and ``features`` [N, D], or
[N, V, D] for V views; and may hold ``source`` (as in ``index.csv``: ucf101/test1), ``logits`` [N, K] or [N, V, K], and
the classifier that made them, ``weight`` [K, D] and ``bias`` [K], with ``class_names`` [K]. In safetensors, which holds
numbers alone, texts are JSON lists in the file's metadata. Nothing in a file is executed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.published import npz

TEXTS = ("video", "source", "class_names")
NUMBERS = ("features", "logits", "weight", "bias")
#: What `osarbench export` says beside, for people; an import takes it from the protocol.
SAID = ("role", "label", "group", "protocol", "backbone")
KEYS = (*TEXTS, *NUMBERS, *SAID)
Floats = npt.NDArray[np.float32]


class FeatureFile(NamedTuple):
    """Features of videos, with what made logits of them."""

    videos: tuple[str, ...]  #: ids [N]
    sources: tuple[str, ...] | None  #: [N]
    features: Floats  #: [N, V, D]
    logits: Floats | None = None  #: [N, V, K], or [N, 1, K] where they are means over views
    weight: Floats | None = None  #: [K, D]
    bias: Floats | None = None  #: [K]
    class_names: tuple[str, ...] | None = None  #: [K], in the order of logits and weight


def read(files: Sequence[Path]) -> FeatureFile:
    """Return the features of one file, or of several that hold different videos.

    Raises:
        OsarbenchError: a file cannot be read, lacks a key or has one too many, holds numbers that are not finite, or
            arrays that do not fit each other; or the files do not.
    """
    read_files = [_read(file) for file in files]
    first = read_files[0]
    for file, other in zip(files[1:], read_files[1:], strict=True):
        for what in ("features", "logits"):
            here, there = getattr(first, what), getattr(other, what)
            if (here is None) != (there is None):
                raise OsarbenchError(f"Of {files[0]} and {file}, only one has {what}. Export both alike.")
            if here is not None and here.shape[1:] != there.shape[1:]:
                raise OsarbenchError(
                    f"{files[0]} has {what} of {_shape(here)} a video and {file} of {_shape(there)}: views and "
                    "dimensions must be those of one network."
                )
        for what in ("weight", "bias", "class_names"):
            if not np.array_equal(_or_empty(getattr(first, what)), _or_empty(getattr(other, what))):
                raise OsarbenchError(f"{files[0]} and {file} have another {what} each. Export both of one network.")
    if len(read_files) == 1:
        return first
    if len({file.sources is None for file in read_files}) > 1:
        raise OsarbenchError("Some of the files say the source of their videos and others do not. Export them alike.")
    return first._replace(
        videos=tuple(video for file in read_files for video in file.videos),
        sources=None if first.sources is None else tuple(its for file in read_files for its in file.sources or ()),
        features=np.concatenate([file.features for file in read_files]),
        logits=None if first.logits is None else np.concatenate([_need(file.logits) for file in read_files]),
    )


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Write arrays and texts by name, in the format of the file's ending.

    Raises:
        OsarbenchError: the ending is none of the three.
    """
    arrays = {key: np.asarray(value) for key, value in content.items() if value is not None}
    texts = {key: [str(text) for text in np.atleast_1d(its)] for key, its in arrays.items() if its.dtype.kind in "UO"}
    numbers = {key: np.ascontiguousarray(its) for key, its in arrays.items() if key not in texts}
    if file.suffix == ".npz":
        with file.open("wb") as opened:
            named: dict[str, Any] = {**numbers, **{key: np.array(its, dtype=str) for key, its in texts.items()}}
            np.savez(opened, **named)
    elif file.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(numbers, file, metadata={key: json.dumps(its) for key, its in texts.items()})
    elif file.suffix == ".parquet":
        _write_parquet(file, numbers, texts)
    else:
        raise _ending(file)


def _read(file: Path) -> FeatureFile:
    if not file.is_file():
        raise OsarbenchError(f"There is no file {file}.")
    readers = {".npz": npz.read_arrays, ".safetensors": _safetensors, ".parquet": _parquet}
    if file.suffix not in readers:
        raise _ending(file)
    content = readers[file.suffix](file)
    for key in content:
        if key not in KEYS:
            raise OsarbenchError(f"{file} has '{key}', which is none of {', '.join(KEYS)}.{did_you_mean(key, KEYS)}")
    for key in ("video", "features"):
        if key not in content:
            raise OsarbenchError(f"{file} has no '{key}'. It needs video (ids [N]) and features [N, D] or [N, V, D].")
    texts = {key: _texts(file, key, content[key]) for key in TEXTS if key in content}
    videos = texts["video"]
    numbers = {key: _numbers(file, key, content[key], videos) for key in NUMBERS if key in content}
    views = {key: _views(file, key, numbers[key], len(videos)) for key in ("features", "logits") if key in numbers}
    if "source" in texts and len(texts["source"]) != len(videos):
        raise OsarbenchError(f"{file} has {len(videos)} videos and {len(texts['source'])} sources.")
    found = FeatureFile(
        videos, texts.get("source"), views["features"], views.get("logits"), numbers.get("weight"),
        numbers.get("bias"), texts.get("class_names"),
    )  # fmt: skip
    _check_classifier(file, found)
    return found


def _safetensors(file: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            numbers = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            texts = {key: json.loads(text) for key, text in (opened.metadata() or {}).items() if key != "format"}
    except (SafetensorError, ValueError, TypeError, OSError) as error:
        raise OsarbenchError(f"{file} is no whole safetensors file with JSON lists as metadata: {error}.") from error
    return {**numbers, **texts}


def _parquet(file: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise OsarbenchError(f"{file} is no whole Parquet file: {error}.") from error
    content: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if column.null_count:
            raise OsarbenchError(f"{file} has {column.null_count} rows without {name}.")
        content[name] = column.to_pylist() if pa.types.is_string(column.type) else _lists(file, name, column)
    stated = (table.schema.metadata or {}).get(b"osarbench")
    extra = {} if stated is None else json.loads(stated)
    return {**content, **{key: value for key, value in extra.items() if key in KEYS}}


def _lists(file: Path, name: str, column: Any) -> Any:
    """Return a column of numbers, or of lists of them, as an array; lists of different lengths are refused."""
    import pyarrow as pa

    shape = [len(column)]
    while (
        pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type)
    ):
        lengths = np.array([len(item) for item in column])
        if len(set(lengths)) > 1:
            other = int(np.argmax(lengths != lengths[0]))
            raise _mixed(file, name, int(lengths[0]), int(lengths[other]), f"row {other}")
        shape.append(int(lengths[0]) if len(lengths) else 0)
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False).reshape(shape)


def _write_parquet(file: Path, numbers: Mapping[str, Any], texts: Mapping[str, Sequence[str]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = len(texts["video"])
    rows = {key: list(its) for key, its in texts.items() if key != "class_names" and len(its) == count}
    columns: dict[str, Any] = {key: pa.array(its, pa.string()) for key, its in rows.items()}
    for key in ("features", "logits"):
        if key in numbers:
            column = pa.array(numbers[key].reshape(-1))
            for length in reversed(numbers[key].shape[1:]):
                column = pa.FixedSizeListArray.from_arrays(column, length)
            columns[key] = column
    extra = {key: its.tolist() for key, its in numbers.items() if key not in columns}
    extra |= {key: list(its) for key, its in texts.items() if key not in columns}
    pq.write_table(pa.table(columns).replace_schema_metadata({"osarbench": json.dumps(extra)}), file)


def _texts(file: Path, key: str, value: Any) -> tuple[str, ...]:
    found = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise OsarbenchError(f"{file}: '{key}' must be a list of texts.")
    return tuple(found)


def _numbers(file: Path, key: str, value: Any, videos: Sequence[str]) -> Floats:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise OsarbenchError(f"{file}: '{key}' has rows of different lengths. Take one network for all.") from error
    if array.dtype.kind != "f":
        raise OsarbenchError(f"{file}: '{key}' holds {array.dtype}, not floating-point numbers.")
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        named = f" (first of '{videos[row]}')" if key in ("features", "logits") and row < len(videos) else ""
        overflow = array.dtype == np.float16 and not np.isnan(array).any()
        why = "float16 ends at 65,504, and they lie beyond: export them as float32" if overflow else "they are no use"
        raise OsarbenchError(f"{file}: {(~finite).sum():,} numbers of '{key}' are NaN or infinite{named}; {why}.")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.isfinite(single).all():
        raise OsarbenchError(f"{file}: '{key}' has numbers beyond float32. Scale them down.")
    return single


def _views(file: Path, key: str, array: Floats, count: int) -> Floats:
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise OsarbenchError(f"{file}: '{key}' has the shape {_shape(array)}, and must be [N, D] or [N, V, D].")
    if len(array) != count:
        raise OsarbenchError(f"{file} has {count} videos and {len(array)} rows of '{key}'.")
    return array[:, None] if array.ndim == 2 else array


def _check_classifier(file: Path, found: FeatureFile) -> None:
    if (found.weight is None) != (found.bias is None):
        raise OsarbenchError(f"{file} has one of weight and bias. A classifier is both; a bias may be zero.")
    sizes = {}
    if found.weight is not None and found.bias is not None:
        if found.weight.ndim != 2 or found.weight.shape[1] != found.features.shape[2]:
            raise OsarbenchError(
                f"{file}: 'weight' has the shape {_shape(found.weight)}, and must be [K, {found.features.shape[2]}]."
            )
        sizes = {"weight": len(found.weight), "bias": len(found.bias)}
    if found.logits is not None:
        sizes["logits"] = found.logits.shape[2]
        if found.logits.shape[1] not in (1, found.features.shape[1]):
            raise OsarbenchError(
                f"{file} has features of {found.features.shape[1]} views and logits of {found.logits.shape[1]}."
            )
    if found.class_names is not None:
        sizes["class_names"] = len(found.class_names)
    if len(set(sizes.values())) > 1:
        raise OsarbenchError(f"{file} has numbers of classes that differ: {sizes}.")


def _mixed(file: Path, name: str, first: int, other: int, where: str) -> OsarbenchError:
    return OsarbenchError(
        f"{file}: '{name}' has {first} numbers in the first row and {other} in {where}. Dimensions cannot be mixed: "
        "take one network for all videos."
    )


def _ending(file: Path) -> OsarbenchError:
    return OsarbenchError(f"{file} must end in .npz, .parquet or .safetensors; by that its format is known.")


def _shape(array: Floats) -> str:
    return " x ".join(map(str, array.shape[1:] if array.ndim > 2 else array.shape))


def _or_empty(value: Any) -> Any:
    return () if value is None else value


def _need(array: Floats | None) -> Floats:
    assert array is not None
    return array
