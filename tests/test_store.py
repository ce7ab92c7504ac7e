"""The store of decoded frames: content names it, a kill costs one shard, changes make another."""

import os
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import toy

from osarbench.data import store, video
from osarbench.data.store import Source, Store
from osarbench.data.video import read_frames
from osarbench.errors import OsarbenchError


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    for place in range(5):
        toy.write(tmp_path / f"{place}.avi", (50 * place, 90, 90), seed=place, frames=8 + place)
    return [Source(str(place), str(tmp_path / f"{place}.avi"), None, None) for place in range(5)]


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD", 2)


def prepare(sources: list[Source], folder: Path, **changes: object) -> Store:
    settings = {"short_side": 12, "middle": None, "folder": folder / "clips", "workers": 1, "kind": "raw", **changes}
    return store.prepare(sources, **settings)  # type: ignore[arg-type]


def shards(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (folder / "clips").iterdir()}


def test_stored_frames_are_decoded_frames(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path)
    for place, source in enumerate(sources):
        wanted = np.array([3, 0, 7, 3])
        assert np.array_equal(
            made.frames(place, wanted), read_frames(Path(source.path), wanted.tolist(), short_side=12)
        )
    assert [entry.length for entry in made.entries] == [8, 9, 10, 11, 12]


def test_without_stored_frames_they_are_decoded_again_and_equal(sources: list[Source], tmp_path: Path) -> None:
    raw, none = (prepare(sources, tmp_path, kind=kind, middle=6) for kind in ("raw", "none"))
    assert none.shards == (None,) * 5
    assert np.array_equal(raw.frames(4, np.arange(6)), none.frames(4, np.arange(6)))
    assert np.array_equal(raw.frames(4, np.arange(6)), read_frames(Path(sources[4].path), range(3, 9), short_side=12))


def test_what_is_there_is_not_made_again(sources: list[Source], tmp_path: Path) -> None:
    prepare(sources, tmp_path)
    before = shards(tmp_path)
    prepare(sources, tmp_path)
    assert shards(tmp_path) == before
    assert len(before) == 6


def test_a_changed_video_makes_its_own_shard_anew_and_no_other(sources: list[Source], tmp_path: Path) -> None:
    prepare(sources, tmp_path)
    before = shards(tmp_path)
    toy.write(Path(sources[0].path), (0, 0, 255), seed=9, frames=20)
    assert prepare(sources, tmp_path).entries[0].length == 20
    assert len(shards(tmp_path).keys() - before.keys()) == 2


def test_an_entry_has_the_size_of_its_file(sources: list[Source], tmp_path: Path) -> None:
    sizes = [entry.size for entry in prepare(sources, tmp_path).entries]
    assert sizes == [Path(source.path).stat().st_size for source in sources]


def test_a_shard_that_was_being_written_is_made_again(sources: list[Source], tmp_path: Path) -> None:
    prepare(sources, tmp_path)
    cut = next((tmp_path / "clips").glob("*.bin"))
    cut.write_bytes(cut.read_bytes()[:-10])
    made = prepare(sources, tmp_path)
    assert all(made.frames(place, np.array([0])).shape == (1, 12, 16, 3) for place in range(5))


def test_an_unreadable_video_does_not_take_its_shard_with_it(sources: list[Source], tmp_path: Path) -> None:
    Path(sources[1].path).write_bytes(b"")
    made = prepare(sources, tmp_path)
    assert made.unreadable == [(1, "an empty file")]
    assert made.frames(0, np.array([0])).shape == (1, 12, 16, 3)


def test_two_decoding_processes_make_the_same_store(sources: list[Source], tmp_path: Path) -> None:
    alone, helped = prepare(sources, tmp_path), prepare(sources, tmp_path / "b", workers=2)
    assert alone.entries == helped.entries
    names = [
        {file.name: file.read_bytes() for file in (folder / "clips").iterdir()} for folder in (tmp_path, tmp_path / "b")
    ]
    assert names[0] == names[1]


def test_seconds_are_part_of_a_shards_name(sources: list[Source], tmp_path: Path) -> None:
    cut = [source._replace(start=0.5) for source in sources]
    assert prepare(cut, tmp_path).entries[4].length == 7
    assert prepare(sources, tmp_path).entries[4].length == 12


def test_frames_of_another_decoder_are_not_used(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(sources, tmp_path)
    before = shards(tmp_path)
    monkeypatch.setattr(video, "decoder_version", lambda: "av 16.1.0")
    prepare(sources, tmp_path)
    assert len(shards(tmp_path)) == 2 * len(before)


def test_frames_that_would_not_fit_are_not_kept(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "RAW_LIMIT", 100.0)
    assert prepare(sources, tmp_path, kind="auto").shards[0] is None
    assert "--store raw keeps them" in capsys.readouterr().err


def test_frames_that_are_kept_are_used_however_little_space_is_left(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepare(sources, tmp_path, kind="auto")
    monkeypatch.setattr(store, "RAW_LIMIT", 100.0)
    assert prepare(sources, tmp_path, kind="auto").shards == made.shards
    assert None not in made.shards


def test_a_video_damaged_at_its_end_leaves_no_frame_in_its_shard(sources: list[Source], tmp_path: Path) -> None:
    broken = Path(sources[0].path)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 7 // 10])
    made = prepare(sources, tmp_path)
    assert [place for place, _ in made.unreadable] == [0]
    assert made.entries[1].offset == 0
    assert np.array_equal(made.frames(1, np.arange(9)), read_frames(Path(sources[1].path), short_side=12))


def test_a_video_that_changes_under_a_run_is_named(sources: list[Source], tmp_path: Path) -> None:
    made = prepare(sources, tmp_path, kind="none")
    Path(sources[3].path).unlink()
    with pytest.raises(OsarbenchError, match=r"3.avi: no such file. The file changed while it was used"):
        made.frames(3, np.array([0]))


def test_a_decoding_process_that_is_killed_is_no_bug(
    sources: list[Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(ThreadPoolExecutor):
        def __init__(self, workers: int, mp_context: object) -> None:
            super().__init__(workers)

        def map(self, *tasks: object) -> object:  # type: ignore[override]
            raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(store, "ProcessPoolExecutor", Killed)
    with pytest.raises(OsarbenchError, match="ended from outside.*what is decoded already is kept"):
        prepare(sources, tmp_path, workers=2)


def test_an_unknown_kind_is_an_error(sources: list[Source], tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="There is no store 'jpg'"):
        prepare(sources, tmp_path, kind="jpg")


def test_a_store_is_small_enough_to_be_sent_to_loader_processes(sources: list[Source], tmp_path: Path) -> None:
    import pickle

    again = pickle.loads(pickle.dumps(prepare(sources, tmp_path)))
    assert again.frames(0, np.array([1])).shape == (1, 12, 16, 3)
    assert os.path.getsize(again.shards[0]) > 0
