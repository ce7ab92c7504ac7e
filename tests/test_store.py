"""The store of frames: content names it, a kill costs one pack, damage is found and mended, changes make another."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from osarbench.data import decoder, processes, store, video
from osarbench.data.store import Source
from osarbench.data.stores import contents, estimate, making, packs, pruning, readers
from osarbench.data.stores.packed import PackedStore
from osarbench.data.video import UnreadableVideo, read_frames
from osarbench.errors import OsarbenchError

ALL = np.arange(8)


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    for position in range(5):
        toy.write(tmp_path / f"{position}.avi", (50 * position, 90, 90), seed=position, frames=8 + position)
    return [Source(str(position), str(tmp_path / f"{position}.avi"), None, None) for position in range(5)]


@pytest.fixture(autouse=True)
def _small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "VIDEOS", 2)
    packs.forget()


def prepare(sources: list[Source], folder: Path, **changes: Any) -> Any:
    settings = {"short_side": 12, "middle": None, "folder": folder / "clips", "workers": 1, "kind": "raw", **changes}
    return store.prepare(sources, **settings)


def files(folder: Path, pattern: str = "*.pack") -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (folder / "clips").rglob(pattern)}


def decoded(source: Source, wanted: list[int] | None = None) -> np.ndarray:
    return read_frames(Path(source.path), wanted, short_side=12)


@pytest.fixture
def decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the videos that are decoded from now on."""
    names: list[str] = []
    original = making._decode

    def noted(source: Source, *rest: Any) -> Any:
        names.append(source.id)
        return original(source, *rest)

    monkeypatch.setattr(making, "_decode", noted)
    return names


def test_stored_frames_are_decoded_frames(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path)
    for position, source in enumerate(sources):
        wanted = [3, 0, 7, 3]
        assert np.array_equal(made.frames(position, np.array(wanted)), decoded(source, wanted))
    assert [made.length(position) for position in range(5)] == [8, 9, 10, 11, 12]


def test_without_stored_frames_they_are_decoded_again_and_equal(sources: list[Source], tmp_path: Path) -> None:
    raw, none = (prepare(sources, tmp_path, kind=kind, middle=6) for kind in ("raw", "none"))
    wanted = np.array([5, 0, 5, 2])
    assert np.array_equal(raw.frames(4, wanted), none.frames(4, wanted))
    assert np.array_equal(raw.frames(4, wanted), decoded(sources[4], [8, 3, 8, 5]))
    assert not list((tmp_path / "clips").glob("none-*/*.pack"))


def test_jpeg_frames_are_nearly_the_decoded_ones_in_less_space(tmp_path: Path) -> None:
    slope = np.linspace(0, 200, 64, dtype=np.uint8)[None, :, None]
    write_smooth(tmp_path / "smooth.avi", np.broadcast_to(slope, (48, 64, 3)))
    source = [Source("smooth", str(tmp_path / "smooth.avi"))]
    raw, jpeg = (prepare(source, tmp_path, kind=kind, short_side=48) for kind in ("raw", "jpeg"))
    both = [its.frames(0, np.array([4, 0, 4])).astype(int) for its in (raw, jpeg)]
    assert np.abs(both[0] - both[1]).max() <= 6
    assert np.array_equal(both[1][0], both[1][2])
    sizes = [next((tmp_path / "clips").glob(f"{kind}-*/*.pack")).stat().st_size for kind in ("raw", "jpeg")]
    assert sizes[1] < sizes[0] / 5


def write_smooth(path: Path, picture: np.ndarray) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv420p"
        for _ in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode())


def test_what_is_there_is_not_made_again(sources: list[Source], tmp_path: Path, decoding: list[str]) -> None:
    prepare(sources, tmp_path)
    before = files(tmp_path, "*.*")
    decoding.clear()
    prepare(sources, tmp_path)
    assert decoding == []
    assert {name: its for name, its in files(tmp_path, "*.*").items() if name != store.MEMO} == {
        name: its for name, its in before.items() if name != store.MEMO
    }
    assert len(files(tmp_path)) == 3


def test_one_video_added_decodes_one_video(sources: list[Source], tmp_path: Path, decoding: list[str]) -> None:
    prepare(sources[1:], tmp_path)
    before = files(tmp_path)
    decoding.clear()
    made = prepare(sources, tmp_path)
    assert decoding == ["0"]
    assert len(files(tmp_path)) == len(before) + 1
    assert np.array_equal(made.frames(0, ALL), decoded(sources[0]))


