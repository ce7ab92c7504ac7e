"""Copies of data sets on a hub, served here on loopback: agreed to, compared, resumed, unpacked below their folder."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants

from osarbench.cli import cli
from osarbench.data import archives, hub
from osarbench.errors import OsarbenchError
from osarbench_plugins.datasets.ucf101 import Ucf101

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = Ucf101.hub


def zipped(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def tarred(members: dict[str, bytes], **odd: Any) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in odd.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return memory.getvalue()


class Hub:
    """A hub with one data set, large files as LFS, which counts what is asked of it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.stated: dict[str, str] = {}  # sha256, where it is not that of the content
        self.break_after: int | None = None  # bytes of the next answer
        self.ranges: list[str] = []

    def info(self) -> dict[str, Any]:
        siblings = [
            {
                "rfilename": name,
                "size": len(content),
                "blobId": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
                **self.large(name, content),
            }
            for name, content in self.files.items()
        ]
        return {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings, "cardData": {"license": "cc-by-4.0"}}

    def large(self, name: str, content: bytes) -> dict[str, Any]:
        return {"lfs": {"sha256": self.sha256(name), "size": len(content), "pointerSize": 1}} if self.lfs(name) else {}

    def lfs(self, name: str) -> bool:
        return archives.is_archive(Path(name))

    def sha256(self, name: str) -> str:
        return self.stated.get(name, hashlib.sha256(self.files[name]).hexdigest())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    its = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            for revision in ("", "/revision/main", f"/revision/{COMMIT}"):
                if path == f"/api/datasets/{REPOSITORY}{revision}":
                    return self.send(200, json.dumps(its.info()).encode(), {"Content-Type": "application/json"}, body)
            name = path.removeprefix(f"/datasets/{REPOSITORY}/resolve/{COMMIT}/")
            if name not in its.files:
                return self.send(404, b"", {"X-Error-Code": "EntryNotFound" if name != path else "RepoNotFound"}, body)
            content, etag = its.files[name], its.sha256(name) if its.lfs(name) else "etag"
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
            if "Range" in self.headers and body:
                its.ranges.append(self.headers["Range"])
                begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-").split("-")[0])
                headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
                return self.send(206, content[begin:], headers, body)
            return self.send(200, content, headers, body)

        def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not body:
                return
            if its.break_after is not None and "/resolve/" in self.path:
                content, its.break_after = content[: its.break_after], None
                self.close_connection = True
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield its
    server.shutdown()
    server.server_close()


def get(root: Path, *more: str, name: str = "ucf101") -> Result:
    return CliRunner().invoke(cli, ["data", "get", name, str(root), *more])


def fetch(root: Path) -> None:
    hub.fetch(hub.look(REPOSITORY, root), root)


def test_archives_are_unpacked_and_lists_lie_where_the_data_set_looks(served: Hub, tmp_path: Path) -> None:
    served.files = {
        "a.zip": zipped({"UCF-101/YoYo/v_YoYo_g01_c01.avi": b"video"}),
        "b.tar.gz": tarred({"UCF-101/YoYo/v_YoYo_g01_c02.avi": b"another"}),
        "annotations/classInd.txt": b"1 YoYo\n",
        "annotations/trainlist01.txt": b"YoYo/v_YoYo_g01_c01.avi 1\nYoYo/v_YoYo_g01_c02.avi 1\n",
    }
    found = get(tmp_path, "--agree")
    assert found.exit_code == 0, found.output
    assert f"{REPOSITORY} at {COMMIT}: 4 files" in found.output
    assert "Licence of the copy: cc-by-4.0." in found.output
    dataset = Ucf101(tmp_path)
    assert [dataset.path(video).read_bytes() for video in dataset.videos("train1")] == [b"video", b"another"]
    record = json.loads((tmp_path / "hub.json").read_text())
    assert record["commit"] == COMMIT
    assert record["files"]["a.zip"]["sha256"] == hashlib.sha256(served.files["a.zip"]).hexdigest()


