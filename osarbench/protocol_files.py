"""Where protocol files lie: the ones that come with osarbench, and a user's own by path."""

import importlib.util
from pathlib import Path

from osarbench.errors import OsarbenchError, unknown_name


def protocol_files() -> dict[str, Path]:
    """Return the protocols that come with osarbench, by name."""
    spec = importlib.util.find_spec("osarbench_benchmarks")
    assert spec is not None
    assert spec.origin is not None
    return {file.stem: file for file in sorted(Path(spec.origin).parent.glob("*.toml"))}


def find_protocol(name: str) -> Path:
    """Return the file of a protocol given by name, or by path if it ends in .toml.

    Raises:
        OsarbenchError: there is none; the message names the nearest.
    """
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise OsarbenchError(f"There is no protocol file {name}.")
        return Path(name)
    files = protocol_files()
    if name not in files:
        raise unknown_name("protocol", name, files)
    return files[name]
