"""CSV files of scores: our own table, or other people's columns under their common names."""

import codecs
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.published.scores import AnyArray, Part, Scores, part
from osarbench.scores import reading, table

#: Our column -> names that other people give it, in lower case.
NAMES: Mapping[str, tuple[str, ...]] = {
    "video": ("video", "video_id", "video_name", "clip", "clip_id", "filename", "file", "path", "name", "id"),
    "role": ("role", "set", "split", "is_unknown", "unknown", "is_ood", "ood"),
    "label": ("label", "labels", "gt_label", "gt", "ground_truth", "target", "y_true", "true_label", "class"),
    "predicted": ("predicted", "prediction", "pred", "pred_label", "predicted_label", "y_pred"),
    "confidence": ("confidence", "conf", "max_prob", "max_probability", "probability", "prob", "msp"),
    "uncertainty": ("uncertainty", "unctt", "ood_score", "unknown_score", "unknownness", "novelty", "anomaly_score"),
}
ROLES: Mapping[str, str] = {
    **dict.fromkeys(("known", "ind", "id", "in", "0", "false", "closed"), "known"),
    **dict.fromkeys(("unknown", "ood", "out", "1", "true", "open"), "unknown"),
    **dict.fromkeys(("train", "training"), "train"),
}


def is_own(path: Path) -> bool:
    """Say whether a CSV file has the columns of a scores table."""
    return set(table.COLUMNS) <= set(_rows(path).columns)


def of_table(rows: pd.DataFrame) -> Scores:
    """Return a scores table as the common form of published files, to check it."""
    numbered = all(rows[column].str.fullmatch(r"\d{1,9}").all() for column in ("label", "predicted"))
    parts = {role: _part(f"the {role} rows", its, numbered) for role, its in rows.groupby("role")}
    if not {"known", "unknown"} <= set(parts):
        raise OsarbenchError("The file must hold known and unknown videos; one of these roles has no row.")
    return Scores(parts["known"], parts["unknown"], "scores table", train=parts.get("train"))


def read(paths: Sequence[Path]) -> Scores:
    """Return the scores in one CSV file whose rows say their role, or in one of known and one of unknown videos.

    Raises:
        OsarbenchError: a file cannot be read, lacks a column, or has a role or number that is none.
    """
    choices: dict[str, None] = {}
    read_ones = [_named(path, choices) for path in paths]
    if len(paths) == 1 and "role" not in read_ones[0]:
        raise OsarbenchError(
            f"{paths[0]} does not say which videos are unknown: it has no column 'role' (known, unknown). Add one, or "
            "name two files, that of the known videos first."
        )
    if len(paths) == 2:
        read_ones = [rows.assign(role=role) for rows, role in zip(read_ones, ("known", "unknown"), strict=True)]
    rows = pd.concat(read_ones, ignore_index=True)
    scores = of_table(rows.assign(role=_roles(paths[0], rows["role"])))
    return scores._replace(variant=f"CSV, columns {', '.join(read_ones[0].columns)}", choices=tuple(choices))


def _named(path: Path, choices: dict[str, None]) -> pd.DataFrame:
    """Return the rows of a file under our names of columns; class numbers stay text."""
    rows = _rows(path)
    there = {str(name).strip().lower().replace("-", "_").replace(" ", "_"): name for name in rows.columns}
    found = {ours: next((there[name] for name in names if name in there), None) for ours, names in NAMES.items()}
    if found["uncertainty"] is None and found["confidence"] is None:
        found["uncertainty"] = _lacking(path, "uncertainty", there)
    for ours in ("label", "predicted"):
        found[ours] = found[ours] or _lacking(path, ours, there)
    for ours, theirs in found.items():
        if theirs is not None and theirs != ours:
            choices[f"the column '{theirs}' is taken for {ours}"] = None
    named = pd.DataFrame({ours: rows[theirs].str.strip() for ours, theirs in found.items() if theirs is not None})
    for column in ("confidence", "uncertainty"):
        if column in named:
            named[column] = _numbers(path, column, named[column])
    if "uncertainty" not in named:
        named["uncertainty"] = 1 - named["confidence"]
        choices["there is no uncertainty: 1 - confidence is used"] = None
    return named


def _rows(path: Path) -> pd.DataFrame:
    text = reading.open_text(path)[1].removeprefix(codecs.BOM_UTF8)
    header, _, rest = text.partition(b"\n")
    if not rest.strip():
        raise OsarbenchError(f"{path} has no rows.")
    separator = max(",;\t", key=lambda its: header.count(its.encode()))
    columns = header.count(separator.encode()) + 1
    if columns > reading.MAX_COLUMNS:
        raise OsarbenchError(f"{path} has {columns:,} columns, and no more than {reading.MAX_COLUMNS} are read.")
    try:
        rows = pd.read_csv(io.BytesIO(text), sep=separator, dtype=str, keep_default_na=False)
    except ValueError as error:  # ParserError and UnicodeDecodeError are ValueErrors
        reading.check_width(path, text, separator)
        raise OsarbenchError(f"{path} cannot be read as CSV: {str(error)[:300]}.") from error
    if not isinstance(rows.index, pd.RangeIndex):  # pandas takes the first field for an index
        reading.check_width(path, text, separator)
    return rows


def _roles(path: Path, given: pd.Series) -> pd.Series:
    roles = given.str.lower().map(ROLES)
    if roles.isna().any():
        wrong = str(given[roles.isna()].iloc[0])
        raise OsarbenchError(
            f"{path}: '{wrong}' is no role.{did_you_mean(wrong, ROLES)} Roles are: known, unknown, train."
        )
    return roles


def _part(where: str, rows: pd.DataFrame, numbered: bool) -> Part:
    def classes(column: str) -> AnyArray:
        return rows[column].to_numpy(str).astype(np.int64) if numbered else rows[column].to_numpy(str)

    return part(
        where,
        uncertainty=rows["uncertainty"].to_numpy(np.float64),
        confidence=rows["confidence"].to_numpy(np.float64) if "confidence" in rows else None,
        predicted=classes("predicted"),
        labels=classes("label"),
        videos=rows["video"].to_numpy(str) if "video" in rows else None,
    )


def _numbers(path: Path, column: str, text: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(text.where(text != "", "nan"), errors="coerce").astype(np.float64)
    wrong = numbers.isna() & ~text.str.lower().isin(["", "nan"])
    if wrong.any():
        raise OsarbenchError(f"{path}: '{text[wrong].iloc[0]}' is no number, in the column for {column}.")
    return numbers


def _lacking(path: Path, ours: str, there: Mapping[str, object]) -> str:
    hint = did_you_mean(ours, there)
    raise OsarbenchError(f"{path} has no column for the {ours}.{hint} It has: {', '.join(there)}. Call it '{ours}'.")
