"""Multigrid schedules against the published ones, and the sampler that deals videos out to their batches."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from osarbench.data.clips import EpochSampler
from osarbench.data.multigrid import (
    Recipe,
    Schedule,
    Shape,
    _planned,
    norm_groups,
    srtg,
    wu2020,
)
from osarbench.data.multigrid_sampler import MultigridSampler
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec

RECIPE = Recipe(batch=8, frames=16, size=112, stride=2, epochs=50, milestones=(20, 40))


def starts(schedule: Schedule) -> list[int]:
    return [0, *(span.until for span in schedule.spans[:-1])]


def shapes(schedule: Schedule, epoch: int) -> list[Shape]:
    return [shape for phase in schedule.phases(epoch) for shape in phase.cycle]


def test_schedules_of_wu_are_those_of_pyslowfast(shared: Path) -> None:
    for case in json.loads((shared / "data/parity/misc/multigrid_pyslowfast.json").read_text()):
        if "reference_error" in case:
            continue
        recipe = Recipe(
            batch=case["batch"], frames=case["frames"], size=case["crop"], stride=2, epochs=case["max_epoch"],
            milestones=tuple(case["lr_steps"][1:]), gamma=case["gamma"],
        )  # fmt: skip
        schedule = wu2020(recipe, long=case["long"], short=case["short"], epoch_factor=case["epoch_factor"])
        assert starts(schedule) == case["new_steps"]
        assert schedule.epochs == case["new_max_epoch"]
        if not case["long"]:
            continue
        rates = [span.phases[0].rate for span in schedule.spans]
        assert rates == pytest.approx(case["new_lr_factors"])
        for told in case["per_epoch"]:
            *smaller, full = shapes(schedule, told["epoch"])
            found = {
                "epoch": told["epoch"], "batch": full.batch, "frames": full.frames, "crop": full.size,
                "sampling_rate": full.stride, "short_batches": [shape.batch for shape in (*smaller, full)],
                "short_crops": [shape.size for shape in (*smaller, full)],
            }  # fmt: skip
            assert found == {key: told[key] for key in found}
            kind, number = norm_groups(full.batch, devices=8)
            assert kind == {"sub_batchnorm": "split", "sync_batchnorm": "shared", "batchnorm": "as it is"}[told["bn"]]
            assert kind != "split" or number == told["bn_splits"]


def test_epochs_of_the_srtg_variant_are_the_repositorys(shared: Path) -> None:
    told = json.loads((shared / "data/parity/misc/multigrid_srtg_cycles.json").read_text())
    batch, frames, size = told["base"]
    schedule = srtg(Recipe(batch=batch, frames=frames, size=size, epochs=1))
    planned = _planned(schedule.phases(0), told["iters"])
    assert [[b.shape.batch, b.shape.frames, b.shape.size] for b in planned] == [
        row[2:] for row in told["rows_long_short_b_t_h"]
    ]
    assert [b.rate for b in planned] == [
        told["lr_factor_by_long_phase"][row[0]] for row in told["rows_long_short_b_t_h"]
    ]
    assert tuple(planned) == schedule.batches(0, sum(b.shape.batch for b in planned))


def test_the_long_cycle_alone_works_where_pyslowfast_fails() -> None:
    schedule = wu2020(RECIPE, short=False)
    assert schedule.epochs == 75
    assert [span.phases[0].cycle for span in schedule.spans[:4]] == [
        (Shape(64, 4, 79, 8),), (Shape(32, 8, 79, 4),), (Shape(16, 8, 112, 4),), (Shape(8, 16, 112, 2),)
    ]  # fmt: skip
    spent = [after - before for before, after in pairwise(starts(schedule))]
    assert spent[0] > spent[1] > spent[2] > spent[3]


def test_without_cycles_a_schedule_is_the_recipe() -> None:
    for schedule in (wu2020(RECIPE, long=False, short=False), srtg(RECIPE, long=False, short=False)):
        assert starts(schedule) == [0, 20, 40]
        assert schedule.epochs == 50
        assert [shapes(schedule, epoch) for epoch in (0, 49, 60)] == [[Shape(8, 16, 112, 2)]] * 3
        assert [span.phases[0].rate for span in schedule.spans] == pytest.approx([1, 0.1, 0.01])


def test_each_cycle_of_the_srtg_variant_can_be_had_alone() -> None:
    assert [(s.batch, s.frames, s.size) for s in shapes(srtg(RECIPE, short=False), 0)] == [
        (64, 4, 80), (32, 8, 80), (16, 8, 112), (8, 16, 112)
    ]  # fmt: skip
    assert [(s.batch, s.frames, s.size) for s in shapes(srtg(RECIPE, long=False), 0)] == [
        (8, 16, 112), (16, 16, 80), (32, 16, 56)
    ]  # fmt: skip


def test_rates_follow_milestones_and_shapes_and_have_a_floor() -> None:
    schedule = srtg(RECIPE)
    assert [phase.rate for phase in schedule.phases(20)] == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    last = schedule.batches(45, 400)[-1]
    assert schedule.rate(last, 0.1) == pytest.approx(0.1 * 0.01 / 8)
    assert schedule.rate(last, 1e-5) == 1e-6


@pytest.mark.parametrize("videos", [5, 8, 40, 137, 1000, 9537])
@pytest.mark.parametrize("schedule", [wu2020(RECIPE), wu2020(RECIPE, short=False), srtg(RECIPE)])
def test_an_epoch_has_as_many_clips_as_without_cycles(schedule: Schedule, videos: int) -> None:
    usual = len(EpochSampler(videos, RECIPE.batch, seed=0))
    for epoch in (0, 30, 70):
        batches = schedule.batches(epoch, videos)
        assert sum(batch.clips for batch in batches) == usual
        assert all(0 < batch.clips <= batch.shape.batch for batch in batches)
        assert videos < RECIPE.batch or min(batch.clips for batch in batches) >= RECIPE.batch


def test_nearly_all_batches_are_whole_and_every_shape_has_its_turn() -> None:
    for schedule in (wu2020(RECIPE), srtg(RECIPE)):
        batches = schedule.batches(0, 9537)
        cut = [batch for batch in batches if batch.clips < batch.shape.batch]
        assert len(cut) <= len(batches) // 10
        turns = Counter(batch.shape for batch in batches)
        planned = Counter(shapes(schedule, 0))
        share = [turns[shape] / planned[shape] for shape in planned]
        assert set(turns) == set(planned)
        assert max(share) - min(share) <= 1


def test_a_sampler_gives_every_video_once_in_the_order_of_seed_and_epoch() -> None:
    sampler = MultigridSampler(srtg(RECIPE), 400, seed=3)
    sampler.epoch = 2
    batches = list(sampler)
    assert len(batches) == len(sampler)
    usual = EpochSampler(400, RECIPE.batch, seed=3)
    usual.epoch = 2
    assert [(epoch, position) for batch in batches for epoch, position, _ in batch] == list(usual)
    assert all(len({shape for *_, shape in batch}) == 1 for batch in batches)
    resumed = MultigridSampler(srtg(RECIPE), 400, seed=3)
    resumed.epoch = 2
    assert list(resumed) == batches
    resumed.epoch = 3
    assert list(resumed) != batches


def test_processes_share_every_batch() -> None:
    samplers = [MultigridSampler(srtg(RECIPE), 400, seed=3, rank=rank, processes=2) for rank in (0, 1)]
    whole = MultigridSampler(srtg(RECIPE), 400, seed=3)
    for first, second, both in zip(*samplers, whole, strict=True):
        assert len(first) == len(second)
        assert sorted(first + second) == sorted(both)
    with pytest.raises(OsarbenchError, match="Batches of 8 clips cannot be dealt out equally to 3 processes"):
        MultigridSampler(srtg(RECIPE), 400, seed=3, processes=3)


def test_one_loader_serves_all_shapes() -> None:
    class Clips(Dataset[Any]):
        def __getitem__(self, item: tuple[int, int, Shape]) -> np.ndarray:
            spec = item[2].of(ClipSpec(size=112, frames=16, stride=2))
            return np.zeros((3, spec.frames, spec.size, spec.size), np.uint8)

    sampler = MultigridSampler(wu2020(RECIPE), 128, seed=0)
    loader: DataLoader[Any] = DataLoader(Clips(), batch_sampler=sampler)
    assert [tuple(batch.shape) for batch in loader] == [(128, 3, 4, 56, 56)]
    sampler.epoch = 33
    sizes = [tuple(batch.shape) for batch in loader]
    # 144 clips would be three cycles: what is too much is taken off the largest batches
    assert sizes == [(24, 3, 16, 56, 56), (16, 3, 16, 79, 79), (8, 3, 16, 112, 112), (24, 3, 16, 56, 56),
                     (16, 3, 16, 79, 79), (8, 3, 16, 112, 112), (32, 3, 16, 56, 56)]  # fmt: skip


def test_a_long_cycle_without_milestones_or_with_too_few_frames_is_explained() -> None:
    with pytest.raises(OsarbenchError, match="ends at a milestone, and the recipe has none"):
        wu2020(Recipe(batch=8, frames=16, size=112, epochs=50))
    for variant in (wu2020, srtg):
        with pytest.raises(OsarbenchError, match="a quarter of the frames, and the recipe has 3. Give 4 frames"):
            variant(Recipe(batch=8, frames=3, size=112, epochs=50, milestones=(20,)))
