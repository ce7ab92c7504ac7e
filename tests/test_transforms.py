"""Crops and scaling, against the boxes and pixels of the published pipeline."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from osarbench.data.clips import stack
from osarbench.data.transforms import (
    fixed_offsets,
    multi_scale_sizes,
    normalise,
    recoloured,
    train_box,
    train_clip,
    view_boxes,
    view_crops,
)
from osarbench.interfaces.clip import ClipSpec


def noise(frames: int = 4, height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def test_multi_scale_crops_are_those_of_the_published_draws(shared: Path) -> None:
    for case in json.loads((shared / "data/parity/pipeline/multiscale_crop.json").read_text()):
        settings, (height, width) = case["kwargs"], case["img_hw"]
        spec = ClipSpec(
            size=settings["input_size"], crop_scales=tuple(settings["scales"]),
            crop_scale_gap=settings["max_wh_scale_gap"], crop_places=settings.get("num_fixed_crops", 5),
        )  # fmt: skip
        draw = random.Random(case["python_random_seed"])
        crop_width, crop_height = draw.choice(multi_scale_sizes(width, height, spec))
        left, top = draw.choice(fixed_offsets(width - crop_width, height - crop_height, spec.crop_places))
        assert [left, top, left + crop_width, top + crop_height] == case["crop_bbox_xyxy"]


def test_three_crops_are_the_published_ones(shared: Path) -> None:
    reference = np.load(shared / "data/parity/pipeline/spatial.npz", allow_pickle=False)
    frames = reference["resize_short256"]  # [2, 256, 341, 3]
    crops = view_crops(frames, ClipSpec(test_size=256, test_crops=3)).numpy()  # [3, 3, 2, 256, 256]
    assert np.array_equal(crops.transpose(0, 2, 3, 4, 1).reshape(6, 256, 256, 3), reference["threecrop256"])
    boxes = [[b.left, b.top, b.left + b.width, b.top + b.height] for b in view_boxes(341, 256, 256, 3)]
    assert boxes == reference["threecrop256_bbox"][::2].tolist()


def test_the_centre_crop_and_its_normalisation_are_the_published_ones(shared: Path) -> None:
    reference = np.load(shared / "data/parity/pipeline/spatial.npz", allow_pickle=False)
    spec = ClipSpec(test_size=224)
    crop = view_crops(reference["resize_short256"], spec)  # [1, 3, 2, 224, 224]
    assert np.array_equal(crop[0].permute(1, 2, 3, 0).numpy(), reference["centercrop224"])
    assert np.allclose(normalise(crop, spec).numpy(), reference["ncthw"], atol=1e-5)


def test_ten_crops_are_the_corners_and_the_centre_each_with_its_mirror_image() -> None:
    boxes = [(box.left, box.top) for box in view_boxes(340, 256, 224, 10)]
    assert boxes == [(0, 0), (116, 0), (0, 32), (116, 32), (58, 16)]  # as TSN's
    frames = noise(2, 30, 40)
    crops = view_crops(frames, ClipSpec(test_size=20, test_crops=10))
    assert crops.shape == (10, 3, 2, 20, 20)
    assert torch.equal(crops[7], crops[6].flip(-1))
    assert np.array_equal(crops[6].permute(1, 2, 3, 0).numpy(), frames[:, 10:30, 20:40])


@pytest.mark.parametrize("crop", ["random_resized", "multi_scale", "random", "centre"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (32, 32), (20, 90)])
def test_every_training_crop_lies_in_the_frame_and_has_its_size(crop: str, height: int, width: int) -> None:
    spec = ClipSpec(size=20, train_crop=crop)  # type: ignore[arg-type]
    for seed in range(20):
        box = train_box(width, height, spec, np.random.default_rng(seed))
        assert 0 <= box.left <= box.left + box.width <= width
        assert 0 <= box.top <= box.top + box.height <= height
    assert train_clip(noise(3, height, width), spec, np.random.default_rng(0)).shape == (3, 3, 20, 20)


def test_a_crop_larger_than_the_frame_is_scaled_up() -> None:
    spec = ClipSpec(size=80, test_size=80, train_crop="random", test_crops=3)
    assert train_clip(noise(), spec, np.random.default_rng(0)).shape == (3, 4, 80, 80)
    assert view_crops(noise(), spec).shape == (3, 3, 4, 80, 80)


def test_all_frames_of_a_clip_get_the_same_parameters() -> None:
    frames = np.repeat(noise(1), 5, axis=0)
    clip = train_clip(frames, ClipSpec(size=32), np.random.default_rng(3))
    assert all(torch.equal(clip[:, 0], clip[:, frame]) for frame in range(5))


def test_a_clip_follows_from_its_generator() -> None:
    first, again = (train_clip(noise(), ClipSpec(size=32), np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, train_clip(noise(), ClipSpec(size=32), np.random.default_rng(2)))


def test_flips_are_as_frequent_as_asked() -> None:
    frames = noise(1, 32, 32)
    plain = torch.from_numpy(frames).permute(3, 0, 1, 2)
    for flip, expected in ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5)):
        spec = ClipSpec(size=32, train_crop="centre", flip=flip)
        same = [torch.equal(train_clip(frames, spec, np.random.default_rng(seed)), plain) for seed in range(200)]
        assert np.mean(same) == pytest.approx(expected, abs=0.1)


def test_resizing_is_that_of_pillow_to_one_grey_level() -> None:
    from PIL import Image

    spec = ClipSpec(size=24, train_crop="centre", flip=0)
    ours = train_clip(noise(1, 48, 48), spec, np.random.default_rng(0))[:, 0].permute(1, 2, 0).numpy()
    theirs = np.asarray(Image.fromarray(noise(1, 48, 48)[0]).resize((24, 24), Image.Resampling.BILINEAR))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_read_only_frames_are_left_alone() -> None:
    frames = noise()
    frames.flags.writeable = False
    before = frames.copy()
    train_clip(frames, ClipSpec(size=48, train_crop="centre", flip=1), np.random.default_rng(0))
    assert np.array_equal(frames, before)


def test_a_batch_keeps_the_channels_last_layout_through_normalisation() -> None:
    clips = [train_clip(noise(), ClipSpec(size=32), np.random.default_rng(seed)) for seed in range(3)]
    batch = stack(clips)
    assert torch.equal(batch, torch.stack(clips))
    assert normalise(batch, ClipSpec()).is_contiguous(memory_format=torch.channels_last_3d)


def test_colours_change_alike_in_all_frames_and_only_if_asked() -> None:
    spec = ClipSpec(jitter=(0.8, 0.8, 0.8, 0.2), jitter_probability=1.0)
    still = torch.from_numpy(noise(1)).permute(0, 3, 1, 2).repeat(3, 1, 1, 1)
    changed = recoloured(still, spec, np.random.default_rng(0))
    assert changed.dtype == torch.uint8
    assert not torch.equal(changed, still)
    assert torch.equal(changed[0], changed[2])
    assert torch.equal(recoloured(still, ClipSpec(), np.random.default_rng(0)), still)


def test_a_clip_can_lose_its_colours() -> None:
    grey = recoloured(torch.from_numpy(noise(2)).permute(0, 3, 1, 2), ClipSpec(grey=1.0), np.random.default_rng(0))
    assert torch.equal(grey[:, 0], grey[:, 2])
