"""The scores table: one row a video. It decides everything after it, so it is checked before it is believed."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from osarbench.digests import content_digest, plain
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.scores import reading, spelling

TEXT_COLUMNS = ("video", "role", "source", "label", "predicted")
NUMBER_COLUMNS = ("confidence", "uncertainty")
#: ``source`` is the data set and split of a row ("motion/test_swapped"); ``label`` and ``predicted`` are class names;
#: ``confidence`` may be empty where a method gave none.
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
#: A column that may follow: clips cut from one source share their group. Statistics resample whole groups.
GROUP = "group"
#: Another one: the rank of the row's label among the classes, the most probable at 1, from which top-5 accuracy
#: follows; empty where that is not known, and for unknown videos, whose label is no such class.
LABEL_RANK = "label_rank"
#: ``train`` rows are optional; they are there when a protocol takes its threshold from training videos.
ROLES = ("train", "calibration", "known", "unknown")


def read(path: Path, *, decimal: str = ".") -> pd.DataFrame:
    """Return the scores table in a ``.csv`` or ``.csv.gz`` file, its numbers as float64; `validate` is yours to call.

    Classes whose names are equal numbers, such as 3 and 3.0, are given one spelling.

    Args:
        path: the file.
        decimal: "," if its numbers have decimal commas.

    Raises:
        OsarbenchError: the file is not there, is empty, is cut short, is beyond the limits of
            `osarbench.scores.reading`, lacks a column, has rows of more fields than its header, or has text for a
            number.
    """
    path = Path(path)
    _, text = reading.open_text(path)
    try:
        text = text if decimal == "." else reading.with_points(path, text, (*NUMBER_COLUMNS, LABEL_RANK))
        table = pd.read_csv(
            io.BytesIO(text),
            dtype=dict.fromkeys((*TEXT_COLUMNS, GROUP), str) | dict.fromkeys((*NUMBER_COLUMNS, LABEL_RANK), np.float64),
            keep_default_na=False,  # a class may be called "None" or "NA"
            na_values={column: ["", "nan", "NaN"] for column in (*NUMBER_COLUMNS, LABEL_RANK)},
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError as error:
        raise OsarbenchError(f"The scores table {path} is empty.") from error
    except ValueError as error:  # ParserError and UnicodeDecodeError are ValueErrors
        reading.check_width(path, text)
        raise reading.unreadable(path, f"{error}{_decimal_hint(text)}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first field for an index
        reading.check_width(path, text)
    _check_columns(table, str(path))
    return spelling.equal_numbers(table)


def read_facts(path: Path) -> dict[str, Any] | None:
    """Return the facts in the first line of a scores table's file, None if it has none.

    Raises:
        OsarbenchError: the file is not there or cut short, its facts are not JSON, or the rows are not those that
            were written with them.
    """
    line, text = reading.open_text(Path(path))
    if not line:
        return None
    try:
        facts: dict[str, Any] = json.loads(line.removeprefix(b"# "))
    except (ValueError, RecursionError) as error:
        raise reading.unreadable(path, error) from error
    seal = facts.pop("facts_sha256", None)
    if facts.get("table_sha256") != hashlib.sha256(text).hexdigest():
        raise OsarbenchError(f"The rows of {path} are not those it was made with: their sha256 differs. Make it again.")
    if seal != content_digest(facts):
        raise OsarbenchError(f"The facts in the first line of {path} were changed since it was made. Make it again.")
    del facts["table_sha256"]
    return facts


def write(table: pd.DataFrame, path: Path, *, facts: Mapping[str, Any] | None = None) -> None:
    """Write a scores table to ``path``, compressed if it ends in ``.gz``; the same table gives the same bytes.

    Numbers are written as the shortest text that reads back as the same float64, so float32 survives too. The write
    is plain: give it a temporary path and rename it where a reader must never see half a file.

    Args:
        facts: plain values that say where the table comes from, for the file's first line; `read_facts` returns them.
    """
    _check_columns(table, "The scores table")
    written = [*COLUMNS, *(column for column in (GROUP, LABEL_RANK) if column in table.columns)]
    exact = table.loc[:, written].astype(dict.fromkeys(NUMBER_COLUMNS, np.float64))
    if LABEL_RANK in written:
        exact = exact.astype({LABEL_RANK: "Int64"})  # "3", not "3.0", and empty where there is none
    text = exact.to_csv(index=False, lineterminator="\n").encode()
    if b"\r" in text:  # before 3.13, Python's csv leaves it without quotation marks, and readers end the row there
        text = exact.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).encode()
    if facts is not None:
        sealed = plain({**facts, "table_sha256": hashlib.sha256(text).hexdigest()})
        sealed["facts_sha256"] = content_digest(sealed)
        text = b"# " + json.dumps(sealed, ensure_ascii=False).encode() + b"\n" + text
    if Path(path).suffix == ".gz":
        buffer = io.BytesIO()
        with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as stream:
            stream.write(text)
        text = buffer.getvalue()
    Path(path).write_bytes(text)


def groups(table: pd.DataFrame) -> dict[str, str] | None:
    """Return the group of each test video by its name, None if the table does not say."""
    if GROUP not in table.columns:
        return None
    tested = table[table["role"].isin(["known", "unknown"])]
    return dict(zip(tested["video"], tested[GROUP], strict=True))


def validate(table: pd.DataFrame, *, known_classes: Sequence[str] | None = None) -> None:
    """Raise an `OsarbenchError` that says what is wrong with a scores table; return nothing if it is sound.

    Args:
        known_classes: the classes that a protocol trains on. Without them, the labels of train, calibration and known
            rows count as known, and any ``predicted`` is believed.
    """
    _check_columns(table, "The scores table")
    if table.empty:
        raise OsarbenchError("The scores table has no rows.")
    _check_roles(table)
    for column in (*TEXT_COLUMNS, GROUP) if GROUP in table.columns else TEXT_COLUMNS:
        _refuse(table, (table[column].isna() | (table[column] == "")).to_numpy(), f"with no {column}")
    _check_numbers(table)
    if LABEL_RANK in table.columns:
        _check_ranks(table)
    _refuse(table, table.duplicated(["source", "video"]).to_numpy(), "that repeat a video of the same source")
    _check_classes(table, known_classes)


def _decimal_hint(text: bytes) -> str:
    return "; if its numbers have decimal commas, read it with --decimal ," if b'"' in text else ""


def _check_columns(table: pd.DataFrame, where: str) -> None:
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        there = [str(column) for column in table.columns]
        semicolons = " Fields separated by semicolons are read with --decimal ," * any(";" in name for name in there)
        guesses = [(name, did_you_mean(name, missing)) for name in there if name not in COLUMNS]
        raise OsarbenchError(
            f"{where} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has "
            f"{', '.join(there) or 'none'}.{''.join(f' {name}:{guess}' for name, guess in guesses if guess)} "
            f"A scores table has the columns {', '.join(COLUMNS)}.{semicolons}"
        )


def _check_roles(table: pd.DataFrame) -> None:
    for role in sorted({str(role) for role in table["role"].unique()} - set(ROLES)):
        count = int((table["role"] == role).sum())
        raise OsarbenchError(
            f"{_rows(count)} of the scores table {_have(count)} the role '{role}'.{did_you_mean(role, ROLES)} "
            f"The roles are: {', '.join(ROLES)}."
        )
    for role in ("known", "unknown"):
        if not (table["role"] == role).any():
            raise OsarbenchError(
                f"The scores table has no row of the role '{role}', so nothing can be told apart. It must hold "
                "known and unknown test videos."
            )


def _check_numbers(table: pd.DataFrame) -> None:
    for column in NUMBER_COLUMNS:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise OsarbenchError(f"The column '{column}' of the scores table holds text where numbers belong.")
    uncertainty = table["uncertainty"].to_numpy(np.float64)
    _refuse(table, np.isnan(uncertainty), "whose uncertainty is NaN")
    _refuse(table, np.isinf(uncertainty), "whose uncertainty is infinite")
    _refuse(table, np.isinf(table["confidence"].to_numpy(np.float64)), "whose confidence is infinite")


def _check_ranks(table: pd.DataFrame) -> None:
    if not pd.api.types.is_numeric_dtype(table[LABEL_RANK]):
        raise OsarbenchError(f"The column '{LABEL_RANK}' of the scores table holds text where numbers belong.")
    ranks = table[LABEL_RANK].to_numpy(np.float64, na_value=np.nan)
    stated, right = ~np.isnan(ranks), (table["label"] == table["predicted"]).to_numpy()
    unknown = (table["role"] == "unknown").to_numpy()
    _refuse(table, stated & unknown, f"of unknown videos with a {LABEL_RANK}, which only a known class has")
    _refuse(table, stated & ~((ranks >= 1) & (ranks % 1 == 0)), f"whose {LABEL_RANK} is not 1, 2, 3 ...")
    _refuse(table, stated & ((ranks == 1) != right), f"whose {LABEL_RANK} and predicted class contradict each other")


def _check_classes(table: pd.DataFrame, known_classes: Sequence[str] | None) -> None:
    unknown = (table["role"] == "unknown").to_numpy()
    if known_classes is None:
        known: Collection[str] = set(table.loc[~unknown, "label"].unique())
    else:
        known = list(known_classes)
        _refuse_names(table, ~unknown, "label", known, "are not unknown, yet their label is no known class")
        _refuse_names(table, np.ones(len(table), bool), "predicted", known, "predict what is no known class")
    shared = sorted(set(table.loc[unknown, "label"].unique()) & set(known))
    if shared:
        count = int((unknown & table["label"].isin(shared).to_numpy()).sum())
        raise OsarbenchError(
            f"{_rows(count)} of the role 'unknown' {_have(count)} the label of a known class: {_some(shared)}. "
            "Exclude these classes from the unknown ones, or rename them."
        )


def _refuse_names(table: pd.DataFrame, rows: np.ndarray, column: str, known: Collection[str], what: str) -> None:
    wrong = rows & ~table[column].isin(list(known)).to_numpy()
    if wrong.any():
        names = sorted(set(table.loc[wrong, column]))
        raise OsarbenchError(
            f"{_rows(int(wrong.sum()))} of the scores table {what}: {_some(names)}.{did_you_mean(names[0], known)}"
        )


def _refuse(table: pd.DataFrame, wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        count, videos = int(wrong.sum()), [str(video) for video in table.loc[wrong, "video"]]
        raise OsarbenchError(f"The scores table has {_rows(count)} {what}: {_some(videos)}.")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _some(names: Sequence[str], limit: int = 3) -> str:
    more = len(names) - limit
    return ", ".join(f"'{name}'" for name in names[:limit]) + (f" and {more:,} more" if more > 0 else "")