def test_nothing_is_downloaded_before_the_licence_is_agreed_to(served: Hub, tmp_path: Path) -> None:
    served.files = {"a.zip": zipped({"a.avi": b"video"})}
    found = get(tmp_path)
    assert found.exit_code == 1
    assert "Terms of the data set: Videos from YouTube" in found.output
    assert "--agree" in str(found.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_broke_off_goes_on_where_it_was(
    served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(300_000)
    served.files = {"a.zip": zipped({"a.avi": content})}
    served.break_after = 100_000
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    with contextlib.suppress(OsarbenchError):  # where the library does not go on by itself, the user has to
        fetch(tmp_path)
    fetch(tmp_path)
    assert (tmp_path / "a.avi").read_bytes() == content
    assert served.ranges  # only the rest was asked for


def test_what_is_there_already_is_not_downloaded_again(served: Hub, tmp_path: Path) -> None:
    served.files = {"a.zip": zipped({"a.avi": b"video"}), "README.md": b"read me"}
    fetch(tmp_path)
    (tmp_path / "a.avi").unlink()
    copy = hub.look(REPOSITORY, tmp_path)
    served.files = {}
    hub.fetch(copy, tmp_path)
    assert (tmp_path / "a.avi").read_bytes() == b"video"


def test_a_file_that_is_not_what_the_hub_lists_is_deleted(served: Hub, tmp_path: Path) -> None:
    served.files = {"a.zip": zipped({"a.avi": b"video"})}
    served.stated = {"a.zip": "0" * 64}
    with pytest.raises(OsarbenchError, match="a.zip of .* is not the file that the Hub lists"):
        fetch(tmp_path)
    assert not list(tmp_path.rglob("a.zip"))
    assert not (tmp_path / "a.avi").exists()


def test_another_commit_than_the_recorded_one_is_refused(served: Hub, tmp_path: Path) -> None:
    served.files = {"README.md": b"read me"}
    fetch(tmp_path)
    record = json.loads((tmp_path / "hub.json").read_text())
    (tmp_path / "hub.json").write_text(json.dumps({**record, "commit": "f" * 40}))
    with pytest.raises(OsarbenchError, match=f"has no revision|has the files of .* at {'f' * 40}"):
        hub.look(REPOSITORY, tmp_path, COMMIT)


@pytest.mark.parametrize("name", ["../out.avi", "/etc/out.avi", "a/../../out.avi", "C:/out.avi", "..\\out.avi"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_member_that_climbs_out_is_refused_by_name(tmp_path: Path, make: Any, name: str) -> None:
    file = tmp_path / ("a.zip" if make is zipped else "a.tar.gz")
    file.write_bytes(make({name: b"evil"}))
    with pytest.raises(OsarbenchError, match=r"has a member '.*out.avi': its name leaves the folder"):
        archives.unpack(file, tmp_path / "in")
    assert list(tmp_path.rglob("*.avi")) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_an_archive_are_refused(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(tarred({"a.avi": b""}, type=kind, linkname="/etc/passwd"))
    with pytest.raises(OsarbenchError, match="has a member 'a.avi': links, devices and pipes"):
        archives.unpack(tmp_path / "a.tar", tmp_path / "in")


def test_a_link_in_a_zip_file_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a.avi")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(OsarbenchError, match="has a member 'a.avi': links, devices and pipes"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "in")


def test_a_link_that_lies_in_the_folder_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/videos").symlink_to(tmp_path)
    (tmp_path / "a.zip").write_bytes(zipped({"videos/a.avi": b"evil"}))
    with pytest.raises(OsarbenchError, match="would be written through the link"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "in")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    whole = (zipped if name == "a.zip" else tarred)({"a.avi": os.urandom(5000)})
    (tmp_path / name).write_bytes(whole[:2000])
    with pytest.raises(OsarbenchError, match=f"{name} is damaged: .* Delete it"):
        archives.unpack(tmp_path / name, tmp_path / "in")


def test_an_archive_that_does_not_fit_the_disk_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a.avi": b"0" * 5000}))
    usage = shutil.disk_usage(tmp_path)._replace(free=4999)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OsarbenchError, match="unpacks to 0.0 GB, and .* has 0.0 GB left"):
        archives.unpack(tmp_path / "a.zip", tmp_path / "in")


def test_a_hub_that_cannot_be_reached_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OsarbenchError, match="The Hub does not answer as it should: "):
        hub.look(REPOSITORY, tmp_path)


@pytest.mark.parametrize("name", ["kinetics", "ssv2", "hacs", "diving48", "mit", "mit_v1"])
def test_for_other_data_sets_it_says_step_by_step_what_to_put_where(tmp_path: Path, name: str) -> None:
    found = get(tmp_path, name=name)
    assert found.exit_code == 0
    assert "\n  1. " in found.output
    assert f"osarbench data check {name} {tmp_path}" in found.output.replace("\n", "")
