"""Multigrid in training: from the protocol to batches, rates and norms, and a killed training that goes on."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from osarbench.data import locations as places
from osarbench.data.clips import Loading, TrainClips
from osarbench.data.multigrid import Shape
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.frame_store import FrameStore
from osarbench.model import train
from osarbench.model.course import Course, MultigridCourse, clip_shapes, course_of, schedule_of
from osarbench.model.split_norms import split_norms
from osarbench.protocols import protocol as protocols
from osarbench.protocols.multigrid import Multigrid
from osarbench.protocols.protocol import Training
from osarbench.run.config import RunConfig
from osarbench.run.run import Entry, run

HERE = Path(__file__).parent
RECIPE = Training(epochs=6, batch_size=4, learning_rate=0.5, schedule="step", milestones=(3, 5))
SPEC = ClipSpec(frames=4, stride=2, size=16, test_size=16, short_side=24, train_crop="random", flip=0.0)
WU = replace(RECIPE, multigrid=Multigrid())
SRTG = replace(RECIPE, multigrid=Multigrid(variant="srtg"))
RAMP = np.linspace(0, 200, 24 * 32, dtype=np.uint8).reshape(24, 32, 1)


class Frames(FrameStore):
    """Videos of 20 frames, each a ramp that gets lighter with time."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def length(self, position: int) -> int:
        return 20

    def frames(self, position: int, indices: np.ndarray) -> np.ndarray:
        return np.stack([np.repeat(RAMP + int(index), 3, axis=2) for index in indices])

    def digest(self, position: int) -> str:
        return str(position)


