"""What made a file: the manifest next to it, reuse of what is fresh and refusal of what is stale.

A file is *fresh* if the identity in its manifest is the one it would be made with now, and its bytes are those that
were written. Identities are computed in one place, `osarbench.artifacts.steps`.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from osarbench import __version__
from osarbench.artifacts import storage
from osarbench.digests import content_digest, plain
from osarbench.errors import OsarbenchError

Identity = Mapping[str, Any]
#: Files whose bytes were found right, by path, with size, time and sha256: each is checked once a process.
_checked: dict[Path, tuple[int, int, str]] = {}


def manifest_of(file: Path) -> Path:
    """Return the path of the manifest next to a file."""
    return file.with_name(f"{file.name}.manifest.json")


def read(file: Path) -> dict[str, Any] | None:
    """Return what the manifest next to a file states, None if there is none or a damaged one."""
    try:
        manifest = json.loads(manifest_of(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.pop("seal", None) != _seal(manifest):
        return None
    return manifest if "identity" in manifest and "sha256" in manifest else None


def is_fresh(file: Path, identity: Identity, *, redo: bool) -> bool:
    """Say whether a file was made with this identity and is intact, so that it need not be made again.

    A file without manifest was being written when a run was killed: it is made again. So is one that was damaged.

    Raises:
        OsarbenchError: the file was made with another identity and `redo` is false; the message names what differs.
    """
    manifest = read(file)
    if manifest is None or not file.is_file():
        return False
    different = differences(manifest["identity"], identity)
    if different:
        if redo:
            return False
        raise OsarbenchError(
            f"{file} was made with other settings than this run has:\n"
            + "".join(f"  {line}\n" for line in different[:12])
            + "Use --redo to replace it, or --runs DIR to keep both."
        )
    return is_intact(file, manifest)


def is_intact(file: Path, manifest: Mapping[str, Any] | None = None) -> bool:
    """Say whether a file's bytes are those that its manifest states; a file is hashed once a process."""
    manifest = read(file) if manifest is None else manifest
    if manifest is None:
        return False
    try:
        stat = file.stat()
    except OSError:
        return False
    known = _checked.get(file.resolve())
    if known is None or known[:2] != (stat.st_size, stat.st_mtime_ns):
        known = (stat.st_size, stat.st_mtime_ns, storage.sha256(file))
        _checked[file.resolve()] = known
    return known[2] == str(manifest["sha256"])


def differences(there: Identity, here: Identity) -> list[str]:
    """Return a line for each entry in which two identities differ, "KEY: A there, B here"."""
    return list(_differences(plain(there), plain(here)))


@contextmanager
def write_artifact(file: Path, identity: Identity, record: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes the file, with its manifest next to it.

    If the write fails or is killed, the old file and its manifest stay. Neither is taken for the new one: the sha256
    in a manifest fits its own file alone.

    Args:
        file: the file to make; its folder is made if need be.
        identity: what decides whether it may be reused later.
        record: further facts (device, seconds ...) that are noted but not compared; read when the file is written.
    """
    with storage.atomic_write(file) as temporary:
        yield temporary
        digest = storage.sha256(temporary)
    made = plain({
        "identity": identity,
        "sha256": digest,
        "bytes": file.stat().st_size,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "osarbench": __version__,
        "python": platform.python_version(),
        **(record or {}),
    })  # fmt: skip
    storage.write_text(manifest_of(file), json.dumps({**made, "seal": _seal(made)}, indent=1) + "\n")


def remove(file: Path) -> None:
    """Delete a file and its manifest, if they are there."""
    file.unlink(missing_ok=True)
    manifest_of(file).unlink(missing_ok=True)


def digest_of(file: Path) -> str:
    """Return the sha256 that a file's manifest states (the file itself was checked by `is_fresh` or just made)."""
    manifest = read(file)
    return str(manifest["sha256"]) if manifest else storage.sha256(file)


def _seal(manifest: Mapping[str, Any]) -> str:
    return content_digest(manifest)[:16]


def _differences(there: Any, here: Any, key: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for name in sorted(there.keys() | here.keys()):
            inner = f"{key}.{name}" if key else name
            yield from _differences(there.get(name), here.get(name), inner)
    elif there != here:
        yield f"{key}: {_short(there)} there, {_short(here)} here"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
