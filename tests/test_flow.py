"""Optical flow as a modality: computed or read from folders, stored, sampled, flipped and fed."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import torch
import toy
from test_run import request

from osarbench.data import sampling, store
from osarbench.data.clips import TrainClips, ViewClips, as_channels
from osarbench.data.store import Source
from osarbench.data.stores import flow, readers
from osarbench.data.transforms import normalise
from osarbench.data.video import UnreadableVideo
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.model import network
from osarbench.run.run import run
from osarbench_plugins.backbones.tsn import TSN, TSNDifference, TSNFlow
from osarbench_plugins.datasets import _motion_render as renderer
from osarbench_plugins.modalities.flow import Flow, WarpedFlow
from osarbench_plugins.modalities.rgbdiff import RgbDifference

SHIFT = (2, -1)  #: pixels a frame to the right and down


def picture_folder(folder: Path, frames: np.ndarray, template: str = "img_%05d.jpg") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, 1):
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=95, colorspace="RGB")
        (folder / (template % number)).write_bytes(data)
    return str(folder / template)


def moving(count: int = 4, size: int = 64) -> np.ndarray:
    """Return a textured ground that moves by `SHIFT` every frame, uint8 [T, H, W, 3]."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 255, (24, 24)).astype(np.float64)
    ground = np.kron(coarse, np.ones((8, 8)))
    for axis in (0, 1):  # smoothed, so that every place has a slope
        for _ in range(3):
            ground = (np.roll(ground, 1, axis) + ground + np.roll(ground, -1, axis)) / 3
    parts = [ground[60 - t * SHIFT[1]:, 60 - t * SHIFT[0]:][:size, :size] for t in range(count)]  # fmt: skip
    return np.repeat(np.stack(parts)[..., None], 3, axis=3).astype(np.uint8)


@pytest.mark.parametrize("method", ["dis", "farneback"])
def test_computed_flow_points_where_the_picture_moves_by_as_many_pixels(tmp_path: Path, method: str) -> None:
    path = f"{picture_folder(tmp_path / 'v', moving())}#flow={method},20"
    found = np.stack(list(readers.of(path).each(path, 64, None, None)))
    assert found.shape == (3, 64, 64, 2)
    assert found.dtype == np.uint8
    inner = flow.in_pixels(found, 20)[:, 12:-12, 12:-12]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1, 2)), SHIFT, atol=0.25)
    np.testing.assert_array_equal(readers.of(path).read(path, [2, 0], 64, None, None), found[[2, 0]])


@pytest.mark.parametrize(("motion", "axis", "sign"),
                         [("MoveRight", 0, 1), ("MoveLeft", 0, -1), ("MoveDown", 1, 1), ("MoveUp", 1, -1)])  # fmt: skip
def test_the_flow_of_a_sprite_of_motion_points_its_way(tmp_path: Path, motion: str, axis: int, sign: int) -> None:
    means = []
    for group in range(4):
        shot = renderer.Shot(motion=motion, scene="clouds", look=(0, 1, group), take=(0, 1, group, 1))
        images = renderer.render(shot, size=48, frames=8)
        path = f"{picture_folder(tmp_path / str(group), images)}#flow=dis,20"
        found = flow.in_pixels(np.stack(list(readers.of(path).each(path, 48, None, None))), 20)
        fast = np.abs(found[..., axis]) > 1
        means.append(found[..., axis][fast].mean() if fast.any() else 0.0)
    assert np.mean(np.sign(means) == sign) >= 0.75, means


def test_stored_values_are_those_of_published_tools() -> None:
    pixels = np.array([[[0.0, -20.0], [20.0, 35.0], [10.0, -5.0]]])
    assert flow.quantised(pixels, 20).tolist() == [[[128, 0], [255, 255], [191, 96]]]
    np.testing.assert_allclose(flow.in_pixels(flow.quantised(pixels, 20), 20)[0, 2], [10, -5], atol=0.08)


