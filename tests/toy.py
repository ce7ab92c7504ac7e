"""A plugin file for tests: a data set of tiny videos that makes itself, a tiny backbone, and two methods."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor, nn

from osarbench import Backbone, ClipSpec, Dataset, Features, Method, Outputs, Video, hookimpl
from osarbench.interfaces.backbone import SavedHead

COLOURS = {"red": (220, 40, 40), "green": (40, 220, 40), "blue": (40, 40, 220), "grey": (128, 128, 128)}


class Toy(Dataset):
    """Noisy videos of one colour a class; grey is unknown."""

    name = "toy"
    layout = "It makes itself."
    embedded = True
    classes = tuple(COLOURS)
    splits = ("train", "test", "unknown")

    def __init__(self, root: Path, *, clips: int = 4, broken: int = 0) -> None:
        super().__init__(root)
        self.clips, self.broken = clips, broken

    def videos(self, split: str) -> list[Video]:
        self.check_split(split)
        names = ["grey"] if split == "unknown" else ["red", "green", "blue"]
        groups = range(4) if split == "train" else range(4, 6)
        return [
            Video(f"{split}/{name}_g{group}_c{clip}.avi", name, f"{name}_g{group}")
            for name in names for group in groups for clip in range(self.clips)
        ]  # fmt: skip

    def prepare(self) -> None:
        for split in self.splits:
            for position, video in enumerate(self.videos(split)):
                if not self.path(video).exists():
                    self.path(video).parent.mkdir(parents=True, exist_ok=True)
                    write(self.path(video), COLOURS[video.label], seed=position)
        for video in self.videos("train")[: self.broken]:
            self.path(video).write_bytes(b"not a video")


def write(path: Path, colour: Sequence[int], seed: int, frames: int = 10) -> None:
    noise = np.random.default_rng(seed).integers(-90, 90, (frames, 24, 32, 3))
    pictures = np.clip(noise + colour, 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


class ToyBackbone(Backbone):
    """One convolution, a batch norm and a pool."""

    name = "toy"
    clip = ClipSpec(frames=4, segments=1, short_side=24, size=16, test_size=16, train_crop="random", test_clips=2)

    def __init__(self, *, width: int = 8) -> None:
        super().__init__()
        self.dim = self.map_dim = width
        self.conv = nn.Conv3d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(width)

    def forward(self, clips: Tensor) -> Features:
        maps = torch.relu(self.norm(self.conv(clips)))
        return Features(maps.mean(dim=(2, 3, 4)), maps)

    def load_weights(self, path: str) -> None:
        self.load_state_dict(torch.load(path, weights_only=True)["backbone"])

    def read_head(self, path: str) -> SavedHead | None:
        head = torch.load(path, weights_only=True)["head"]
        return SavedHead("linear", {"weight": head["fc.weight"], "bias": head["fc.bias"]}) if head else None


class Certain(Method):
    """Maximum logit."""

    name = "toy_max_logit"

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return -outputs.logits.max(dim=1).values


class Nearest(Method):
    """Distance to the nearest training video, to have a method that fits."""

    name = "toy_nearest"
    posthoc = True

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        self.bank = outputs.features

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return torch.cdist(outputs.features, self.bank).min(dim=1).values

    def diagnostics(self, outputs: Outputs) -> dict[str, float]:
        return {"mean_logit": float(outputs.logits.mean())}


class Unmade(Method):
    """A method whose constructor raises."""

    name = "toy_unmade"

    def __init__(self) -> None:
        raise KeyError("a bug of toy_unmade")

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return outputs.logits.sum(dim=1)


class Raising(Method):
    """A method whose code raises."""

    name = "toy_raising"

    def uncertainty(self, outputs: Outputs) -> Tensor:
        raise ZeroDivisionError("a bug of toy_raising")


class Broken(Method):
    """A method with a bug: NaN for one video."""

    name = "toy_broken"

    def uncertainty(self, outputs: Outputs) -> Tensor:
        scores = outputs.logits.max(dim=1).values.clone()
        scores[0] = float("nan")
        return scores


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    return [Toy]


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    return [ToyBackbone]


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    return [Certain, Nearest, Unmade, Raising, Broken]
