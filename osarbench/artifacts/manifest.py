"""What made a file: its identity beside it, atomic writes, reuse of what fits and refusal of what does not."""

import ast
import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from osarbench import __version__
from osarbench.artifacts import storage
from osarbench.errors import OsarbenchError

Identity = Mapping[str, Any]


def manifest_of(file: Path) -> Path:
    """Return the manifest that stands beside a file."""
    return file.with_name(f"{file.name}.manifest.json")


def read(file: Path) -> dict[str, Any] | None:
    """Return what the manifest beside a file states, None if there is none or a damaged one."""
    try:
        manifest = json.loads(manifest_of(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "identity" in manifest and "sha256" in manifest else None


def is_fresh(file: Path, identity: Identity, *, redo: bool) -> bool:
    """Say whether a file was made with this identity and is intact, so that it need not be made again.

    A file without manifest was being written when a run was killed: it is made again. So is one that was damaged.

    Raises:
        OsarbenchError: the file was made with another identity and `redo` is false; the message names what differs.
    """
    manifest = read(file)
    if manifest is None or not file.is_file():
        return False
    differences = list(_differences(manifest["identity"], _plain(identity)))
    if differences:
        if redo:
            return False
        raise OsarbenchError(
            f"{file} was made with other settings than this run has:\n"
            + "".join(f"  {line}\n" for line in differences[:12])
            + "Use --redo to make it anew, or --runs DIR to keep both."
        )
    return _intact(file, manifest)


@contextmanager
def write_artifact(file: Path, identity: Identity, **record: Any) -> Iterator[Path]:
    """Yield a temporary path to write to; on success it becomes the file, with its manifest beside it.

    If the write fails or is killed, the old file and its manifest stay. Neither is taken for the new one: the sha256
    in a manifest fits its own file alone.

    Args:
        file: the file to make; its folder is made if need be.
        identity: what decides whether it may be reused later.
        record: further facts (device, seconds ...) that are noted but not compared.
    """
    with storage.atomic_write(file) as temporary:
        yield temporary
        digest = storage.sha256(temporary)
    made = {
        "identity": _plain(identity),
        "sha256": digest,
        "bytes": file.stat().st_size,
        "modified_ns": file.stat().st_mtime_ns,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "osarbench": __version__,
        "python": platform.python_version(),
        "versions": versions(),
        **_plain(record),
    }
    with storage.atomic_write(manifest_of(file)) as temporary:
        temporary.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def digest_of(file: Path) -> str:
    """Return the sha256 that a file's manifest states (the file itself was checked by `is_fresh` or just made)."""
    manifest = read(file)
    return str(manifest["sha256"]) if manifest else storage.sha256(file)


def text_digest(value: Any) -> str:
    """Return a short digest of plain values, for a folder's name."""
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()[:8]


def code_digest(files: Iterable[Path]) -> str:
    """Return a short digest of source files: what they do, whatever their comments, docstrings, layout and place."""
    digest = hashlib.sha256()
    for file in files:
        content = _bare(file.read_text(encoding="utf-8")).encode() if file.suffix == ".py" else file.read_bytes()
        digest.update(file.name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body[: ast.get_docstring(node) is not None] = []
            node.body = node.body or [ast.Pass()]
    return ast.unparse(tree)


def versions() -> dict[str, str]:
    """Return the versions of the packages that numbers depend on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("av", "numpy", "timm", "torch", "torchvision")}


def _intact(file: Path, manifest: Mapping[str, Any]) -> bool:
    """Compare the bytes, unless size and time say that nobody has touched them."""
    stat = file.stat()
    if stat.st_size != manifest["bytes"]:
        return False
    return bool(stat.st_mtime_ns == manifest["modified_ns"] or storage.sha256(file) == manifest["sha256"])


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


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True, default=str))
