"""Random changes of training clips as in the SRTG repository: colours, blur, noise, and a slight turn of the camera.

All frames of a clip are changed alike, so that a static clip stays static. Which changes there are, how often and how
far is the protocol's (`osarbench.protocols.protocol.Augment`). Operations are those of torchvision, and of kornia for
what it has not; ranges and meanings are those of imgaug (data/iterator_factory.py at 1c4dd7e), which is no longer
maintained.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional

from osarbench.errors import OsarbenchError
from osarbench.interfaces.modality import Modality
from osarbench.protocols.augment import ONE_OF, OPERATIONS, Augment

vision: Any = functional  # it has no types
Draw = np.random.Generator
WHITE = 255
BLUR_SIDE = 5  #: pixels of imgaug's kernel for deviations as small as the published ones


def augmented(clip: Tensor, recipe: Augment, generator: Draw) -> Tensor:
    """Return a clip uint8 [T, 3, H, W] as a recipe changes it, in the same shape.

    Raises:
        OsarbenchError: the recipe has an operation of kornia, which is not installed.
    """
    if generator.random() >= recipe.clip:
        return clip
    chosen = [name for name in OPERATIONS if getattr(recipe, name) and generator.random() < recipe.each]
    both = [name for name in ONE_OF if getattr(recipe, name)]
    if recipe.perspective_or_rotation and len(both) > 1:
        chosen = [name for name in chosen if name not in ONE_OF]
        if generator.random() < recipe.each:
            chosen.append(both[generator.integers(len(both))])
    for name in chosen:
        clip = _CHANGES[name](clip, getattr(recipe, name), generator)
    return clip


def check(recipe: Augment, modality: Modality) -> None:
    """Try every operation of a recipe on a small clip, so that what cannot be is known before decoding.

    Raises:
        OsarbenchError: the modality has no colours, or kornia is not installed.
    """
    if modality.channels != 3 or modality.stack != 1:
        raise OsarbenchError(
            f"[training.augment] changes colours, and the modality '{modality.name}' has none. Leave it out."
        )
    clip, generator = torch.zeros(1, 3, 16, 16, dtype=torch.uint8), np.random.default_rng(0)
    for name in OPERATIONS:
        if getattr(recipe, name):
            _CHANGES[name](clip, getattr(recipe, name), generator)


def _gaussian_blur(clip: Tensor, deviations: Any, draw: Draw) -> Tensor:
    sigma = float(draw.choice(deviations))
    changed: Tensor = vision.gaussian_blur(clip, [BLUR_SIDE, BLUR_SIDE], [sigma, sigma])
    return changed


def _average_blur(clip: Tensor, sides: Any, draw: Draw) -> Tensor:
    side = int(draw.choice(sides))
    if side == 1:
        return clip
    before, after = side // 2, (side - 1) // 2
    padded = vision.pad(clip.float(), [before, before, after, after], padding_mode="reflect")
    return _bytes(F.avg_pool2d(padded, side, stride=1))


def _motion_blur(clip: Tensor, sides: Any, draw: Draw) -> Tensor:
    filters = _kornia("filters")
    side, angle, direction = int(draw.choice(sides)), float(draw.uniform(0, 360)), float(draw.uniform(-1, 1))
    return _bytes(filters.motion_blur(clip.float(), side, angle, direction))


def _add(clip: Tensor, amounts: Any, draw: Draw) -> Tensor:
    added = torch.from_numpy(draw.integers(int(amounts[0]), int(amounts[1]) + 1, size=(3, 1, 1)))
    return _bytes(clip.float() + added)


def _multiply(clip: Tensor, factors: Any, draw: Draw) -> Tensor:
    changed: Tensor = vision.adjust_brightness(clip, float(draw.uniform(*factors)))
    return changed


def _noise(clip: Tensor, deviation: Any, draw: Draw) -> Tensor:
    noise = torch.from_numpy(draw.normal(0, deviation, size=clip.shape[1:]).astype(np.float32))  # one for all frames
    return _bytes(clip.float() + noise)


def _enhance(clip: Tensor, factors: Any, draw: Draw) -> Tensor:
    changed: Tensor = vision.adjust_saturation(clip, float(draw.uniform(*factors)))
    return changed


def _gamma(clip: Tensor, powers: Any, draw: Draw) -> Tensor:
    channels = [
        vision.adjust_gamma(channel, float(draw.uniform(*powers))) for channel in clip.unsqueeze(2).unbind(dim=1)
    ]
    return torch.cat(channels, dim=1)


def _hue_saturation(clip: Tensor, amounts: Any, draw: Draw) -> Tensor:
    colour = _kornia("color")
    hue, saturation = (float(amount) / WHITE for amount in draw.integers(int(amounts[0]), int(amounts[1]) + 1, size=2))
    h, s, v = colour.rgb_to_hsv(clip.float() / WHITE).unbind(dim=1)
    turned = (h + 2 * torch.pi * hue) % (2 * torch.pi)
    return _bytes(WHITE * colour.hsv_to_rgb(torch.stack([turned, (s + saturation).clamp(0, 1), v], dim=1)))


def _contrast(clip: Tensor, factors: Any, draw: Draw) -> Tensor:
    """About middle grey, not about a frame's own mean, which changes from frame to frame."""
    return _bytes(127 + float(draw.uniform(*factors)) * (clip.float() - 127))


def _perspective(clip: Tensor, shares: Any, draw: Draw) -> Tensor:
    """Move each corner inward by shares of the sides, normally distributed with a deviation that is drawn."""
    height, width = clip.shape[2:]
    inward = np.abs(draw.normal(0, draw.uniform(*shares), size=(4, 2))).clip(max=0.45) * (width - 1, height - 1)
    corners = np.array([(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)])
    towards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    seen = np.rint(corners + towards * inward).astype(int)
    changed: Tensor = vision.perspective(clip, seen.tolist(), corners.tolist(), vision.InterpolationMode.BILINEAR)
    return changed


def _rotation(clip: Tensor, degrees: Any, draw: Draw) -> Tensor:
    changed: Tensor = vision.rotate(clip, float(draw.uniform(*degrees)), vision.InterpolationMode.BILINEAR)
    return changed


#: Operation -> a clip uint8 [T, 3, H, W], what the protocol says of it and a generator to a clip of the same shape.
_CHANGES: Mapping[str, Callable[[Tensor, Any, Draw], Tensor]] = {
    "gaussian_blur": _gaussian_blur,
    "add": _add,
    "average_blur": _average_blur,
    "multiply": _multiply,
    "gamma": _gamma,
    "noise": _noise,
    "enhance": _enhance,
    "motion_blur": _motion_blur,
    "hue_saturation": _hue_saturation,
    "contrast": _contrast,
    "perspective": _perspective,
    "rotation": _rotation,
}


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, WHITE).to(torch.uint8)


def _kornia(part: str) -> Any:
    """Return a module of kornia, which takes seconds to import."""
    try:
        import kornia
    except ModuleNotFoundError as error:
        raise OsarbenchError(
            "[training.augment] motion_blur and hue_saturation need kornia. Install it with: pip install "
            "'osarbench[augment]', or leave them out."
        ) from error
    return getattr(kornia, part)
