"""What a protocol may say of random changes of training clips."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from osarbench.protocols.strict_toml import STRICT

Range = tuple[float, float] | None  #: from, to
Choice = tuple[Annotated[float, Field(gt=0)], ...]
#: Operations of `Augment` in the order in which they follow each other.
OPERATIONS = (
    "gaussian_blur", "add", "average_blur", "multiply", "gamma", "noise", "enhance", "motion_blur", "hue_saturation",
    "contrast", "perspective", "rotation",
)  # fmt: skip
ONE_OF = ("perspective", "rotation")
FACTORS = ("multiply", "gamma", "enhance", "contrast", "perspective")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Augment:
    """``[training.augment]``: random changes of training clips, all frames alike (`osarbench.data.augment`).

    What is not stated is not done.
    """

    clip: Annotated[float, Field(ge=0, le=1)] = 0.8  #: probability that a clip is changed at all
    each: Annotated[float, Field(ge=0, le=1)] = 0.4  #: that an operation is applied to a clip that is changed
    perspective_or_rotation: bool = False  #: whether these two are one operation, now this, now that
    gaussian_blur: Choice = ()  #: standard deviations in pixels, one of which is drawn
    average_blur: tuple[Annotated[int, Field(ge=1, le=100)], ...] = ()  #: sides in pixels, one of which is drawn
    motion_blur: tuple[Annotated[int, Field(ge=3, le=101)], ...] = ()  #: lengths in pixels, odd; one of them is drawn
    add: Range = None  #: to each channel, of 255
    multiply: Range = None  #: by a factor, all channels
    gamma: Range = None  #: power to which each channel is raised
    noise: Annotated[float, Field(ge=0)] = 0.0  #: standard deviation of 255
    enhance: Range = None  #: of colours against grey, a factor
    hue_saturation: Range = None  #: added to hue, and another to saturation, of 255
    contrast: Range = None  #: a factor about middle grey
    perspective: Range = None  #: standard deviation by which corners move, in sides
    rotation: Range = None  #: degrees

    def __post_init__(self) -> None:
        for name in OPERATIONS:
            value = getattr(self, name)
            if name == "motion_blur" and any(side % 2 == 0 for side in value):
                raise ValueError(f"motion_blur has an even length: {list(value)}")
            if isinstance(value, tuple) and not name.endswith("_blur") and value[0] > value[1]:
                raise ValueError(f"{name} begins above its end: {list(value)}")
            if name in FACTORS and value is not None and value[0] < 0:
                raise ValueError(f"{name} is negative: {list(value)}")
