"""Frames to network input: crops, scaling and flips of uint8 clips, the same for all frames of a clip.

Frames stay uint8 and channels-last to the last moment, which is what torchvision resizes fastest; normalisation is left
to the network's device. Crops follow MMAction2 v0.9 (``datasets/pipelines/augmentations.py``).
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from osarbench.data.augment import augmented
from osarbench.interfaces.clip import ClipSpec
from osarbench.protocols.augment import Augment

AREA = (0.08, 1.0)  # share of the frame that "random_resized" takes
RATIO = (3 / 4, 4 / 3)  # width / height of what "random_resized" takes
CHANGES = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation, vision.adjust_hue)
TRIES = 10  # before "random_resized" takes the centre


Frames = npt.NDArray[np.uint8]
Flip = Callable[[Frames], Frames]  #: [T, H, W, C] to the same


class Box(NamedTuple):
    """A part of a frame, in pixels."""

    left: int
    top: int
    width: int
    height: int


def mirrored(frames: Frames) -> Frames:
    """Return frames [T, H, W, C] with their columns in reverse order: how a mirror shows what is no direction."""
    return np.ascontiguousarray(frames[:, :, ::-1])


def train_clip(
    frames: Frames,
    spec: ClipSpec,
    generator: np.random.Generator,
    *,
    flip: Flip = mirrored,
    size: int | None = None,
    augment: Augment | None = None,
) -> Tensor:
    """Return one augmented view: uint8 [C, T, size, size] of frames [T, H, W, C].

    Args:
        frames: of the clip.
        spec: says how it is cropped, flipped and recoloured.
        generator: of what is random.
        flip: the modality's (`osarbench.interfaces.modality.Modality.flip`).
        size: pixels, side of the view, if it is not ``spec.size``; what it shows does not depend on it.
        augment: how else it is changed, at ``spec.size``.
    """
    size = size or spec.size
    images = _images(frames)  # [T, C, H, W]
    if min(images.shape[2:]) < spec.size and spec.train_crop == "random":
        images = vision.resize(images, [spec.size], antialias=True)
    box = train_box(images.shape[3], images.shape[2], spec, generator)
    clip = _cut(images, box, spec.size if augment else size)
    if generator.random() < spec.flip:
        clip = _flipped(clip, flip)
    clip = recoloured(clip, spec, generator)
    if augment:
        clip = augmented(clip, augment, generator)
        clip = clip if size == spec.size else vision.resize(clip, [size, size], antialias=True)
    return clip.transpose(0, 1)  # [C, T, size, size]


def recoloured(clip: Tensor, spec: ClipSpec, generator: np.random.Generator) -> Tensor:
    """Return frames uint8 [T, 3, H, W] with colours changed as the specification says, all frames alike.

    Factors are drawn as by torchvision's ``ColorJitter``: from [1 - b, 1 + b], hue from [-h, h], in random order.
    """
    if any(spec.jitter) and generator.random() < spec.jitter_probability:
        reach = np.array(spec.jitter)
        amounts = generator.uniform(np.maximum([0.0, 0.0, 0.0, -0.5], [*(1 - reach[:3]), -reach[3]]),
                                    [*(1 + reach[:3]), reach[3]])  # fmt: skip
        for change in generator.permutation(4):
            if spec.jitter[change]:
                clip = CHANGES[change](clip, float(amounts[change]))
    if spec.grey and generator.random() < spec.grey:
        clip = vision.rgb_to_grayscale(clip, num_output_channels=3)
    return clip


def view_crops(frames: Frames, spec: ClipSpec, *, flip: Flip = mirrored) -> Tensor:
    """Return the test crops: uint8 [test_crops, C, T, test_size, test_size] of frames [T, H, W, C].

    One crop is the centre; three are at both ends and in the middle of the longer side; ten are the four corners and
    the centre, each followed by its mirror image (TSN). Frames with a short side smaller than the crop are scaled up
    to it first.
    """
    images = _images(frames)  # [T, 3, H, W]
    if min(images.shape[2:]) < spec.test_size:
        images = vision.resize(images, [spec.test_size], antialias=True)
    boxes = view_boxes(images.shape[3], images.shape[2], spec.test_size, spec.test_crops)
    crops = [_cut(images, box, spec.test_size) for box in boxes]
    if spec.test_crops == 10:
        crops = [view for crop in crops for view in (crop, _flipped(crop, flip))]
    return torch.stack([crop.transpose(0, 1) for crop in crops])


def normalise(clips: Tensor, spec: ClipSpec) -> Tensor:
    """Return float32 clips of mean 0 and deviation 1 on their device, memory layout kept, for uint8 [N, C, T, H, W]."""
    stacked = max(1, clips.shape[1] // len(spec.mean))  # frames of a stack, each with its channels
    scale, shift = _scale_and_shift(spec.mean * stacked, spec.std * stacked, clips.device)
    return clips.float().mul_(scale).sub_(shift)


def train_box(width: int, height: int, spec: ClipSpec, generator: np.random.Generator) -> Box:
    """Return what a training clip shows of a frame, drawn as `spec.train_crop` says."""
    if spec.train_crop == "multi_scale":
        sizes = multi_scale_sizes(width, height, spec)
        crop_width, crop_height = sizes[generator.integers(len(sizes))]
        offsets = fixed_offsets(width - crop_width, height - crop_height, spec.crop_places)
        return Box(*offsets[generator.integers(len(offsets))], crop_width, crop_height)
    if spec.train_crop == "random_resized":
        return _random_resized(width, height, generator)
    if spec.train_crop == "random":
        left, top = (int(generator.integers(side - spec.size + 1)) for side in (width, height))
        return Box(left, top, spec.size, spec.size)
    side = min(width, height)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def multi_scale_sizes(width: int, height: int, spec: ClipSpec) -> list[tuple[int, int]]:
    """Return the (width, height) that "multi_scale" chooses from (TSN; MultiScaleCrop): near-square, of a few scales.

    A side within two pixels of the network's is made equal to it, so that nothing is resized for that little.
    """
    sides = [int(min(width, height) * scale) for scale in spec.crop_scales]
    snapped = [spec.size if abs(side - spec.size) < 3 else side for side in sides]
    near = range(len(snapped))
    return [(snapped[j], snapped[i]) for i in near for j in near if abs(i - j) <= spec.crop_scale_gap]


def fixed_offsets(spare_width: int, spare_height: int, positions: int) -> list[tuple[int, int]]:
    """Return the (left, top) that "multi_scale" chooses from: corners, centre, and with 13 those between."""
    across, down = spare_width // 4, spare_height // 4
    quarters = [(0, 0), (4, 0), (0, 4), (4, 4), (2, 2)]
    if positions == 13:
        quarters += [(0, 2), (4, 2), (2, 4), (2, 0), (1, 1), (3, 1), (1, 3), (3, 3)]
    return [(x * across, y * down) for x, y in quarters]


def view_boxes(width: int, height: int, size: int, crops: int) -> list[Box]:
    """Return the boxes of the test crops (CenterCrop, ThreeCrop, and the five positions of TenCrop)."""
    if crops == 1:
        return [Box((width - size) // 2, (height - size) // 2, size, size)]
    across, down = (width - size) // 2, (height - size) // 2
    if crops == 10:
        right, bottom = width - size, height - size
        corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), (across, down)]
        return [Box(left, top, size, size) for left, top in corners]
    steps = [(0, down), (2 * across, down), (across, down)] if width >= height else [
        (across, 0), (across, 2 * down), (across, down)
    ]  # fmt: skip
    return [Box(left, top, size, size) for left, top in steps]


@lru_cache
@torch.inference_mode(False)
def _scale_and_shift(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return 1 / (255 std) and mean / std, [C, 1, 1, 1]; kept, for a copy to a GPU makes it wait."""
    mean_, std_ = (torch.tensor(values, device=device).view(-1, 1, 1, 1) for values in (mean, std))
    return 1 / (255 * std_), mean_ / std_