def clips(count: int = 32) -> TrainClips:
    return TrainClips(Frames(count), np.arange(count), np.zeros(count, np.int64), SPEC, seed=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def protocol_file(folder: Path, more: str = "") -> Path:
    text = (HERE / "toy.toml").read_text()
    text = text.replace('schedule = "cosine"', 'schedule = "step"\nmilestones = [2, 3]')
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "toy.toml"
    file.write_text(text + more)
    return file


def request(folder: Path, cache: Path, more: str = "", **changes: Any) -> RunConfig:
    asked = RunConfig(
        protocol=str(protocol_file(folder, more)), backbone="toy", methods=("dnn",), runs=folder / "runs",
        locations=places.Locations(data=None, datasets={}, cache=cache, weights=None), device="cpu",
        plugin_files=(HERE / "toy.py",),
    )  # fmt: skip
    return replace(asked, **changes)


def network(entry: Entry) -> bytes:
    return (entry.folder.parent / "network.pt").read_bytes()


def test_a_protocol_says_which_cycles_there_are(tmp_path: Path) -> None:
    read = protocols.read(str(protocol_file(tmp_path, '\n[training.multigrid]\nvariant = "srtg"\nshort = false\n')))
    assert read.sections.training.multigrid == Multigrid(variant="srtg", short=False)
    assert read.recipe("toy").training.multigrid == Multigrid(variant="srtg", short=False)
    with pytest.raises(OsarbenchError, match=r"\[training.multigrid\] has no key 'longer'. Did you mean 'long'"):
        protocols.read(str(protocol_file(tmp_path, "\n[training.multigrid]\nlonger = true\n")))


def test_a_backbone_may_have_cycles_of_its_own_or_none(tmp_path: Path) -> None:
    more = '\n[backbones.slow.training.multigrid]\nvariant = "wu2020"\n'
    read = protocols.read(str(protocol_file(tmp_path, more)))
    assert read.recipe("toy").training.multigrid is None
    assert read.recipe("slow").training.multigrid == Multigrid()


@pytest.mark.parametrize("recipe", [WU, SRTG])
def test_one_loader_gives_every_batch_in_its_shape(recipe: Training) -> None:
    course = course_of(recipe, clips(), seed=0)
    assert isinstance(course, MultigridCourse)
    loader = course.loader(Loading(workers=0, pin=False))
    for epoch in range(course.epochs):
        course.begin(epoch)
        planned = course.schedule.batches(epoch, 32)
        assert len(loader) == len(planned)
        found = [tuple(batch.shape) for batch, _ in loader]
        assert found == [(b.clips, 3, b.shape.frames, b.shape.size, b.shape.size) for b in planned]
        assert sum(shape[0] for shape in found) == 32
    assert len(clip_shapes(recipe, SPEC)) > 3


def test_a_smaller_clip_shows_what_the_full_one_shows() -> None:
    full, _ = clips()[2, 5]
    small, _ = clips()[2, 5, Shape(16, 4, 8, 2)]
    assert small.shape == (3, 4, 8, 8)
    coarse = full.float().unflatten(3, (8, 2)).unflatten(2, (8, 2)).mean(dim=(3, 5))
    assert (small.float() - coarse).abs().max() < 8  # the ramp falls by 209 from top to bottom
    fewer, _ = clips()[2, 5, Shape(16, 2, 16, 4)]
    assert fewer.shape == (3, 2, 16, 16)
    assert (fewer[0, 1].float() - fewer[0, 0].float()).mean().item() == pytest.approx(4, abs=0.1)  # its stride


def test_rates_are_the_schedules_under_the_recipes_warm_up() -> None:
    course = course_of(replace(WU, warmup_epochs=1.0), clips(), seed=0)
    assert isinstance(course, MultigridCourse)
    assert course.epochs == 9
    assert course.rate(0, 0, 2) == 0
    first = course.schedule.batches(0, 32)[0]
    assert first.rate == 32 // 4  # the largest shape's batch
    for epoch in range(1, 9):
        for step, batch in enumerate(course.schedule.batches(epoch, 32)):
            assert course.rate(epoch, step, 8) == pytest.approx(0.5 * batch.rate)
    srtg = course_of(replace(SRTG, learning_rate=4e-6), clips(640), seed=0)
    steps = len(srtg.schedule.batches(4, 640))  # type: ignore[attr-defined]
    assert srtg.rate(0, 0, steps) == 4e-6
    assert srtg.rate(4, steps - 1, steps) == 1e-6


def test_a_cosine_goes_over_the_epochs_of_the_cycles() -> None:
    recipe = replace(RECIPE, schedule="cosine", milestones=(), multigrid=Multigrid(long=False))
    course = course_of(recipe, clips(), seed=0)
    assert course.epochs == 9
    halfway = course.rate(4, 1, 2)
    assert halfway == pytest.approx(0.5 * 0.5)
    with pytest.raises(
        OsarbenchError, match='the recipe has none in its 6 epochs. Give milestones .*schedule = "step"'
    ):
        course_of(replace(recipe, multigrid=Multigrid()), clips(), seed=0)


def test_steps_are_counted_over_epochs_of_different_lengths() -> None:
    course = course_of(WU, clips(), seed=0)
    assert isinstance(course, MultigridCourse)
    lengths = [len(course.schedule.batches(epoch, 32)) for epoch in range(course.epochs)]
    assert len(set(lengths)) > 1
    assert [course.steps_before(epoch, 0) for epoch in range(course.epochs)] == [
        sum(lengths[:epoch]) for epoch in range(course.epochs)
    ]
    assert Course(RECIPE, clips(), 0).steps_before(3, 8) == 24


def test_a_factor_on_epochs_belongs_to_one_variant() -> None:
    with pytest.raises(OsarbenchError, match='epoch_factor belongs to variant = "wu2020"'):
        schedule_of(replace(RECIPE, multigrid=Multigrid(variant="srtg", epoch_factor=2.0)), SPEC)
    assert schedule_of(replace(RECIPE, multigrid=Multigrid(epoch_factor=1.0)), SPEC).epochs == 6


def test_parts_of_a_batch_are_normalised_each_by_itself_and_tracked_as_a_whole() -> None:
    torch.manual_seed(0)
    maps = torch.randn(24, 5, 2, 3, 3) * torch.arange(1, 25)[:, None, None, None, None]
    split, whole, alone = nn.BatchNorm3d(5), nn.BatchNorm3d(5), nn.BatchNorm3d(5)
    for norm in (split, whole, alone):
        nn.init.uniform_(norm.weight)
        norm.weight.data.copy_(split.weight.data)
    with split_norms(nn.Sequential(split)) as norms:
        norms.split(24, 8)
        assert norms.parts == 3
        found = split(maps)
        torch.testing.assert_close(found, torch.cat([alone(part) for part in maps.chunk(3)]))
        whole(maps)
        torch.testing.assert_close(split.running_mean, whole.running_mean)
        torch.testing.assert_close(split.running_var, whole.running_var)
        assert split.num_batches_tracked == 1
        split.eval()
        whole.eval()
        torch.testing.assert_close(split(maps), whole(maps))
        split.train()
    whole.train()
    assert torch.equal(split(maps), whole(maps))
    assert list(split.state_dict()) == list(whole.state_dict())


def test_norms_take_the_clips_that_pyslowfast_gives_them() -> None:
    course = course_of(WU, clips(320), seed=0)
    assert isinstance(course, MultigridCourse)
    batches = course.schedule.batches(0, 320)[:3]
    assert [(batch.shape.size, batch.shape.batch) for batch in batches] == [(8, 64), (11, 32), (11, 32)]
    assert [course.norm_clips(0, step) for step in range(3)] == [16, 8, 8]  # four parts each
    assert course_of(SRTG, clips(), seed=0).norm_clips(0, 0) == 0
    assert course_of(replace(SRTG, multigrid=Multigrid(variant="srtg", norm_clips=2)), clips(), 0).norm_clips(0, 0) == 2
    assert Course(RECIPE, clips(), 0).norm_clips(0, 0) == 0


def test_cycles_that_are_both_off_train_the_network_of_the_plain_recipe(tmp_path: Path, cache: Path) -> None:
    (plain,) = run(request(tmp_path / "plain", cache))
    for variant, norms in (("wu2020", "norm_clips = 0\n"), ("srtg", "")):
        more = f'\n[training.multigrid]\nvariant = "{variant}"\nlong = false\nshort = false\n{norms}'
        (entry,) = run(request(tmp_path / variant, cache, more))
        assert network(entry) == network(plain)


class BrokenOffError(Exception):
    """In the place of a signal, so that the test is quick; `test_run` kills a process."""


@pytest.mark.parametrize("variant", ["wu2020", "srtg"])
def test_a_broken_training_goes_on_to_the_very_network_of_an_unbroken_one(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    more = f'\n[training.multigrid]\nvariant = "{variant}"\n'
    write = train._checkpoint

    def broken(*arguments: Any) -> None:
        write(*arguments)
        if arguments[3] == 1:
            raise BrokenOffError

    with monkeypatch.context() as patch, pytest.raises(BrokenOffError):
        patch.setattr(train, "_checkpoint", broken)
        run(request(tmp_path / "broken", cache, more))
    (resumed,) = run(request(tmp_path / "broken", cache, more))
    (unbroken,) = run(request(tmp_path / "unbroken", cache, more))
    assert network(resumed) == network(unbroken)
    history = pd.read_csv(resumed.folder.parent / "training.csv")
    assert history["epoch"].tolist() == list(range(1, 1 + (6 if variant == "wu2020" else 4)))
    (plain,) = run(request(tmp_path / "plain", cache))
    assert network(plain) != network(unbroken)


@pytest.mark.slow
def test_loader_processes_change_nothing(tmp_path: Path, cache: Path) -> None:
    more = '\n[training.multigrid]\nvariant = "srtg"\n'
    (alone,) = run(request(tmp_path / "alone", cache, more))
    (helped,) = run(request(tmp_path / "helped", cache, more, workers=2))
    assert network(alone) == network(helped)


def test_a_cycle_whose_clips_are_too_small_is_known_before_decoding(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    more = (
        "\n[training.multigrid]\n\n[backbones.mtnet_xs]\noptions = { width = 8 }\nclips = { frames = 16, size = 64 }\n"
    )
    with pytest.raises(OsarbenchError, match="'mtnet_xs' needs frames of 33 x 33 pixels or more, not 32 x 32"):
        run(request(tmp_path, cache, more, backbone="mtnet_xs"))
    assert not cache.exists()
