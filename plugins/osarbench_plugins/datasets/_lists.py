"""Reading official list files: tolerant of line ends and blanks, strict about what a line says."""

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from osarbench.errors import OsarbenchError
from osarbench.interfaces import layout as layouts
from osarbench.interfaces.dataset import cannot_be_read

from ._elsewhere import Elsewhere


def find_folder(root: Path, candidates: Sequence[str], file: str, layout: str) -> Path:
    """Return the first of the folders below `root` that has this file; else the one anywhere below it, or next to it.

    Raises:
        OsarbenchError: none has it, or two have different ones; the message says what to put where.
    """
    for candidate in candidates:
        if (root / candidate / file).is_file():
            return root / candidate
    found = [path for path in layouts.files_below(root) if path.name == file]
    found = found or [path for name in candidates if (path := root.parent / Path(name).name / file).is_file()]
    if found and len({path.read_bytes() for path in found}) == 1:
        return found[0].parent
    if found:
        raise OsarbenchError(f"{found[0]} and {found[1]} differ. Leave the one there that is to be used.\n{layout}")
    shown = ", ".join(str(root / candidate) for candidate in candidates)
    raise OsarbenchError(f"The list file {file} is in none of {shown}.\n{layouts.side_by_side(root, layout)}")


def find_videos(root: Path, candidates: Sequence[str], folders: Collection[str]) -> Path:
    """Return the first of the folders below `root` that has one of these folders in it.

    If none has, it is the root itself where a video is anywhere below it, else ``videos/``.
    """
    for candidate in candidates:
        if any((root / candidate / folder).is_dir() for folder in folders):
            return root / candidate
    return root if Elsewhere(root).any else root / "videos"


def lines(file: Path, layout: str) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of every line that is not blank; `where` names file and line for messages.

    Raises:
        OsarbenchError: the file is not there (the message says what to put where) or is not text.
    """
    if not file.is_file():
        raise OsarbenchError(f"The list file {file} is missing.\n{layout}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise cannot_be_read(file, error) from error
    except UnicodeDecodeError as error:
        raise OsarbenchError(f"{file} is not text in UTF-8: {error.reason}. Save it as UTF-8.") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"{file}, line {number}", line.strip()


def rows(file: Path, layout: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (where, fields) of every line of a CSV file that is not blank; blanks around a field are cut off.

    Raises:
        OsarbenchError: as `lines`, or a quotation mark is not closed on its line.
    """
    for where, text in lines(file, layout):
        try:
            yield where, [field.strip() for field in next(csv.reader([text], skipinitialspace=True, strict=True))]
        except csv.Error as error:
            raise malformed(where, text, "fields separated by commas, quotation marks closed") from error


def malformed(where: str, text: str, wanted: str) -> OsarbenchError:
    """Return the error for a line that is not what it should be."""
    return OsarbenchError(f"{where}: '{text}' is not '{wanted}'. Is this the official file?")