def test_a_changed_video_is_decoded_again_and_no_other(
    sources: list[Source], tmp_path: Path, decoding: list[str]
) -> None:
    prepare(sources, tmp_path)
    decoding.clear()
    toy.write(Path(sources[0].path), (0, 0, 255), seed=9, frames=20)
    assert prepare(sources, tmp_path).length(0) == 20
    assert decoding == ["0"]


def test_a_file_that_is_moved_renamed_or_linked_is_not_decoded_again(
    sources: list[Source], tmp_path: Path, decoding: list[str]
) -> None:
    prepare(sources[:2], tmp_path)
    decoding.clear()
    Path(sources[0].path).rename(tmp_path / "moved.avi")
    (tmp_path / "linked.avi").symlink_to(sources[1].path)
    there = [Source("a", str(tmp_path / "moved.avi")), Source("b", str(tmp_path / "linked.avi"))]
    made = prepare(there, tmp_path)
    assert decoding == []
    assert np.array_equal(made.frames(1, ALL), decoded(sources[1], list(range(8))))


def test_videos_of_one_size_that_are_swapped_are_noticed_whatever_their_times_say(
    sources: list[Source], tmp_path: Path
) -> None:
    first, second = (Path(source.path) for source in sources[:2])
    padded = second.read_bytes().ljust(max(first.stat().st_size, second.stat().st_size), b"\0")
    second.write_bytes(padded)
    first.write_bytes(first.read_bytes().ljust(len(padded), b"\0"))
    for file in (first, second):
        os.utime(file, (1, 1))
    before = prepare(sources, tmp_path)
    first.rename(tmp_path / "c.avi")
    second.rename(first)
    (tmp_path / "c.avi").rename(second)
    after = prepare(sources, tmp_path)
    assert [after.digest(0), after.digest(1)] == [before.digest(1), before.digest(0)]
    assert [after.length(0), after.length(1)] == [9, 8]


def test_a_digest_says_what_frames_are_made_from_and_not_where_they_are_kept(
    sources: list[Source], tmp_path: Path
) -> None:
    raw, none, jpeg, middle = (
        prepare(sources, tmp_path, **changes).digests
        for changes in ({}, {"kind": "none"}, {"kind": "jpeg"}, {"middle": 5})
    )
    assert raw == none
    assert len({*raw, *jpeg, *middle}) == 15


def test_seconds_are_part_of_a_video(sources: list[Source], tmp_path: Path) -> None:
    cut = [source._replace(start=0.5) for source in sources]
    both = prepare([*cut, *sources], tmp_path)
    assert (both.length(4), both.length(9)) == (7, 12)
    assert both.digest(4) != both.digest(9)


