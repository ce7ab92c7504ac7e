"""Frame sampling, against the indices of the published pipeline."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osarbench.data.sampling import dense_clips, train_indices, uniform_clips, view_indices
from osarbench.interfaces.clip import ClipSpec


def ours(case: dict[str, Any]) -> list[int]:
    settings = dict(case["kwargs"])
    shape = {"frames": settings["clip_len"], "stride": settings["frame_interval"], "clips": settings["num_clips"]}
    seed = case.get("np_random_seed")
    randomness = None if case["test_mode"] else np.random.RandomState(seed)
    if case["cls"] == "DenseSampleFrames":
        return dense_clips(case["total_frames"], **shape, randomness=randomness).reshape(-1).tolist()
    beyond, twice = settings.get("out_of_bound_opt", "loop"), settings.get("twice_sample", False)
    found = uniform_clips(case["total_frames"], **shape, randomness=randomness, beyond=beyond, twice=twice)
    return found.reshape(-1).tolist()


def test_every_published_index_is_ours(shared: Path) -> None:
    cases = json.loads((shared / "data/parity/pipeline/frame_sampling.json").read_text())
    assert len(cases) == 330
    wrong = [case for case in cases if ours(case) != case["frame_inds"]]
    assert wrong == []


@pytest.mark.parametrize("total", [1, 2, 7, 8, 9, 15, 40, 64, 65, 300])
@pytest.mark.parametrize("sampling", ["uniform", "dense"])
@pytest.mark.parametrize(("segments", "frames", "stride"), [(8, 1, 1), (1, 16, 2), (1, 8, 8), (4, 2, 3)])
def test_views_have_their_shape_and_stay_in_the_video(
    total: int, sampling: Any, segments: int, frames: int, stride: int
) -> None:
    spec = ClipSpec(segments=segments, frames=frames, stride=stride, sampling=sampling, test_clips=3)
    drawn = train_indices(total, spec, np.random.default_rng(0))
    views = view_indices(total, spec)
    assert drawn.shape == (spec.length,)
    assert views.shape == (3, spec.length)
    for indices in (drawn, views):
        assert indices.min() >= 0
        assert indices.max() < total


def test_one_view_of_segments_is_their_middle_frames() -> None:
    spec = ClipSpec(segments=8, frames=1, sampling="uniform", test_clips=1)
    assert view_indices(80, spec).tolist() == uniform_clips(80, frames=1, stride=1, clips=8).T.tolist()
    assert view_indices(80, spec).tolist() == [[5, 15, 25, 35, 45, 55, 65, 75]]


def test_views_of_segments_show_different_frames() -> None:
    spec = ClipSpec(segments=8, frames=1, sampling="uniform", test_clips=2)
    assert view_indices(80, spec)[:, 0].tolist() == [7, 2]


def test_single_snippets_at_test_time_are_tsns_25() -> None:
    spec = ClipSpec(segments=3, test_segments=1, frames=6, test_clips=25, test_crops=10)
    tick = (300 - 6 + 1) / 25  # systems of tsn-pytorch: the middle of each of 25 parts
    starts = [int(tick / 2 + tick * part) for part in range(25)]
    assert view_indices(300, spec).tolist() == [list(range(start, start + 6)) for start in starts]
    assert (spec.length, spec.test_length, spec.views) == (18, 6, 250)


def test_a_draw_follows_from_its_generator() -> None:
    spec = ClipSpec(segments=8, frames=1, sampling="uniform")
    first, again = (train_indices(300, spec, np.random.default_rng(5)).tolist() for _ in range(2))
    assert first == again
    assert train_indices(300, spec, np.random.default_rng(6)).tolist() != first


def test_training_segments_of_a_video_shorter_than_their_number_are_spread_evenly() -> None:
    found = uniform_clips(5, frames=1, stride=1, clips=8, randomness=np.random.default_rng(0))
    assert found[:, 0].tolist() == [0, 1, 1, 2, 2, 3, 4, 4]


def test_frames_of_a_segment_are_a_stride_apart_at_test_time_too() -> None:
    spec = ClipSpec(segments=2, frames=3, stride=4, sampling="uniform", test_clips=1)
    assert view_indices(52, spec).tolist() == [[10, 14, 18, 30, 34, 38]]  # middles of two intervals of 20.5 frames
