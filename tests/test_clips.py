"""Clips for the network: the order of test views, and which clips are drawn when."""

import numpy as np
import pytest

from osarbench.data.clips import EpochSampler, TrainClips, ViewClips
from osarbench.data.store import Entry, Source, Store
from osarbench.interfaces.clip import ClipSpec

HEIGHT, WIDTH, LENGTH = 8, 16, 12


class Numbered(Store):
    """A video whose pixels say where they are: red is 10 times the frame, green the column."""

    def frames(self, index: int, wanted: np.ndarray) -> np.ndarray:
        frames = np.zeros((len(wanted), HEIGHT, WIDTH, 3), np.uint8)
        frames[..., 0] = 10 * wanted[:, None, None]
        frames[..., 1] = np.arange(WIDTH)
        return frames


@pytest.fixture
def store() -> Store:
    entry = Entry(length=LENGTH, height=HEIGHT, width=WIDTH, offset=0, first=0, reason=None)
    return Numbered((Source("a", "a.avi", None, None),), (entry,), (None,), HEIGHT)


def test_test_views_are_ordered_by_time_first_and_by_crop_within(store: Store) -> None:
    spec = ClipSpec(frames=2, stride=1, short_side=HEIGHT, size=8, test_size=8, test_clips=3, test_crops=3)
    views = ViewClips(store, np.array([0]), spec)[0]  # [9, 3, 2, 8, 8]
    assert views.shape == (9, 3, 2, 8, 8)
    first_frames = [int(view[0, 0, 0, 0]) // 10 for view in views]
    left_edges = [int(view[1, 0, 0, 0]) for view in views]
    assert first_frames == [1, 1, 1, 5, 5, 5, 9, 9, 9]
    assert left_edges == [0, 8, 4] * 3
    assert [int(frame[0, 0]) // 10 for frame in views[3, 0]] == [5, 6]


def test_a_training_clip_differs_by_epoch_and_seed_and_follows_from_them(store: Store) -> None:
    spec = ClipSpec(frames=1, short_side=HEIGHT, size=8, train_crop="random")

    def drawn(seed: int, epoch: int) -> list[int]:
        clips = TrainClips(store, np.zeros(40, int), np.zeros(40, int), spec, seed)
        return [int(clips[epoch, row][0][0, 0, 0, 0]) // 10 for row in range(40)]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1)
    assert drawn(0, 0) != drawn(1, 0)
    assert len(set(drawn(0, 0))) > 6


def test_processes_share_the_videos_of_an_epoch_and_drop_the_incomplete_batch() -> None:
    samplers = [EpochSampler(23, 5, seed=0, rank=rank, processes=2) for rank in range(2)]
    shares = [list(sampler) for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(share) for share in shares] == [10, 10]
    assert len({*shares[0], *shares[1]}) == 20


def test_every_epoch_has_an_order_of_its_own() -> None:
    sampler = EpochSampler(20, 5, seed=0)
    first = list(sampler)
    sampler.epoch = 1
    second = list(sampler)
    assert first[0][0] == 0
    assert second[0][0] == 1
    assert sorted(row for _, row in first) == sorted(row for _, row in second) == list(range(20))
    assert [row for _, row in first] != [row for _, row in second]


def test_fewer_videos_than_a_batch_are_one_batch() -> None:
    assert len(list(EpochSampler(3, 5, seed=0))) == 3