@pytest.mark.parametrize("kind", ["raw", "jpeg"])
@pytest.mark.parametrize("damage", ["flip", "half of it zero", "table", "cut"])
def test_damage_is_named_and_the_video_decoded_again(
    sources: list[Source], tmp_path: Path, kind: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = prepare(sources, tmp_path, kind=kind)
    want = made.frames(3, ALL)
    content = bytearray(made.packs[3].read_bytes())
    entry = made.entries[3]
    change = {
        "flip": (entry.offset + entry.bytes // 2, 1),
        "half of it zero": (entry.offset, entry.bytes // 2),
        "table": (entry.table + 5, 1),
        "cut": (entry.offset + entry.bytes // 2, 0),
    }[damage]
    position = slice(change[0], sum(change))
    content[position] = bytes(change[1]) if change[1] > 1 else bytes(its ^ 4 for its in content[position])
    made.packs[3].write_bytes(content[: change[0]] if damage == "cut" else content)
    packs.forget()
    assert np.array_equal(made.frames(3, ALL), want)
    assert "the frames of 3 are decoded again from" in capsys.readouterr().err
    packs.forget()
    assert np.array_equal(made.frames(3, ALL), want)
    assert np.array_equal(prepare(sources, tmp_path, kind=kind).frames(3, ALL), want)
    assert capsys.readouterr().err == ""


def test_every_flipped_bit_of_a_packs_list_is_found_or_harmless(sources: list[Source], tmp_path: Path) -> None:
    prepare(sources[:2], tmp_path)
    (file,) = (file for file in (tmp_path / "clips").rglob("*.json") if file.name != store.MANIFEST)
    whole, listed = file.read_bytes(), packs.read_list(file)
    for position in range(0, len(whole) * 8, 37):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        file.write_bytes(flipped)
        with suppress(packs.DamagedPack):
            assert packs.read_list(file) == listed


@pytest.mark.parametrize("text", ["[]", "null", "{}", "", '{"sha256": 1}', '{"sha256": "", "content": {}}', "[" * 9999])
def test_a_damaged_list_is_named_and_its_videos_are_decoded_again(
    sources: list[Source], tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(sources, tmp_path)
    name = next(iter(files(tmp_path))).replace(".pack", ".json")
    next((tmp_path / "clips").rglob(name)).write_text(text)
    made = prepare(sources, tmp_path)
    assert f"{name} is damaged: what was in it is decoded again" in capsys.readouterr().err
    assert all(np.array_equal(made.frames(position, ALL), decoded(sources[position])[:8]) for position in range(5))


@pytest.fixture
def recording(tmp_path: Path) -> list[Source]:
    """Pieces of one file of 10 frames a second: two that overlap, one without a frame, one to the end."""
    toy.write(tmp_path / "long.avi", (90, 90, 90), seed=1, frames=60)
    cuts = [(0.0, 2.0), (1.0, 3.0), (99.0, 100.0), (4.0, None)]
    return [Source(f"piece {start}", str(tmp_path / "long.avi"), start, end) for start, end in cuts]


@pytest.mark.parametrize("kind", ["raw", "jpeg", "none"])
@pytest.mark.parametrize("middle", [None, 7])
def test_pieces_of_one_recording_are_what_each_is_alone(
    recording: list[Source], tmp_path: Path, kind: str, middle: int | None
) -> None:
    together = prepare(recording, tmp_path, kind=kind, middle=middle)
    assert together.unreadable == [(2, "no frame")]
    for position in (0, 1, 3):
        alone = prepare([recording[position]], tmp_path / str(position), kind=kind, middle=middle)
        assert together.length(position) == alone.length(0) == (middle or 20)
        wanted = np.array([0, 5, 3])
        assert np.array_equal(together.frames(position, wanted), alone.frames(0, wanted))


def test_pieces_of_one_recording_are_decoded_at_once(
    recording: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = decoder.Decoder.__init__

    def noted(self: Any, path: Path) -> None:
        opened.append(path)
        original(self, path)

    monkeypatch.setattr(estimate, "of", lambda *_: estimate.Estimate(4, 1.0, 1.0, 1.0, 1.0))
    monkeypatch.setattr(decoder.Decoder, "__init__", noted)
    prepare(recording, tmp_path)
    assert len(opened) == 1


def test_pieces_before_the_damage_of_a_recording_are_used(recording: list[Source], tmp_path: Path) -> None:
    file = Path(recording[0].path)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 7 // 10])
    made = prepare(recording, tmp_path)
    assert [position for position, _ in made.unreadable] == [2, 3]
    assert made.frames(1, ALL).shape == (8, 12, 16, 3)


@pytest.mark.parametrize("table", [False, True])
def test_damage_of_a_piece_is_mended_or_one_line(recording: list[Source], tmp_path: Path, table: bool) -> None:
    made = prepare(recording, tmp_path)
    want = [made.frames(position, ALL) for position in (0, 1, 3)]
    content = bytearray(made.packs[1].read_bytes())
    content[made.entries[1].table if table else made.entries[1].offset] ^= 1
    made.packs[1].write_bytes(content)
    packs.forget()
    if table:
        with pytest.raises(OsarbenchError, match="Run the same command again"):
            made.frames(1, ALL)
        made = prepare(recording, tmp_path)
    found = [made.frames(position, ALL) for position in (0, 1, 3)]
    assert np.array_equal(np.stack(found), np.stack(want))


def test_a_pack_that_was_cut_short_is_made_again(
    sources: list[Source], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(sources, tmp_path)
    cut = next((tmp_path / "clips").rglob("*.pack"))
    cut.write_bytes(cut.read_bytes()[:-10])
    made = prepare(sources, tmp_path)
    assert "bytes instead of" in capsys.readouterr().err
    assert all(made.frames(position, np.array([0])).shape == (1, 12, 16, 3) for position in range(5))


def test_damage_that_cannot_be_mended_is_one_line(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path)
    made.packs[3].write_bytes(bytes(made.packs[3].stat().st_size))
    toy.write(Path(sources[3].path), (9, 9, 9), seed=8, frames=11)
    packs.forget()
    with pytest.raises(OsarbenchError, match="3.avi does not give them again.*Run the same command again"):
        made.frames(3, ALL)
    assert np.array_equal(prepare(sources, tmp_path).frames(3, ALL), decoded(sources[3])[:8])


def test_a_cache_that_is_cleared_under_a_run_is_one_line(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path)
    shutil.rmtree(tmp_path / "clips")
    with pytest.raises(OsarbenchError, match="No such file or directory. If the cache was cleared, run the same"):
        made.frames(0, ALL)


def test_a_cache_that_is_a_link_to_nowhere_is_named(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / "clips").symlink_to(tmp_path / "scratch")
    with pytest.raises(OsarbenchError, match="clips is a link to .*scratch, where nothing is"):
        prepare(sources, tmp_path)


def test_an_unreadable_video_does_not_take_its_pack_with_it(sources: list[Source], tmp_path: Path) -> None:
    Path(sources[1].path).write_bytes(b"")
    made = prepare(sources, tmp_path)
    assert made.unreadable == [(1, "an empty file")]
    assert made.frames(0, np.array([0])).shape == (1, 12, 16, 3)


def test_a_video_damaged_at_its_end_leaves_no_frame_in_its_pack(sources: list[Source], tmp_path: Path) -> None:
    broken = Path(sources[0].path)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 7 // 10])
    made = prepare(sources, tmp_path)
    assert [position for position, _ in made.unreadable] == [0]
    assert made.entries[1].offset == 0
    assert np.array_equal(made.frames(1, np.arange(9)), decoded(sources[1]))


@pytest.mark.parametrize("where", ["while it is hashed", "while it is decoded"])
def test_a_reason_that_may_pass_is_not_remembered(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def refuse(path: Any, *rest: Any, **more: Any) -> Any:
        if not str(path).endswith("1.avi"):
            return original(path, *rest, **more)
        error = PermissionError(13, "Permission denied")
        raise error if where == "while it is hashed" else UnreadableVideo(path, "Permission denied") from error

    target: tuple[Any, str] = (readers, "content") if where == "while it is hashed" else (readers.video, "each_frame")  # type: ignore[attr-defined]
    original: Callable[..., Any] = getattr(*target)
    with monkeypatch.context() as patched:
        patched.setattr(*target, refuse)
        assert prepare(sources, tmp_path).unreadable == [(1, "Permission denied")]
    assert prepare(sources, tmp_path).unreadable == []


def test_two_decoding_processes_make_the_same_store(sources: list[Source], tmp_path: Path) -> None:
    alone, helped = prepare(sources, tmp_path), prepare(sources, tmp_path / "b", workers=2)
    assert alone.entries == helped.entries
    both = [
        {file.name: file.read_bytes() for file in (folder / "clips").rglob("*.pack")}
        for folder in (tmp_path, tmp_path / "b")
    ]
    assert both[0] == both[1]


def test_a_pack_that_another_process_is_making_is_awaited(
    sources: list[Source], tmp_path: Path, capsys: pytest.CaptureFixture[str], decoding: list[str]
) -> None:
    recipe = prepare([], tmp_path).recipe
    folder = tmp_path / "clips" / recipe.folder
    folder.mkdir()
    known = contents.look([source.path for source in sources], tmp_path / "memo", 1)
    wanted = [making.Wanted(recipe.key(known[its.path].sha256, its), known[its.path].sha256, its) for its in sources]
    theirs = making.plan(folder, recipe, wanted)[1]
    with ThreadPoolExecutor(1) as pool:
        with making._locked(folder, theirs.name, wait=False):
            ours = pool.submit(prepare, sources, tmp_path)
            said, deadline = "", time.monotonic() + 20
            while "another process is making 1 packs" not in said and time.monotonic() < deadline:
                said += capsys.readouterr().err
                time.sleep(0.01)
            assert sorted(decoding) == ["0", "1", "4"]
            making._make(theirs, folder / f"{theirs.name}.json")
        result = ours.result(timeout=20)
    assert result.frames(2, ALL).shape == (8, 12, 16, 3)
    assert sorted(decoding) == ["0", "1", "2", "3", "4"]


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(
    sources: list[Source], tmp_path: Path
) -> None:
    folder = tmp_path / "clips" / prepare(sources[:1], tmp_path).recipe.folder
    left, writing = folder / ".abc.pack.x1.tmp.pack", folder / ".def.pack.x2.tmp.pack"
    left.write_bytes(b"1")
    writing.write_bytes(b"1")
    with making._locked(folder, "def", wait=False):
        prepare(sources, tmp_path)
        assert (left.exists(), writing.exists()) == (False, True)
    making.sweep(folder)
    assert [file.name for file in folder.glob(".*")] == []


def test_frames_of_another_decoder_are_not_used(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = prepare(sources, tmp_path).digests
    monkeypatch.setattr(video, "decoder_version", lambda: "av 16.1.0")
    assert not {*prepare(sources, tmp_path).digests} & {*before}
    assert len(list((tmp_path / "clips").glob("raw-*"))) == 2


def test_a_store_is_complete_once_everything_is_decoded(sources: list[Source], tmp_path: Path) -> None:
    asked: dict[str, Any] = {"short_side": 12, "middle": None, "folder": tmp_path / "clips"}
    assert not store.is_complete(sources, **asked)
    assert not (tmp_path / "clips").exists()
    prepare(sources, tmp_path)
    assert store.is_complete(sources, **asked)
    assert not store.is_complete(sources, **asked, kind="none")


def test_auto_names_its_choice_and_the_others(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(sources, tmp_path / "a", kind="auto").recipe.kind == "raw"
    assert "5 videos, about 50 frames" in (said := capsys.readouterr().err)
    assert "--store jpeg would take" in said
    monkeypatch.setattr(estimate, "RAW_LIMIT", 100.0)
    assert prepare(sources, tmp_path / "b", kind="auto").recipe.kind == "jpeg"
    assert "--store raw keeps them" in capsys.readouterr().err
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=100))
    assert prepare(sources, tmp_path / "c", kind="auto").recipe.kind == "none"
    assert "--cache DIR" in capsys.readouterr().err


def test_one_long_video_is_estimated_before_it_fills_the_disk(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "RAW_LIMIT", 12 * 16 * 3 * 7.0)
    assert prepare(sources[:1], tmp_path, kind="auto").recipe.kind == "jpeg"


def test_frames_that_are_kept_are_used_however_little_space_is_left(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepare(sources, tmp_path, kind="auto")
    monkeypatch.setattr(estimate, "RAW_LIMIT", 100.0)
    again = prepare(sources, tmp_path, kind="auto")
    assert isinstance(again, PackedStore)
    assert again.packs == made.packs


def test_a_full_disk_names_the_ways_out(sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packs, "Writer", full)
    with pytest.raises(OsarbenchError, match="No space left.*data prune.*--cache DIR.*--store jpeg"):
        prepare(sources, tmp_path)


def test_a_video_that_changes_under_a_run_is_named(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path, kind="none")
    toy.write(Path(sources[2].path), (9, 9, 9), seed=8)
    Path(sources[3].path).unlink()
    with pytest.raises(OsarbenchError, match=r"2.avi changed while it was used"):
        made.frames(2, np.array([0]))
    with pytest.raises(OsarbenchError, match=r"3.avi: no such file. The file changed while it was used"):
        made.frames(3, np.array([0]))


def test_a_decoding_process_that_is_killed_is_no_bug(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(ThreadPoolExecutor):
        def __init__(self, workers: int, **_: object) -> None:
            super().__init__(workers)

        def map(self, *tasks: object, **_: object) -> object:  # type: ignore[override]
            raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Killed)
    with pytest.raises(OsarbenchError, match="ended from outside.*what is decoded already is kept"):
        prepare(sources, tmp_path, workers=2)


PARENT = """
import os, sys, time
sys.path.insert(0, {tests!r})
from osarbench.data import processes
import test_store

if __name__ == "__main__":
    for _ in processes.in_processes(test_store.tell_and_wait, [sys.argv[1]], 1, what="", remedy=""):
        pass
"""


def tell_and_wait(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.slow
def test_decoding_processes_end_with_a_killed_run(tmp_path: Path) -> None:
    script, pid = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT.format(tests=str(Path(__file__).parent)))
    run = subprocess.Popen([sys.executable, str(script), str(pid)])
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.05)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 20
    while _is_alive(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(int(pid.read_text()))


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def _long_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import tempfile
    from multiprocessing import process

    config = process.current_process()._config  # type: ignore[attr-defined]
    monkeypatch.setattr(process.current_process(), "_config", dict(config))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 30)))
    yield
    processes._KEPT.clear()


@pytest.mark.usefixtures("_long_tmpdir")
def test_sockets_of_processes_have_short_paths_whatever_tmpdir_is() -> None:
    from multiprocessing import util

    processes.use_short_sockets()
    assert len(util.get_temp_dir()) < processes.SOCKET_PATH


def test_an_unknown_kind_is_an_error(sources: list[Source], tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="There is no store 'jpg'. Did you mean 'jpeg'"):
        prepare(sources, tmp_path, kind="jpg")


def test_a_store_says_how_it_was_made(sources: list[Source], tmp_path: Path) -> None:
    folder = tmp_path / "clips" / prepare(sources, tmp_path, kind="jpeg", quality=80, middle=4).recipe.folder
    stated = json.loads((folder / store.MANIFEST).read_text())
    assert (stated["kind"], stated["short_side"], stated["middle"], stated["quality"]) == ("jpeg", 12, 4, 80)
    assert "simplejpeg" in stated["versions"]


def test_a_store_is_small_enough_to_be_sent_to_loader_processes(sources: list[Source], tmp_path: Path) -> None:
    sent = pickle.dumps(prepare(sources, tmp_path))
    assert pickle.loads(sent).frames(0, np.array([1])).shape == (1, 12, 16, 3)
    assert len(sent) < 5_000


def test_an_old_file_is_hashed_once(sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "TOO_NEW", -1.0)
    before = prepare(sources, tmp_path).digests
    monkeypatch.setattr(readers, "content", None)
    assert prepare(sources, tmp_path).digests == before


def test_a_damaged_memory_of_hashes_is_begun_again(sources: list[Source], tmp_path: Path) -> None:
    before = prepare(sources, tmp_path).digests
    (tmp_path / "clips" / store.MEMO).write_bytes(b"no database at all, but long enough to look like one" * 9)
    assert prepare(sources, tmp_path).digests == before


def prune(folder: Path, unused_for: float | None = None, *, dry: bool = False) -> int:
    return pruning.prune(folder / "clips", folder / "clips" / store.MEMO, unused_for=unused_for, dry=dry)


def test_prune_frees_the_frames_of_videos_that_are_gone_and_of_no_others(
    sources: list[Source], tmp_path: Path, decoding: list[str]
) -> None:
    made = prepare(sources, tmp_path)
    assert prune(tmp_path) == 0
    size = made.entries[0].bytes + made.entries[4].bytes
    for position in (0, 4):
        Path(sources[position].path).unlink()
    assert prune(tmp_path, dry=True) >= size
    assert prune(tmp_path) >= size
    assert prune(tmp_path) == 0
    decoding.clear()
    packs.forget()
    left = prepare(sources[1:4], tmp_path)
    assert decoding == []
    assert all(np.array_equal(left.frames(position - 1, ALL), decoded(sources[position])[:8]) for position in (1, 2, 3))


def test_prune_keeps_the_frames_of_a_disk_that_is_not_mounted(sources: list[Source], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    shutil.copy(sources[0].path, tmp_path / "disk")
    prepare([sources[0]._replace(path=str(tmp_path / "disk/0.avi"))], tmp_path)
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    assert prune(tmp_path) == 0


def test_prune_frees_what_was_not_used_for_long_and_what_other_versions_made(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(sources, tmp_path)
    assert prune(tmp_path, 1.0) == 0
    for file in (tmp_path / "clips").rglob("*.json"):
        os.utime(file, (1, 1))
    prepare(sources[:2], tmp_path)
    assert prune(tmp_path, 1.0) > 0
    assert len(files(tmp_path)) == 1
    (tmp_path / "clips/0123.bin").write_bytes(b"of an earlier version")
    monkeypatch.setattr(video, "decoder_version", lambda: "av 99")
    assert prune(tmp_path) > 0
    assert [file.name for file in (tmp_path / "clips").iterdir()] == [store.MEMO]


def test_a_check_of_the_stores_names_what_is_damaged(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path, kind="jpeg")
    (sound,) = pruning.check(tmp_path / "clips")
    assert (sound.videos, sound.damaged, sound.recipe) == (5, (), made.recipe)
    content = bytearray(made.packs[1].read_bytes())
    content[made.entries[1].offset + 5] ^= 1
    made.packs[1].write_bytes(content)
    (checked,) = pruning.check(tmp_path / "clips")
    assert [line.partition(" (")[0] for line in checked.damaged] == [f"{made.packs[1]} is damaged"]