def _random_resized(width: int, height: int, generator: np.random.Generator) -> Box:
    """Return a box of random area and aspect (Szegedy et al., CVPR 2015); the centre square if none fits."""
    for _ in range(TRIES):
        area = generator.uniform(*AREA) * width * height
        ratio = math.exp(generator.uniform(*np.log(RATIO)))
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = int(generator.integers(width - crop_width + 1))
            return Box(left, int(generator.integers(height - crop_height + 1)), crop_width, crop_height)
    side = min(width, height)
    return Box((width - side) // 2, (height - side) // 2, side, side)


def _flipped(images: Tensor, flip: Flip) -> Tensor:
    """Return images [T, C, H, W] flipped as a modality flips frames."""
    return _images(flip(images.permute(0, 2, 3, 1).numpy()))


def _images(frames: Frames) -> Tensor:
    """Return frames [T, H, W, C] as uint8 images [T, C, H, W] in channels-last memory."""
    owned = frames if frames.flags.writeable and frames.flags.c_contiguous else frames.copy()
    return torch.from_numpy(owned).permute(0, 3, 1, 2)


def _cut(images: Tensor, box: Box, size: int) -> Tensor:
    """Return images [T, 3, size, size]: the box, resized (bilinear, antialiased) if it is not of this size."""
    part = images[:, :, box.top : box.top + box.height, box.left : box.left + box.width]
    if (box.width, box.height) == (size, size):
        return part
    resized: Tensor = vision.resize(part, [size, size], antialias=True)
    return resized