def test_flow_is_read_from_folders_of_both_axes(tmp_path: Path) -> None:
    grey = np.full((3, 32, 48, 3), 128, np.uint8)
    for name, axes in (("flow_{axis}_%05d.jpg", "xy"), ("{uv}/%05d.jpg", "uv"), ("{axis}_%05d.jpg", "xy")):
        folder = tmp_path / name[:4].strip("{}")
        for axis, value in zip(axes, (200, 60), strict=True):
            template = str(folder / name).replace("{axis}", axis).replace("{uv}", axis)
            picture_folder(Path(template).parent, grey * 0 + value, Path(template).name)
        path = str(folder / name)
        found = readers.of(path).read(path, [0, 2], 32, None, None)
        assert found.shape == (2, 32, 48, 2)
        assert np.abs(found.astype(int) - [200, 60]).max() <= 1
        assert readers.of(path).count(path, None, None) == 3
        assert np.array_equal(next(readers.of(path).each(path, 16, None, None)).shape, (16, 24, 2))


def test_another_bound_is_brought_to_the_common_one(tmp_path: Path) -> None:
    for axis, value in (("x", 255), ("y", 0)):
        picture_folder(tmp_path, np.full((1, 16, 16, 3), value, np.uint8), f"flow_{axis}_%05d.jpg")
    path = f"{tmp_path}/flow_{{axis}}_%05d.jpg#b=10"
    found = readers.of(path).read(path, [0], 16, None, None)
    np.testing.assert_allclose(flow.in_pixels(found, 20)[0, 8, 8], [10, -10], atol=0.2)


def axes(folder: Path, x: int = 3, y: int = 3, height: int = 16) -> str:
    for axis, count, rows in (("x", x, 16), ("y", y, height)):
        picture_folder(folder, np.full((count, rows, 16, 3), 128, np.uint8), f"flow_{axis}_%05d.jpg")
    return f"{folder}/flow_{{axis}}_%05d.jpg"


def reason(path: str) -> str:
    with pytest.raises(UnreadableVideo) as found:
        readers.of(path).count(path, None, None)
        list(readers.of(path).each(path, 16, None, None))
    return str(found.value)


def test_damaged_folders_are_named_for_what_they_lack(tmp_path: Path) -> None:
    assert "there is no flow_y_%05d.jpg: flow needs both axes" in reason(axes(tmp_path / "a", y=0))
    assert "3 pictures of flow_x_%05d.jpg and 2 of flow_y_%05d.jpg" in reason(axes(tmp_path / "b", y=2))
    assert "x of 16 x 16 pixels and y of 16 x 12" in reason(axes(tmp_path / "c", height=12))
    gap = axes(tmp_path / "d")
    (tmp_path / "d" / "flow_y_00002.jpg").unlink()
    assert "flow_y_00002.jpg is missing" in reason(gap)
    single = picture_folder(tmp_path / "e", moving(1))
    assert "1 frame has no flow" in reason(f"{single}#flow=dis,20")


@pytest.mark.parametrize("kind", ["raw", "jpeg", "none"])
def test_flow_is_stored_as_frames_are_and_made_once(tmp_path: Path, kind: str) -> None:
    path = f"{picture_folder(tmp_path / 'v', moving())}#flow=dis,20"
    asked: dict[str, Any] = {"short_side": 64, "middle": None, "folder": tmp_path / "clips", "kind": kind}
    made = store.prepare([Source("v", path)], workers=1, **asked)
    assert made.length(0) == 3
    expected = np.stack(list(readers.of(path).each(path, 64, None, None)))
    found = made.frames(0, np.array([0, 1, 2]))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected.astype(int)).mean() < (2 if kind == "jpeg" else 1e-9)
    assert store.is_complete([Source("v", path)], **asked)
    rgb = store.prepare([Source("v", path.partition("#")[0])], workers=1, **asked)
    assert rgb.recipe.folder != made.recipe.folder
    assert rgb.digest(0) != made.digest(0)
    other = store.prepare([Source("v", path.replace("dis", "farneback"))], workers=1, **asked)
    assert other.digest(0) != made.digest(0)


def test_colours_and_flow_do_not_mix(tmp_path: Path) -> None:
    path = picture_folder(tmp_path / "v", moving())
    with pytest.raises(OsarbenchError, match="as flow and some as colours"):
        store.prepare([Source("a", path), Source("b", f"{path}#flow=dis,20")], short_side=64, middle=None,
                      folder=tmp_path / "clips", workers=1)  # fmt: skip


@pytest.mark.parametrize("modality", [Flow(), WarpedFlow()])
def test_a_mirror_turns_left_to_right_in_flow(modality: Flow) -> None:
    frames = np.zeros((1, 1, 2, 2), np.uint8)
    frames[0, 0] = [[200, 10], [128, 20]]
    assert modality.flip(frames)[0, 0].tolist() == [[127, 20], [55, 10]]
    assert frames[0, 0, 0, 0] == 200  # the frames themselves stay


