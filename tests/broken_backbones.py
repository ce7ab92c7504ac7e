"""Backbones and data sets that each break one check."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from osarbench import Backbone, ClipSpec, Dataset, Features, Video


class Sound(Backbone):
    """A sound backbone, which the others are made from: a convolution, a batch norm and a pool."""

    name = "sound"
    clip = ClipSpec(frames=4, short_side=24, size=16, test_size=16)
    dim = map_dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(8)

    def forward(self, clips: Tensor) -> Features:
        maps = torch.relu(self.norm(self.conv(clips)))
        return Features(maps.mean(dim=(2, 3, 4)), maps)


class NoDefault(Sound):
    def __init__(self, width: int) -> None:
        super().__init__()


class NoClip(Sound):
    clip = None  # type: ignore[assignment]


class CropTooLarge(Sound):
    clip = ClipSpec(frames=4, short_side=24, size=16, test_size=32)


class WrongSize(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.dim = 99


class FramesAsClips(Sound):
    """A frame too many, and time is folded into the batch."""

    def forward(self, clips: Tensor) -> Features:
        vector, maps = super().forward(clips)
        return Features(vector.repeat(max(1, clips.shape[2] - 3), 1), maps)


class Constant(Sound):
    def forward(self, clips: Tensor) -> Features:
        return super().forward(torch.zeros_like(clips))


class NormOfTheBatch(Sound):
    def forward(self, clips: Tensor) -> Features:
        vector, maps = super().forward(clips)
        return Features(vector - vector.mean(dim=0, keepdim=True) + 0.01 * vector, maps)


class DropoutLeftOn(Sound):
    def forward(self, clips: Tensor) -> Features:
        vector, maps = super().forward(clips)
        return Features(nn.functional.dropout(vector, 0.5), maps)


class ClipsInPlace(Sound):
    def forward(self, clips: Tensor) -> Features:
        return super().forward(clips.clamp_(min=0))


class Viewed(Sound):
    """Reads the memory of clips as if their layout were the usual one."""

    def forward(self, clips: Tensor) -> Features:
        usual = torch.as_strided(clips, clips.shape, torch.empty(clips.shape, device="meta").stride())
        return super().forward(usual)


class Unused(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 400)


class FixedByTraining(Sound):
    """Leaves something changed when it is set to training."""

    def train(self, mode: bool = True) -> "FixedByTraining":
        self.shift = getattr(self, "shift", 0.0) + float(mode)
        return super().train(mode)  # type: ignore[return-value]

    def forward(self, clips: Tensor) -> Features:
        vector, maps = super().forward(clips)
        return Features(vector + self.shift, maps)


class NotSaved(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(8), persistent=False)

    def forward(self, clips: Tensor) -> Features:
        vector, maps = super().forward(clips)
        return Features(vector * self.get_buffer("scale"), maps)


class OnMeta(Sound):
    """A part that was never given memory, and is only looked at in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Parameter(torch.zeros(3, device="meta"), requires_grad=False)


class AnyWeights(Sound):
    def load_weights(self, path: str) -> None:
        if Path(path).is_file():
            super().load_weights(path)


class HalfOverflows(Sound):
    def forward(self, clips: Tensor) -> Features:
        vector, maps = super().forward(clips)
        return Features(vector + (1 / (1 - (maps.mean() * 0 + 0.9999).to(self.conv(clips).dtype))).float() * 0, maps)


class BranchPerVideo(Sound):
    def auxiliary(self, classes: int) -> Any:
        return lambda features, labels: {"loss_aux": features.vector.mean(dim=1)}


BROKEN_BACKBONES: Mapping[type[Backbone], str] = {
    NoClip: "clip_is_valid",
    NoDefault: "default_construction",
    CropTooLarge: "clip_is_valid",
    WrongSize: "features_have_the_sizes_it_states",
    FramesAsClips: "other_clip_lengths_work_or_are_refused",
    Constant: "clips_are_told_apart",
    NormOfTheBatch: "each_clip_alone",
    DropoutLeftOn: "same_features_each_time",
    ClipsInPlace: "same_features_each_time",
    Viewed: "any_memory_layout",
    Unused: "gradients_reach_every_parameter",
    FixedByTraining: "training_mode_and_back",
    NotSaved: "weights_are_saved_and_loaded",
    OnMeta: "weights_are_real",
    AnyWeights: "missing_weights_are_refused",
    HalfOverflows: "half_precision_is_finite",
    BranchPerVideo: "auxiliary_branch_has_scalar_terms",
}


class Listed(Dataset):
    """A sound data set of which nothing lies on disk, which the others are made from."""

    name = "listed"
    layout = "It wants nothing."
    classes: Sequence[str] = ("run", "jump")
    splits: Sequence[str] = ("train", "test")

    def videos(self, split: str) -> list[Video]:
        self.check_split(split)
        return [Video(f"{split}/{label}.mp4", label, f"{label}_{split}") for label in ("run", "jump")]


class TwiceAClass(Listed):
    classes = ("run", "jump", "run")


class NoSplits(Listed):
    splits = ("train", "train")


class AnySplit(Listed):
    def videos(self, split: str) -> list[Video]:
        return super().videos(split) if split in self.splits else []


class EveryTimeAnother(Listed):
    def videos(self, split: str) -> list[Video]:
        self.turn = not getattr(self, "turn", False)
        return super().videos(split)[:: 1 if self.turn else -1]


class Absolute(Listed):
    def videos(self, split: str) -> list[Video]:
        return [video._replace(id=f"/{video.id}") for video in super().videos(split)]


class Escaping(Listed):
    def videos(self, split: str) -> list[Video]:
        return [video._replace(id=f"../{video.id}") for video in super().videos(split)]


class TwiceAVideo(Listed):
    def videos(self, split: str) -> list[Video]:
        return 2 * super().videos(split)


class StrangeLabel(Listed):
    def videos(self, split: str) -> list[Video]:
        return [video._replace(label=video.label.upper()) for video in super().videos(split)]


class SharedGroup(Listed):
    def videos(self, split: str) -> list[Video]:
        return [video._replace(group="g01") for video in super().videos(split)]


class TestInTraining(Listed):
    def videos(self, split: str) -> list[Video]:
        self.check_split(split)
        return super().videos("train")


class EndsBeforeItStarts(Listed):
    def videos(self, split: str) -> list[Video]:
        return [video._replace(start=3.0, end=2.0) for video in super().videos(split)]


class StrangeCounts(Listed):
    official_counts = {"validation": 4}  # noqa: RUF012


class SilentlyMissing(Listed):
    def prepare(self) -> None:
        pass


class NoLayout(Listed):
    layout = ""


class NeedsItsFolder(Listed):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.names = sorted(self.root.iterdir())


BROKEN_DATASETS: Mapping[type[Dataset], str] = {
    TwiceAClass: "classes_are_unique",
    NoSplits: "splits_list_videos",
    AnySplit: "unknown_splits_are_refused",
    EveryTimeAnother: "same_list_each_time",
    Absolute: "ids_are_paths_below_the_videos",
    Escaping: "ids_are_paths_below_the_videos",
    TwiceAVideo: "ids_are_unique",
    StrangeLabel: "labels_are_classes",
    SharedGroup: "groups_belong_to_one_class",
    TestInTraining: "training_and_test_are_disjoint",
    EndsBeforeItStarts: "times_are_in_order",
    StrangeCounts: "official_counts_are_kept",
    SilentlyMissing: "missing_folder_is_explained",
    NoLayout: "named",
    NeedsItsFolder: "default_construction",
}
