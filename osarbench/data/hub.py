"""Copies of data sets on the Hugging Face Hub: one commit of one repository, each file compared with its sha256."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from osarbench import console
from osarbench.artifacts.storage import in_words, sha256, write_text
from osarbench.data import archives
from osarbench.errors import OsarbenchError

RECORD = "hub.json"  #: in the data set's folder: which commit its files are of
DOWNLOADS = ".hub"  #: folder of the archives, in the data set's


@dataclass(frozen=True)
class HubFile:
    """One file of a commit."""

    size: int  #: bytes
    sha256: str | None  #: of large files
    git: str | None  #: of small ones: their git blob's sha1


@dataclass(frozen=True)
class Copy:
    """A commit of a repository."""

    repository: str
    commit: str
    licence: str  #: as its page states it
    files: Mapping[str, HubFile]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


def look(repository: str, root: Path, revision: str | None = None) -> Copy:
    """Return what a repository has, at a commit that is fixed from now on.

    Args:
        repository: ``owner/name`` of a data set.
        root: the data set's folder; a commit that is recorded there is taken.
        revision: branch, tag or commit; None: the recorded one, else ``main``.

    Raises:
        OsarbenchError: there is no such repository or revision, the Hub cannot be reached, or another commit's files
            are in the folder.
    """
    recorded = _recorded(root)
    if recorded and recorded.get("repository") == repository and revision is None:
        revision = str(recorded["commit"])
    info = _asked(repository, revision)
    if recorded and recorded.get("commit") != info.sha:
        raise OsarbenchError(
            f"{root} has the files of {recorded.get('repository')} at {recorded.get('commit')}, and {info.sha} was "
            "asked for. Leave out --revision, or use another folder."
        )
    card = info.card_data or {}
    licence = card.get("license") or card.get("license_name") or "not stated"
    found = {}
    for its in info.siblings or []:
        path = PurePosixPath(its.rfilename)
        if path.is_absolute() or ".." in path.parts:
            raise OsarbenchError(
                f"{repository} names a file '{path}', which leaves the folder. Nothing was downloaded."
            )
        found[str(path)] = HubFile(int(its.size or 0), its.lfs.sha256 if its.lfs else None, its.blob_id)
    return Copy(repository, str(info.sha), str(licence), found)


def fetch(copy: Copy, root: Path) -> None:
    """Download what is lacking, compare it, and unpack it below the data set's folder.

    An interrupted download goes on where it was. Archives stay in ``.hub/``; other files go to their places.

    Raises:
        OsarbenchError: the Hub cannot be reached, a file is not what the Hub says, an archive is refused, or the disk
            is full.
    """
    folder = root / DOWNLOADS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise in_words(folder, error) from error
    write_text(root / RECORD, json.dumps(asdict(copy), indent=1) + "\n")
    for name, its in copy.files.items():
        file = folder / name
        if not _is(file, its):
            console.say(f"get: {name}, {its.size / 1e6:,.1f} MB")
            _download(copy, name, folder)
            if not _is(file, its):
                file.unlink(missing_ok=True)
                raise OsarbenchError(
                    f"{name} of {copy.repository} is not the file that the Hub lists: its sha256 or size differs. It "
                    "was deleted. Run the same command again; if that does not help, the copy is damaged."
                )
        _place(file, name, root)


def rest(copy: Copy) -> list[str]:
    """Return the files that have to be unpacked by hand."""
    return [name for name in copy.files if name.lower().endswith((".rar", ".7z"))]


def _place(file: Path, name: str, root: Path) -> None:
    if archives.is_archive(file):
        console.say(f"get: {archives.unpack(file, root)} files unpacked from {name}")
        return
    target = root / name
    if name.startswith(".") or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target)
    except OSError:
        target.symlink_to(file.resolve())


def _is(file: Path, its: HubFile) -> bool:
    """Say whether a file is what the Hub lists."""
    if not file.is_file() or file.stat().st_size != its.size:
        return False
    if its.sha256 is not None:
        return sha256(file) == its.sha256
    content = file.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return its.git is None or its.git == blob


def _recorded(root: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((root / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OsarbenchError(f"{root / RECORD} cannot be read: {error}. Delete it to begin anew.") from error
    return found if isinstance(found, dict) else None


def _asked(repository: str, revision: str | None) -> Any:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return HfApi(endpoint=_endpoint()).dataset_info(repository, revision=revision, files_metadata=True)
    except RepositoryNotFoundError as error:
        raise OsarbenchError(
            f"There is no data set {repository} on the Hub, or it wants you to log in: `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise OsarbenchError(f"{repository} has no revision '{revision}' on the Hub.") from error
    except Exception as error:
        raise _unreachable(error) from error


def _download(copy: Copy, name: str, folder: Path) -> None:
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(
            copy.repository, name, repo_type="dataset", revision=copy.commit, local_dir=folder, endpoint=_endpoint()
        )
    except OSError as error:
        if error.errno:
            raise in_words(folder / name, error) from error
        raise _unreachable(error) from error
    except Exception as error:
        raise _unreachable(error) from error


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _unreachable(error: Exception) -> Exception:
    """Return what the network's fault is in words; anything else is a bug and stays what it is."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3", "huggingface_hub")):
        return OsarbenchError(
            f"The Hub does not answer as it should: {lines[0]} What is downloaded is kept; run the same command again "
            "when it can be reached."
        )
    return error
