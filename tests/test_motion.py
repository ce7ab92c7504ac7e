"""The embedded data set: what it lists, what its videos show, and that it is made once and whole."""

import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Video
from osarbench_plugins.datasets import _motion_render as renderer
from osarbench_plugins.datasets.motion import FAR, KNOWN, NEAR, SCENES, Motion

PAIRS = list(zip(KNOWN[::2], KNOWN[1::2], strict=True))
SMALL = {"train_per_class": 5, "test_per_class": 2, "near_per_class": 2, "far_per_class": 2, "clips_per_group": 2}


def small(root: Path, **settings: Any) -> Motion:
    return Motion(root, **{**SMALL, "size": 16, "frames": 4, **settings})


def listed(dataset: Motion) -> list[Video]:
    return [video for split in dataset.splits for video in dataset.videos(split)]


def shot(motion: str, *, scene: str = "dots", look: int = 1, take: int = 2) -> renderer.Shot:
    return renderer.Shot(motion, scene, (look,), (take,))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Motion:
    dataset = small(tmp_path_factory.mktemp("motion"))
    dataset.prepare()
    return dataset


def test_every_split_lists_the_videos_that_were_asked_for_and_they_are_there(made: Motion) -> None:
    assert {split: len(made.videos(split)) for split in made.splits} == made.official_counts
    assert made.official_counts == {"train": 40, "test_matched": 16, "test_swapped": 16, "near": 12, "far": 8}
    assert len({video.id for video in listed(made)}) == len(listed(made))
    assert all(made.path(video).is_file() for video in listed(made))


def test_each_split_has_its_own_classes_and_classes_names_them_all(made: Motion) -> None:
    labels = {split: tuple(dict.fromkeys(video.label for video in made.videos(split))) for split in made.splits}
    assert labels == {"train": KNOWN, "test_matched": KNOWN, "test_swapped": KNOWN, "near": NEAR, "far": FAR}
    assert tuple(made.classes) == KNOWN + NEAR + FAR
    assert {*renderer.MOTIONS, *renderer.EFFECTS} == set(made.classes)
    assert tuple(renderer.SCENES) == SCENES


def test_a_group_stays_within_one_split_and_class(made: Motion) -> None:
    homes = {(video.group, video.label, split) for split in made.splits for video in made.videos(split)}
    assert len(homes) == len({video.group for video in listed(made)})
    assert Counter(video.group for video in made.videos("train"))["MoveUp_g03"] == 1  # 5 videos in groups of 2


def test_files_and_lists_look_like_those_of_ucf101(made: Motion) -> None:
    annotations = made.root / "annotations"
    assert (annotations / "classInd.txt").read_text().splitlines()[1] == "2 MoveRight"
    assert (annotations / "trainlist01.txt").read_text().splitlines()[5] == "MoveRight/v_MoveRight_g01_c01.avi 2"
    assert (annotations / "testlist01.txt").read_text().splitlines()[0] == "MoveLeft/v_MoveLeft_g04_c01.avi"
    assert made.videos("near")[1] == Video("Orbit/v_Orbit_g01_c02.avi", "Orbit", "Orbit_g01")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_folder(made: Motion, tmp_path: Path) -> None:
    again, other = small(tmp_path), small(tmp_path, seed=1)
    again.prepare()
    assert all(made.path(video).read_bytes() == again.path(video).read_bytes() for video in listed(made))
    assert again.root.name == made.root.name != other.root.name


def test_what_stands_is_not_made_again(made: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "encode", None)
    made.prepare()


def test_damaged_and_missing_files_are_made_again(tmp_path: Path) -> None:
    dataset = small(tmp_path)
    dataset.prepare()
    damaged, missing, whole = (dataset.path(video) for video in dataset.videos("train")[:3])
    before = damaged.read_bytes(), missing.read_bytes(), whole.stat().st_mtime_ns
    damaged.write_bytes(before[0][:-1] + b"?")
    missing.unlink()
    (dataset.root / "annotations" / "farlist01.txt").unlink()
    dataset.prepare()
    assert (damaged.read_bytes(), missing.read_bytes(), whole.stat().st_mtime_ns) == before
    assert len(dataset.videos("far")) == 8