def test_stacks_alternate_x_and_y_and_are_normalised_alike() -> None:
    frames = torch.arange(10).view(5, 2).T.reshape(2, 5, 1, 1).byte()  # x: 0 2 4 6 8, y: 1 3 5 7 9
    assert as_channels(frames, 5)[:, 0, 0, 0].tolist() == list(range(10))
    spec = ClipSpec(modality="flow", mean=Flow.mean, std=Flow.std)
    grey = normalise(torch.full((1, 10, 1, 2, 2), 255, dtype=torch.uint8), spec)
    torch.testing.assert_close(grey, torch.full((1, 10, 1, 2, 2), 0.5 / 0.226))


def test_differences_are_of_neighbours_and_of_a_still_video_nothing() -> None:
    clips = torch.randn(2, 18, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    changed = RgbDifference().change(clips)
    assert changed.shape == (2, 15, 3, 4, 4)
    torch.testing.assert_close(changed[:, 3:6], clips[:, 6:9] - clips[:, 3:6])
    assert not RgbDifference().change(clips[:, :3].repeat(1, 6, 1, 1, 1)).any()


def test_differences_are_divided_by_their_scale_once() -> None:
    from osarbench.interfaces.method import LinearHead

    backbone = TSNDifference(trunk="resnet18", segments=1, difference_scale=0.5)
    whole = network.Network(backbone, LinearHead(512, 512, 2), backbone.clip, RgbDifference())
    clips = torch.zeros(1, 18, 1, 8, 8, dtype=torch.uint8)
    clips[:, 3:] = 51
    assert whole.fed(clips)[0, :, 0, 0, 0].tolist() == pytest.approx([0.4] * 3 + [0.0] * 12)


def test_snippets_begin_where_the_published_code_begins_them(shared: Path) -> None:
    rows = json.loads((shared / "data/parity/tsn/segment_sampling.json").read_text())
    for row in rows:
        stack, total = row["new_length_in_dataset"], row["num_frames"]
        if row["kind"] == "train":
            if total < stack:
                continue
            drawn = np.random.RandomState(row["np_seed"])
            found = sampling.tsn_starts(total, row["num_segments"], span=stack, randomness=drawn)
        else:
            found = sampling.tsn_starts(total, row["num_segments"], span=stack)
        assert (found + 1).tolist() == row["first_indices_1based"], row


class Still:
    """A store of one video of zeros."""

    def __init__(self, length: int, channels: int) -> None:
        self.total, self.channels = length, channels

    def length(self, video: int) -> int:
        return self.total

    def frames(self, video: int, indices: np.ndarray) -> np.ndarray:
        assert indices.min() >= 0
        assert indices.max() < self.total
        return np.zeros((len(indices), 40, 52, self.channels), np.uint8)


@pytest.mark.parametrize("backbone", [TSN, TSNFlow, TSNDifference])
def test_tsn_takes_the_clips_of_its_modality(backbone: type[TSN]) -> None:
    from dataclasses import replace

    built = backbone(trunk="resnet18", segments=2).eval()
    kind = {"tsn": None, "tsn_flow": Flow(), "tsn_rgbdiff": RgbDifference()}[built.name]
    spec = replace(built.clip, size=32, test_size=32, test_clips=1)
    store_: Any = Still(9, 3 if kind is None else kind.channels)
    clip, _ = TrainClips(store_, np.array([0]), np.array([0]), spec, 0, kind)[0, 0]
    (view,) = ViewClips(store_, np.array([0]), spec, kind)[0]
    from osarbench.interfaces.method import LinearHead

    whole = network.Network(built, LinearHead(512, 512, 2), spec, kind)
    for each in (clip, view):
        assert whole.vectors(each[None]).shape == (1, 512)


def test_a_stack_longer_than_the_video_is_named() -> None:
    store_: Any = Still(4, 2)
    with pytest.raises(OsarbenchError, match="4 frames is shorter than the 5"):
        ViewClips(store_, np.array([0]), TSNFlow(trunk="resnet18").clip, Flow())[0]


def test_the_first_convolution_of_flow_starts_from_the_mean_of_colours() -> None:
    torch.manual_seed(0)
    colours: Any = TSN(trunk="resnet18").trunk.network.conv1.weight
    torch.manual_seed(0)
    first: Any = TSNFlow(trunk="resnet18").trunk.network.conv1.weight
    assert first.shape == (64, 10, 7, 7)
    torch.testing.assert_close(first, colours.mean(dim=1, keepdim=True).expand(-1, 10, -1, -1))


@pytest.mark.parametrize("dropout", [True, False])
def test_checkpoints_of_tsn_pytorch_load_with_their_classifier_and_every_key_counts(
    tmp_path: Path, dropout: bool
) -> None:
    import torchvision

    source = torchvision.models.resnet18(num_classes=7)
    source.conv1 = torch.nn.Conv2d(10, 64, 7, stride=2, padding=3, bias=False)  # theirs is of flow already
    state = {f"module.base_model.{key}": value for key, value in source.state_dict().items()}
    if dropout:
        for part in ("weight", "bias"):
            state[f"module.new_fc.{part}"] = state.pop(f"module.base_model.fc.{part}")
    file = str(tmp_path / "ucf101_flow.pth.tar")
    torch.save({"epoch": 3, "arch": "resnet18", "state_dict": state, "best_prec1": 87.2}, file)
    backbone = TSNFlow(trunk="resnet18").eval()
    backbone.load_weights(file)
    head = backbone.read_head(file)
    assert head is not None
    clips = torch.randn(2, 10, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = torch.nn.functional.linear(backbone(clips).vector, head.tensors["weight"], head.tensors["bias"])
        torch.testing.assert_close(logits, source.eval()(clips[:, :, 0]), atol=1e-4, rtol=1e-4)
    state["module.surprise.weight"] = torch.zeros(1)
    torch.save({"state_dict": state}, file)
    with pytest.raises(OsarbenchError, match="surprise"):
        backbone.load_weights(file)


def protocol(folder: Path, data: str = "") -> str:
    text = (Path(__file__).parent / "toy.toml").read_text()
    small = "{ layers = [1, 1, 1], channels = [8, 8, 8], stem_chs = 8 }"
    options = f'{{ trunk = "timm:resnetv2_18", trunk_options = {small} }}'
    clips = "{ segments = 2, short_side = 24, size = 24, test_size = 24, test_clips = 1 }"
    text += f"\n[backbones.tsn_flow]\noptions = {options}\nclips = {clips}\n{data}"
    (folder / "flowing.toml").write_text(text)
    return str(folder / "flowing.toml")


def test_a_run_on_flow_computes_it_first_and_learns_from_it(tmp_path: Path) -> None:
    (entry,) = run(request(tmp_path, tmp_path / "cache", "dnn", backbone="tsn_flow", protocol=protocol(tmp_path),
                           epochs=1))  # fmt: skip
    assert (entry.folder / "scores.csv").is_file()
    (recipe,) = (json.loads(file.read_text()) for file in (tmp_path / "cache/clips").glob("*/store.json"))
    assert recipe["channels"] == 2


def test_settings_of_flow_are_checked(tmp_path: Path) -> None:
    def refused(line: str, match: str) -> None:
        stated = protocol(tmp_path, f"[data.toy]\n{line}\n")
        with pytest.raises(OsarbenchError, match=match):
            run(request(tmp_path, tmp_path / "cache", "dnn", backbone="tsn_flow", protocol=stated))

    refused('flow = "diss"', "Did you mean 'dis'")
    refused('flow = "flow/{id}/flow_x_%05d.jpg"', "lacks {axis}")
    refused("flow_bound = 0", "more than 0")


def test_flow_of_folders_is_found_for_each_video(tmp_path: Path) -> None:
    made = toy.Toy(tmp_path / "cache/data/toy")
    made.prepare()
    for split in made.splits:
        for video in made.videos(split):
            axes(made.root / "tvl1" / Path(video.id).with_suffix(""), x=9, y=9, height=16)
    stated = protocol(tmp_path, '[data.toy]\nflow = "tvl1/{id}/flow_{axis}_%05d.jpg"\nflow_bound = 15\n')
    (entry,) = run(request(tmp_path, tmp_path / "cache", "dnn", backbone="tsn_flow", protocol=stated, epochs=1))
    assert (entry.folder / "scores.csv").is_file()
    shutil.rmtree(tmp_path / "cache/clips")
