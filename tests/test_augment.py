"""Random changes of training clips: all frames alike, as far as the protocol says, each as it is defined."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from osarbench.data import augment
from osarbench.data.augment import augmented
from osarbench.data.clips import TrainClips
from osarbench.data.transforms import train_clip
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.modality import Modality
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol as protocols
from osarbench.protocols.augment import OPERATIONS, Augment

HERE = Path(__file__).parent
#: What the README of the SRTG repository lists, and what its code has for Kinetics beyond that.
EVERY: dict[str, Any] = {
    "gaussian_blur": (0.1, 0.2, 0.3), "average_blur": (2,), "motion_blur": (3, 5, 7), "add": (-5, 15),
    "multiply": (0.8, 1.2), "gamma": (0.85, 1.15), "noise": 76.5, "enhance": (1.2, 1.6), "hue_saturation": (-16, 16),
    "contrast": (0.85, 1.115), "perspective": (0.02, 0.05), "rotation": (-10, 10),
}  # fmt: skip
RECIPE = Augment(**EVERY)
RGB = plugins.load(kinds=("modalities",)).modality("rgb")()


def picture(seed: int = 0) -> Tensor:
    """A smooth picture with an edge, uint8 [3, 40, 48]."""
    rows, columns = torch.meshgrid(torch.arange(40), torch.arange(48), indexing="ij")
    shades = torch.stack([60 + 3 * rows, 200 - 2 * columns, 90 + rows + columns])
    shades[:, 10:20, 12:30] = torch.tensor([40, 180, 90])[:, None, None] + 7 * seed
    return shades.to(torch.uint8)


def only(**operations: Any) -> Tensor:
    """The picture, as one frame, changed by some operations for certain; float [3, H, W]."""
    changed = augmented(picture()[None], Augment(clip=1, each=1, **operations), np.random.default_rng(0))
    return changed[0].float()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_change_is_one_and_the_same_for_all_frames(name: str) -> None:
    still = picture().expand(6, -1, -1, -1).contiguous()
    seen = {**EVERY, "gaussian_blur": (1.0,)}  # the published deviations change next to nothing
    found = augmented(still, Augment(clip=1, each=1, **{name: seen[name]}), np.random.default_rng(1))
    assert found.shape == still.shape
    assert found.dtype == torch.uint8
    assert all(torch.equal(frame, found[0]) for frame in found)
    assert not torch.equal(found, still)


def test_a_frame_is_changed_alike_whatever_its_neighbours_show() -> None:
    moving = torch.stack([picture(seed) for seed in range(4)])
    recipe = Augment(clip=1, each=1, **EVERY)
    whole = augmented(moving, recipe, np.random.default_rng(5))
    for place in range(4):
        alone = augmented(moving[place : place + 1], recipe, np.random.default_rng(5))
        assert torch.equal(alone[0], whole[place])


def test_a_clip_follows_from_its_generator_and_its_input_stays() -> None:
    clip = picture()[None].clone()
    first, second, other = (augmented(clip, Augment(clip=1, **EVERY), np.random.default_rng(s)) for s in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(clip, picture()[None])


def test_clips_and_operations_are_changed_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[str]] = []

    def noted(name: str) -> Any:
        def change(clip: Tensor, value: Any, draw: Any) -> Tensor:
            done[-1].append(name)
            return clip

        return change

    monkeypatch.setattr(augment, "_CHANGES", {name: noted(name) for name in OPERATIONS})
    generator, recipe = np.random.default_rng(0), Augment(clip=0.8, each=0.4, perspective_or_rotation=True, **EVERY)
    for _ in range(4000):
        done.append([])
        augmented(picture()[None], recipe, generator)
    count = {name: sum(name in names for names in done) for name in OPERATIONS}
    assert count.pop("perspective") == pytest.approx(0.8 * 0.4 * 0.5 * 4000, rel=0.1)
    assert count.pop("rotation") == pytest.approx(0.8 * 0.4 * 0.5 * 4000, rel=0.1)
    assert list(count.values()) == pytest.approx([0.8 * 0.4 * 4000] * 10, rel=0.1)
    assert not any({"perspective", "rotation"} <= set(names) for names in done)
    assert all(names == sorted(names, key=OPERATIONS.index) for names in done)


def test_what_is_not_stated_is_not_done() -> None:
    assert torch.equal(augmented(picture()[None], Augment(clip=1, each=1), np.random.default_rng(0)), picture()[None])
    assert torch.equal(augmented(picture()[None], Augment(clip=0, **EVERY), np.random.default_rng(0)), picture()[None])


def test_adding_multiplying_and_contrast_are_linear_in_each_pixel() -> None:
    before = picture().float()
    added = only(add=(-5, 15)) - before
    assert all(len(channel.unique()) == 1 for channel in added)
    assert -5 <= added.min() <= added.max() <= 15
    assert len(added.unique()) > 1  # each channel its own
    factors = only(multiply=(1.2, 1.2))
    torch.testing.assert_close(factors, (before * 1.2).clamp(max=255), atol=1, rtol=0)
    torch.testing.assert_close(only(contrast=(0.85, 0.85)), 127 + 0.85 * (before - 127), atol=0.51, rtol=0)
    torch.testing.assert_close(only(gamma=(1.15, 1.15)), 255 * (before / 255) ** 1.15, atol=1, rtol=0)


def test_colours_are_enhanced_as_by_pillow() -> None:
    pillow = ImageEnhance.Color(Image.fromarray(picture().permute(1, 2, 0).numpy())).enhance(1.4)
    expected = torch.from_numpy(np.array(pillow)).permute(2, 0, 1).float()
    torch.testing.assert_close(only(enhance=(1.4, 1.4)), expected, atol=2, rtol=0)


def test_hue_turns_by_its_share_of_a_circle_and_saturation_moves_apart_from_it() -> None:
    import colorsys

    found = only(hue_saturation=(16, 16))
    for row, column in ((2, 3), (15, 20), (39, 47)):
        h, s, v = colorsys.rgb_to_hsv(*(picture()[:, row, column] / 255).tolist())
        expected = colorsys.hsv_to_rgb((h + 16 / 255) % 1, min(1, s + 16 / 255), v)
        assert found[:, row, column].tolist() == pytest.approx([255 * value for value in expected], abs=1)


def test_noise_has_its_deviation_and_no_colour_of_its_own() -> None:
    grey = torch.full((2, 3, 64, 64), 128, dtype=torch.uint8)
    noise = augmented(grey, Augment(clip=1, each=1, noise=20.0), np.random.default_rng(0)).float() - 128
    assert noise[0].std().item() == pytest.approx(20, rel=0.05)
    assert abs(noise[0].mean().item()) < 0.5
    assert torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0, 0], noise[0, 1])


@pytest.mark.parametrize("name", ["gaussian_blur", "average_blur", "motion_blur"])
def test_blurs_keep_flat_parts_and_soften_edges(name: str) -> None:
    changed, before = (
        only(**{name: {"gaussian_blur": (2.0,), "average_blur": (3,), "motion_blur": (7,)}[name]}),
        picture(),
    )
    flat = changed[:, 14:16, 18:24]
    torch.testing.assert_close(flat, before[:, 14:16, 18:24].float(), atol=8, rtol=0)
    steepest = lambda image: (image[:, 1:].float() - image[:, :-1].float()).abs().max()  # noqa: E731
    assert steepest(changed) < 0.8 * steepest(before)


def test_an_even_blur_averages_each_pixel_with_those_before_it() -> None:
    before, found = picture().float(), only(average_blur=(2,))
    expected = (before[:, 1:, 1:] + before[:, :-1, 1:] + before[:, 1:, :-1] + before[:, :-1, :-1]) / 4
    torch.testing.assert_close(found[:, 1:, 1:], expected, atol=0.51, rtol=0)


def test_a_rotation_turns_about_the_centre_by_its_degrees() -> None:
    turned = only(rotation=(10, 10))
    pillow = Image.fromarray(picture().permute(1, 2, 0).numpy()).rotate(10, Image.Resampling.BILINEAR)
    expected = torch.from_numpy(np.array(pillow)).permute(2, 0, 1).float()
    inside = (slice(None), slice(12, 28), slice(16, 32))
    assert (turned[inside] - expected[inside]).abs().mean() < 3
    assert turned[0, 0, 0] == 0  # what is turned into the picture is black


def test_a_perspective_shows_a_little_less_and_nothing_from_outside() -> None:
    white = torch.full((1, 3, 60, 60), 255, dtype=torch.uint8)
    recipe = Augment(clip=1, each=1, perspective=(0.05, 0.05))
    for seed in range(20):
        assert augmented(white, recipe, np.random.default_rng(seed)).float().mean() > 253
    ramp = torch.arange(60, dtype=torch.uint8).expand(1, 3, 60, 60).contiguous()
    seen = augmented(ramp, recipe, np.random.default_rng(0)).float()
    assert seen[..., 5:-5, 1].mean() > 1
    assert seen[..., 5:-5, -2].mean() < 58


def test_a_training_clip_is_changed_in_full_size_and_then_made_smaller() -> None:
    frames = picture().permute(1, 2, 0).numpy()[None].repeat(4, axis=0)
    spec = ClipSpec(size=32, train_crop="random", flip=0.0)
    recipe = Augment(clip=1, each=1, noise=60.0)
    full, small = (train_clip(frames, spec, np.random.default_rng(0), size=s, augment=recipe) for s in (32, 16))
    assert (full.shape, small.shape) == ((3, 4, 32, 32), (3, 4, 16, 16))
    coarse = full.float().unflatten(3, (16, 2)).unflatten(2, (16, 2)).mean(dim=(3, 5))
    correlation = torch.corrcoef(torch.stack([coarse.flatten(), small.float().flatten()]))[0, 1]
    assert correlation > 0.9  # the same noise, averaged
    plain = train_clip(frames, spec, np.random.default_rng(0))
    assert torch.equal(plain, train_clip(frames, spec, np.random.default_rng(0), augment=Augment(clip=0, **EVERY)))


def test_a_static_video_gives_static_clips() -> None:
    class Still:
        def length(self, position: int) -> int:
            return 30

        def frames(self, position: int, indices: np.ndarray) -> np.ndarray:
            return picture().permute(1, 2, 0).numpy()[None].repeat(len(indices), axis=0)

    spec = ClipSpec(size=32, frames=8, train_crop="random")
    clips = TrainClips(Still(), np.arange(20), np.zeros(20, int), spec, 0, augment=RECIPE)  # type: ignore[arg-type]
    for position in range(20):
        clip, _ = clips[0, position]
        assert torch.equal(clip, clip[:, :1].expand_as(clip))


def test_a_protocol_states_what_there_is(tmp_path: Path) -> None:
    stated = "\n[training.augment]\nclip = 0.65\neach = 0.3\nadd = [-5, 15]\ngaussian_blur = [0.1, 0.2, 0.3]\n"
    file = tmp_path / "toy.toml"
    file.write_text((HERE / "toy.toml").read_text() + stated)
    expected = Augment(clip=0.65, each=0.3, add=(-5, 15), gaussian_blur=(0.1, 0.2, 0.3))
    assert protocols.read(str(file)).recipe("toy").training.augment == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gausian_blur = [1]", r"\[training.augment\] has no key 'gausian_blur'. Did you mean 'gaussian_blur'"),
        ("rotation = [10, -10]", "rotation begins above its end"),
        ("rotation = 10", "rotation = 10 is wrong"),
        ("motion_blur = [4]", "motion_blur has an even length"),
        ("gamma = [-1, 1]", "gamma is negative"),
        ("clip = 1.2", "clip = 1.2 is wrong"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "toy.toml"
    file.write_text((HERE / "toy.toml").read_text() + f"\n[training.augment]\n{line}\n")
    with pytest.raises(OsarbenchError, match=message) as error:
        protocols.read(str(file))
    assert "\n" not in str(error.value)


def test_colours_of_what_has_none_and_a_missing_library_are_known_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flow(Modality):
        name, channels, stack = "flow", 2, 5

        def flip(self, frames: Any) -> Any:
            return frames

    augment.check(RECIPE, RGB)
    with pytest.raises(OsarbenchError, match="the modality 'flow' has none"):
        augment.check(RECIPE, Flow())
    monkeypatch.setitem(sys.modules, "kornia", None)
    with pytest.raises(OsarbenchError, match=r"need kornia. Install it with: pip install 'osarbench\[augment\]'"):
        augment.check(RECIPE, RGB)
    augment.check(Augment(add=(-5, 15), rotation=(-10, 10)), RGB)