def test_a_killed_prepare_is_made_good(made: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, calls = small(tmp_path), iter(range(20))
    encode = renderer.encode
    monkeypatch.setattr(renderer, "encode", lambda images, rate: [next(calls), encode(images, rate=rate)][1])
    with pytest.raises(StopIteration):
        dataset.prepare()
    monkeypatch.undo()
    dataset.path(dataset.videos("train")[0]).write_bytes(b"half a fi")
    dataset.prepare()
    assert all(made.path(video).read_bytes() == dataset.path(video).read_bytes() for video in listed(made))


def test_of_two_at_once_one_makes_and_one_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    encode = renderer.encode
    monkeypatch.setattr(renderer, "encode", lambda images, rate: [calls.append(rate), encode(images, rate=rate)][1])  # type: ignore[func-returns-value]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: small(tmp_path).prepare(), range(2)))
    assert len(calls) == len(listed(small(tmp_path)))


def test_the_list_of_a_data_set_that_was_not_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="has not been made"):
        small(tmp_path).videos("train")
    with pytest.raises(OsarbenchError, match="Did you mean 'train'"):
        small(tmp_path).videos("trian")


@pytest.mark.parametrize("settings", [{"scene_bias": 1.5}, {"size": 35}, {"frames": 0}, {"near_per_class": 0}])
def test_a_setting_out_of_range_is_an_error(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(OsarbenchError, match=r"\[data.motion\]"):
        small(tmp_path, **settings)


@pytest.mark.parametrize(("bias", "preferred"), [(0.0, 2), (0.5, 8 + 1), (1.0, 16)])
def test_the_scene_bias_is_what_it_says(tmp_path: Path, bias: float, preferred: int) -> None:
    dataset = small(tmp_path, scene_bias=bias, train_per_class=16, test_per_class=14, clips_per_group=1)
    scenes = {
        split: Counter(
            entry.shot.scene for entry in dataset._plan() if (entry.split, entry.shot.motion) == (split, "MoveUp")
        )
        for split in dataset.splits
    }
    assert scenes["train"]["clouds"] == preferred
    assert scenes["test_matched"] == {"clouds": 14}
    assert scenes["test_swapped"] == {scene: 2 for scene in SCENES if scene != "clouds"}


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_the_members_of_a_pair_begin_alike_and_part(one: str, other: str) -> None:
    first, second = (renderer.render(shot(motion), size=24, frames=6) for motion in (one, other))
    np.testing.assert_array_equal(first[0], second[0])
    assert np.abs(first[3].astype(int) - second[3]).max() > 50


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_one_member_of_a_pair_is_the_other_backwards(one: str, other: str) -> None:
    still, way = renderer.Pose(*np.full((4, 1, 1, 1), 0.3)), np.linspace(0, 1, 5)[:, None, None]
    forwards, backwards = renderer.MOTIONS[one](still, way, 0), renderer.MOTIONS[other](still, -way, 0)
    for there, here in zip(forwards, backwards, strict=True):
        np.testing.assert_allclose(there, here)


def test_the_named_direction_is_the_one_a_viewer_sees() -> None:
    still, way = renderer.Pose(*np.full((4, 1, 1, 1), 0.3)), np.array([[[0.1]]])
    assert renderer.MOTIONS["MoveRight"](still, way, 0).x > 0.3
    assert renderer.MOTIONS["MoveDown"](still, way, 0).y > 0.3  # rows count downwards
    assert renderer.MOTIONS["Grow"](still, way, 0).size > 0.3
    right, below = renderer._rotate(np.array([[[0.0]]]), np.array([[[1.0]]]), np.array([[[0.25]]]))
    np.testing.assert_allclose(
        [right.item(), below.item()], [1, 0], atol=1e-7
    )  # a quarter clockwise: its front is below


def test_clips_of_a_group_share_their_scene_and_differ() -> None:
    first, second, other = (
        renderer.render(shot("Shrink", scene="columns", look=look, take=take), size=24, frames=4)
        for look, take in ((1, 2), (1, 3), (7, 5))
    )
    assert not np.array_equal(first, second)
    colour, same, another = (np.median(images, axis=(0, 1, 2)) for images in (first, second, other))
    assert np.abs(colour - same).max() < 30 < np.abs(colour - another).max()


@pytest.mark.parametrize("motion", KNOWN + NEAR + FAR)
def test_every_video_moves_and_survives_its_encoding(motion: str) -> None:
    images = renderer.render(shot(motion), size=32, frames=8)
    with av.open(io.BytesIO(renderer.encode(images, rate=12))) as container:
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert decoded.shape == images.shape == (8, 32, 32, 3)
    assert np.abs(decoded.astype(int) - images).mean() < 12  # colour has half the resolution
    assert np.abs(np.diff(images.astype(int), axis=0)).max(axis=(1, 2, 3)).min() > 20
