"""Finding benchmark files by name or path: protocols, exclusion lists and published tables."""

import importlib.util
from pathlib import Path

from osarbench.errors import OsarbenchError, unknown_name

#: What there is, and where in ``benchmarks/``.
FOLDERS = {
    "protocol": "",
    "band": "bands",
    "exclusion list": "exclusions",
    "published table": "published",
    "study": "studies",
}


def shipped(kind: str = "protocol") -> dict[str, Path]:
    """Return the files of a kind (`FOLDERS`) that come with osarbench, by name."""
    spec = importlib.util.find_spec("osarbench_benchmarks")
    assert spec is not None
    assert spec.origin is not None
    return {file.stem: file for file in sorted((Path(spec.origin).parent / FOLDERS[kind]).glob("*.toml"))}


def find(name: str, kind: str = "protocol") -> Path:
    """Return the file of a kind given by name, or by path if it ends in .toml.

    Raises:
        OsarbenchError: there is none; the message names the nearest.
    """
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise OsarbenchError(f"There is no {kind} file {name}.")
        return Path(name)
    files = shipped(kind)
    if name not in files:
        raise unknown_name(kind, name, files)
    return files[name]
