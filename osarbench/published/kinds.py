"""What a file really is, whatever its name says; pickles are named and never opened."""

from pathlib import Path
from typing import Literal

from osarbench.errors import OsarbenchError

#: What a file begins with that is not what it should be -> what to say.
WRONG = {
    b"<": "is a web page and no scores file: the link led to a page about it. Download the file itself",
    b"version https://git-lfs": "is a Git LFS pointer and no scores file. Run: git lfs pull",
    b"\x93NUMPY": "holds one array (.npy), not the named arrays of a scores file (.npz)",
    b"PAR1": "is a Parquet file. Write it as CSV",
}


def kind_of(file: Path) -> Literal["npz", "mmaction", "csv"]:
    """Return what a file is, by how it begins rather than by its name.

    Raises:
        OsarbenchError: there is no such file, or it is nothing that holds scores; the message says what it is.
    """
    if not file.is_file():
        raise OsarbenchError(f"There is no file {file}." if not file.exists() else f"{file} is a folder. Name files.")
    with file.open("rb") as opened:
        start = opened.read(64)
    if not start.strip():
        raise OsarbenchError(f"{file} is empty. Fetch it again.")
    for sign, what in WRONG.items():
        if start.lstrip().startswith(sign):
            raise OsarbenchError(f"{file} {what}.")
    if file.suffix in (".pkl", ".pickle", ".pth", ".pt") or (
        start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"
    ):
        raise pickled(file)
    if start.startswith(b"PK"):
        return "npz"
    if file.suffix == ".npz":
        raise OsarbenchError(f"{file} is not a NumPy archive, whatever its name says: it begins with {start[:8]!r}.")
    return "mmaction" if start.lstrip()[:1] in (b"[", b"{") else "csv"


def pickled(path: Path) -> OsarbenchError:
    """Return the error for a pickle, with the command that makes JSON of it."""
    return OsarbenchError(
        f"{path} is a pickle, and reading a stranger's pickle runs whatever code is in it, so osarbench does not. If "
        f"you trust its author, convert it yourself where PyTorch is installed, then import {path.stem}.json:\n"
        '  python -c "import json, pickle; json.dump(pickle.load(open('
        f"{str(path)!r}, 'rb')), open({path.stem + '.json'!r}, 'w'), default=lambda tensor: tensor.tolist())\""
    )
