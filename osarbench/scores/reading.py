"""The text of a scores table's file: decompressed within stated limits, refused where it is not what it seems."""

import csv
import gzip
import io
import zlib
from pathlib import Path

import numpy as np

from osarbench.errors import OsarbenchError

#: Limits of a file, far above what a scores table needs: bytes, bytes of a row, columns.
MAX_BYTES = 4 * 2**30
MAX_ROW = 5000
MAX_COLUMNS = 100
#: A compressed file may hold so many times its size, and `_FREE` bytes in any case.
MAX_RATIO = 50
_FREE = 64 * 2**20
#: Facts about the table in its first line.
MAX_FACTS = 16 * 2**20
#: A file that begins so has facts about the table in its first line, as JSON: where it comes from.
FACTS = b"# {"
_CHUNK = 2**20


def open_text(path: Path) -> tuple[bytes, bytes]:
    """Return the line of facts, empty if there is none, and the rest of a file, decompressed.

    Raises:
        OsarbenchError: there is no such file, it is cut short, or it is beyond a limit.
    """
    if not path.is_file():
        raise OsarbenchError(f"There is no scores table at {path}.")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _beyond(path, f"has {size:,} bytes", f"{MAX_BYTES:,}")
        text = _decompress(path, size) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, OSError, zlib.error) as error:
        raise unreadable(path, error) from error
    line, rest = b"", text
    if text.startswith(FACTS):
        line, _, rest = text.partition(b"\n")
        if len(line) > MAX_FACTS:
            raise _beyond(path, f"has {len(line):,} bytes of facts in its first line", f"{MAX_FACTS:,}")
    _check_rows(path, rest)
    return line, rest


def check_width(path: Path, text: bytes) -> None:
    """Refuse a file if one of its rows has more fields than its header: it would be read a column to the right.

    Args:
        path: for the message.
        text: the file without its line of facts.

    Raises:
        OsarbenchError: there is such a row; what it probably is is said.
    """
    rows = _fields(text)
    columns = len(next(rows, []))
    for number, fields in enumerate(rows, start=1):
        if len(fields) > columns:
            row = ",".join(fields)[:200]
            raise OsarbenchError(
                f"Row {number} of {path} has {len(fields)} fields, and the header names {columns}: {row}. "
                f"{_likely(fields, columns)}"
            )


def _likely(fields: list[str], columns: int) -> str:
    """Return what a row of too many fields probably is."""
    if columns == 1 and ";" in fields[0]:
        return "Fields separated by semicolons are read with --decimal ,"
    if not any(fields[columns:]):
        return "It ends with a comma: write the file without, or give the header a name there."
    if all(field.lstrip("-").isdigit() for field in fields[-2:]):
        return "Its numbers seem to have decimal commas: read it with --decimal , or write them with points."
    return "A field with a comma belongs in double quotes."


def with_points(path: Path, text: bytes, numbers: tuple[str, ...]) -> bytes:
    """Return the text of a table of decimal commas with decimal points, separated by commas.

    Fields are separated by semicolons, or by commas where numbers are quoted. Where neither is so and a row has as many
    more fields as there are columns of numbers, its last fields are joined in pairs.

    Args:
        path: for the message.
        text: the file without its line of facts.
        numbers: the columns of numbers.

    Raises:
        OsarbenchError: it cannot be said which fields of a row belong together.
    """
    rows = list(_fields(text, ";" if b";" in text.partition(b"\n")[0] else ","))
    header, columns = rows[0], len(rows[0])
    places = [place for place, name in enumerate(header) if name in numbers]
    for number, row in enumerate(rows[1:], start=1):
        if len(row) == columns + len(places) and places == list(range(places[0], columns)):
            tail = row[places[0] :]
            row[places[0] :] = [f"{tail[i]}.{tail[i + 1]}" for i in range(0, len(tail), 2)]
        elif len(row) > columns:
            raise OsarbenchError(
                f"Row {number} of {path} has {len(row)} fields, and the header names {columns}: {','.join(row)[:200]}. "
                "It cannot be said which of its commas are decimal commas. Write the file with semicolons between its "
                "fields, or with decimal points."
            )
        for place in places:
            if place < len(row):
                row[place] = row[place].replace(",", ".")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue().encode()


def unreadable(path: Path, error: Exception | str) -> OsarbenchError:
    """Return the error of a file that is damaged."""
    return OsarbenchError(f"The scores table {path} cannot be read: {str(error)[:300]}.")


def _decompress(path: Path, size: int) -> bytes:
    limit = min(MAX_RATIO * size + _FREE, MAX_BYTES)
    parts, read = [], 0
    with gzip.open(path) as stream:
        while part := stream.read(_CHUNK):
            parts.append(part)
            read += len(part)
            if read > limit:
                raise _beyond(path, f"holds more than {limit:,} bytes in {size:,} compressed ones",
                              f"{MAX_RATIO} times its size and {_FREE:,}, or {MAX_BYTES:,}")  # fmt: skip
    return b"".join(parts)


def _check_rows(path: Path, text: bytes) -> None:
    columns = text[: text.find(b"\n") if b"\n" in text else len(text)].count(b",") + 1
    if columns > MAX_COLUMNS:
        raise _beyond(path, f"has {columns:,} columns", f"{MAX_COLUMNS}")
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    lengths = np.diff(np.concatenate([[-1], ends, [len(text)]])) - 1
    longest = int(lengths.argmax())
    if lengths[longest] > MAX_ROW:
        raise _beyond(path, f"has {lengths[longest]:,} bytes in row {longest}", f"{MAX_ROW:,}")


def _beyond(path: Path, what: str, limit: str) -> OsarbenchError:
    return OsarbenchError(f"{path} {what}, which is no scores table: at most {limit} are read.")


def _fields(text: bytes, delimiter: str = ",") -> "csv.Reader":  # type: ignore[name-defined]
    return csv.reader(io.StringIO(text.decode("utf-8", "replace"), newline=""), delimiter=delimiter)
