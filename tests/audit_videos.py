"""Features of the real videos of ucf12-hmdb20 by a frozen MobileNetV2, kept in a small file."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import mobilenet_v2

from osarbench.data.video import read_frames
from osarbench.protocols import protocol

FRAMES, WITHIN = 4, 40  #: of each video: so many, from its middle
TRAIN, TEST, UNKNOWN = 40, 10, 6  #: videos a class


def features(shared: Path, cache: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Return features [N, 1280] of training videos, their labels [N], and features of test videos, unknown ones last.

    Args:
        shared: the folder of real clips and weights.
        cache: the file that keeps them; it is made where there is none, in a minute or two.
    """
    if not cache.is_file():
        train, labels, test = _chosen(shared / "data" / "mini")
        model = mobilenet_v2().features.eval()
        weights = load_file(shared / "data" / "weights" / "mobilenet_v2_imagenet.safetensors")
        model.load_state_dict({key.removeprefix("features."): value.float() for key, value in weights.items()})
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(f".{os.getpid()}.npz")
        np.savez(temporary, train=_extract(model, train), labels=labels, test=_extract(model, test))
        temporary.replace(cache)
    stored = np.load(cache)
    return tuple(torch.from_numpy(stored[name].astype(kind)) for name, kind in _KINDS.items())  # type: ignore[return-value]


_KINDS = {"train": "float32", "labels": "int64", "test": "float32"}


def _chosen(mini: Path) -> tuple[list[Path], list[int], list[Path]]:
    """Return training videos and their labels, and test videos: groups 1 to 7 are split 1's test, as in UCF-101."""
    sections = protocol.read("ucf12-hmdb20").sections
    known, [unknown] = sections.known, sections.unknown
    train: list[Path] = []
    labels: list[int] = []
    test: list[Path] = []
    for label, name in enumerate(known.classes or ()):
        videos = sorted((mini / "ucf101" / "videos" / name).glob("*.avi"))
        groups = [int(video.stem.split("_g")[1][:2]) for video in videos]
        rest = _spread([video for video, group in zip(videos, groups, strict=True) if group > 7], TRAIN)
        train += rest
        labels += [label] * len(rest)
        test += _spread([video for video, group in zip(videos, groups, strict=True) if group <= 7], TEST)
    for name in unknown.classes or ():
        if name not in unknown.exclude:
            test += _spread(sorted((mini / "hmdb51" / "videos" / name).glob("*.avi")), UNKNOWN)
    return train, labels, test


def _spread(videos: Sequence[Path], count: int) -> list[Path]:
    """Return so many videos, evenly from the whole list, as neighbours are cut from one recording."""
    places = np.linspace(0, len(videos) - 1, min(count, len(videos))).round().astype(int)
    return [videos[place] for place in places]


@torch.inference_mode()
def _extract(model: torch.nn.Module, videos: Sequence[Path]) -> np.ndarray:
    found = []
    for video in videos:
        frames = read_frames(video, short_side=128)
        begin = max(0, (len(frames) - WITHIN) // 2)
        last = min(len(frames), begin + WITHIN) - 1
        clip = torch.from_numpy(frames[np.linspace(begin, last, FRAMES).round().astype(int)])
        left = (clip.shape[2] - 128) // 2
        pixels = clip[:, :128, left : left + 128].permute(0, 3, 1, 2).float()
        maps: Tensor = model((pixels - 127.5) / 127.5)  # [4, 1280, 4, 4]
        found.append(maps.mean(dim=(0, 2, 3)))
    return torch.stack(found).numpy().astype(np.float16)
