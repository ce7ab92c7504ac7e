"""Many pieces of one file are read in one decode, one frame in memory at a time, and equal those read one by one."""

import pickle
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import filming
import numpy as np
import pytest
import torch
from filming import film, numbers

from osarbench.audits import frame_hash
from osarbench.data import video
from osarbench.data.clips import TrainClips
from osarbench.data.decoder import Decoder
from osarbench.data.stores.base import Entry, Recipe, Source
from osarbench.data.stores.decoding import DecodingStore
from osarbench.data.video import (
    Cut,
    UnreadableVideo,
    count_frames,
    count_pieces,
    each_piece_frame,
    read_chosen,
    read_frames,
)
from osarbench.interfaces.clip import ClipSpec

CUTS = [Cut(1.0, 2.0), Cut(0.5, 1.5), Cut(), Cut(2.8), Cut(None, 0.3), Cut(1.0, 2.0), Cut(9.0, 10.0), Cut(1.0, 1.0)]
FRAMES = [10, 10, 30, 2, 3, 10, "no frame", "no frame"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return film(tmp_path / "long.avi")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of frames that each decoder that was used has decoded."""
    used: list[Decoder] = []
    whole = Decoder.__init__

    def noted(self: Decoder, path: Path) -> None:
        used.append(self)
        whole(self, path)

    class Numbers(list[int]):
        def __iter__(self) -> Iterator[int]:
            return iter([decoder.decoded for decoder in used])

    monkeypatch.setattr(Decoder, "__init__", noted)
    return Numbers()


def test_pieces_read_together_equal_pieces_read_one_by_one(path: Path, decoded: list[int]) -> None:
    found: list[list[np.ndarray]] = [[] for _ in CUTS]
    for piece, position, frame in each_piece_frame(path, CUTS, short_side=24):
        assert position == len(found[piece])
        found[piece].append(frame)
    assert list(decoded) == [30]
    for cut, frames in zip(CUTS, found, strict=True):
        if frames:
            assert np.array_equal(np.stack(frames), read_frames(path, short_side=24, start=cut.start, end=cut.end))
    assert [len(frames) or "no frame" for frames in found] == FRAMES


def test_pieces_read_in_order_without_keeping_frames_are_one_decode(path: Path, decoded: list[int]) -> None:
    seconds = [(0.0, 0.5), (0.5, 1.5), (2.0, 2.5), (2.7, None), (0.3, 1.0)]
    sources = tuple(Source(str(number), str(path), start, end) for number, (start, end) in enumerate(seconds))
    store = DecodingStore(sources, (Entry(3, 0, 24, 32),) * 5, ("",) * 5, Recipe("none", 24, None, None, ""))
    found = [store.frames(video, np.array([2, 0])) for video in range(5)]
    assert list(decoded) == [30, 6]  # the last one begins before the others
    for frames, (start, end) in zip(found, seconds, strict=True):
        assert np.array_equal(frames, read_frames(path, [2, 0], short_side=24, start=start, end=end))
    assert pickle.loads(pickle.dumps(store)).frames(1, np.array([1])).shape == (1, 24, 32, 3)


def test_a_batch_of_pieces_is_read_in_the_order_of_its_files(path: Path, decoded: list[int]) -> None:
    sources = tuple(Source(str(number), str(path), number / 4, number / 4 + 0.2) for number in range(11))
    store = DecodingStore(sources, (Entry(2, 0, 24, 32),) * 11, ("",) * 11, Recipe("none", 24, None, None, ""))
    spec = ClipSpec(frames=1, short_side=24, size=16)
    clips = TrainClips(store, np.arange(11), np.arange(11), spec, seed=0)
    order = [(0, place) for place in (7, 3, 10, 0, 8, 1)]
    batch = clips.__getitems__(order)
    assert len(list(decoded)) == 1
    assert [label for _, label in batch] == [7, 3, 10, 0, 8, 1]
    assert all(torch.equal(clip, clips[item][0]) for item, (clip, _) in zip(order, batch, strict=True))


def test_pieces_are_counted_in_one_decode(path: Path, decoded: list[int]) -> None:
    assert count_pieces(path, CUTS) == FRAMES
    assert list(decoded) == [30]


def test_decoding_stops_after_the_last_frame_that_is_wanted(path: Path, decoded: list[int]) -> None:
    wanted = [[3], [], [2, 0], [], [], [], [], []]
    found = [(piece, position) for piece, position, _ in each_piece_frame(path, CUTS, wanted=wanted)]
    assert found == [(2, 0), (2, 2), (0, 3)]
    assert list(decoded) == [14]


def test_decoding_stops_after_the_last_piece(path: Path, decoded: list[int]) -> None:
    assert count_pieces(path, [Cut(0.2, 0.5), Cut(0.1, 0.4)]) == [3, 3]
    assert list(decoded) == [6]


def test_chosen_frames_are_read_in_one_decode_where_the_header_is_right(path: Path, decoded: list[int]) -> None:
    chosen = read_chosen(path, CUTS, lambda length: [length - 1, 0, length // 2])
    assert list(decoded) == [30]
    assert [its if isinstance(its, str) else numbers(its) for its in chosen] == [
        [19, 10, 15], [14, 5, 10], [29, 0, 15], [29, 28, 29], [2, 0, 1], [19, 10, 15], "no frame", "no frame"
    ]  # fmt: skip


def test_chosen_frames_are_read_in_two_decodes_where_the_header_is_wrong(
    path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "stated_length", lambda self, start, end: 1000)
    (last,) = read_chosen(path, [Cut()], lambda length: [length - 1, 0])
    assert numbers(last) == [29, 0]  # type: ignore[arg-type]
    assert list(decoded) == [30, 30]


def test_damage_takes_the_pieces_that_do_not_end_before_it(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    counts = count_pieces(path, [Cut(0.0, 0.3), Cut(1.0, None), Cut(2.9, 3.0), Cut()])
    assert counts[0] == 3
    assert all("cut short or damaged after frame" in str(count) for count in counts[1:])
    assert read_chosen(path, [Cut(2.0)], lambda length: [0]) == [counts[1]]
    with pytest.raises(UnreadableVideo, match="cut short"):
        list(each_piece_frame(path, [Cut(0.0, 0.3), Cut()]))


def test_what_cannot_be_opened_has_one_reason_for_all_pieces(tmp_path: Path) -> None:
    assert count_pieces(tmp_path / "none.avi", [Cut(), Cut(1.0)]) == ["no such file"] * 2
    assert read_chosen(tmp_path / "none.avi", [Cut()], lambda length: [0]) == ["no such file"]


def test_pieces_of_times_that_jump_are_those_of_one_by_one() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        times = np.cumsum(random.normal(0.5, 1.0, 40)).round(1).tolist()
        ends = [sorted(random.uniform(0, 20, 2).round(1).tolist()) for _ in range(5)]
        cuts = [Cut(*its) for its in ends] + [Cut(None, 5.0), Cut(5.0)]
        together = video._Pieces(cuts)
        for time in times:
            together.add(time)
        assert together.lengths == [one_by_one(times, cut) for cut in cuts]


def one_by_one(times: list[float], cut: Cut) -> int:
    count = 0
    for time in times:
        if cut.end is not None and time >= cut.end:
            break
        count += cut.start is None or time >= cut.start
    return count


def test_hashing_a_video_holds_only_the_frames_that_are_hashed(tmp_path: Path) -> None:
    path = film(tmp_path / "long.avi", 1500)
    frame_hash.hash_video(path)  # what is made once for all
    tracemalloc.start()
    frame_hash.hash_video(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count_frames(path) * frame_hash.SIDE**2 * 3 / 4


def test_pieces_hashed_together_equal_pieces_hashed_one_by_one(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, *filming.SIZE[::-1], 3), dtype=np.uint8)
    path = film(tmp_path / "noise.mkv", pictures=noise)  # type: ignore[arg-type]
    cuts = [Cut(0.0, 1.0), Cut(0.5, 2.0), Cut()]
    together = frame_hash.hash_pieces(path, cuts)
    for cut, hashes in zip(cuts, together, strict=True):
        frames = read_frames(path, short_side=frame_hash.SIDE, start=cut.start, end=cut.end)
        middles = (np.arange(8) + 0.5) / 8 * len(frames)
        assert np.array_equal(hashes, frame_hash.hash_frames(frames[middles.astype(int)]))
        assert np.array_equal(hashes, frame_hash.hash_video(path, start=cut.start, end=cut.end))
    assert frame_hash.hash_pieces(path, [Cut(5.0)]) == ["no frame"]
