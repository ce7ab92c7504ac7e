"""Clips for the network: which frames of which video, cropped, as torch data sets."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from osarbench.data import loader_processes
from osarbench.data.multigrid import Shape
from osarbench.data.multigrid_sampler import MultigridSampler
from osarbench.data.sampling import train_indices, view_indices
from osarbench.data.transforms import Flip, mirrored, train_clip, view_crops
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.frame_store import FrameStore
from osarbench.interfaces.modality import Modality
from osarbench.protocols.augment import Augment


class Loading(NamedTuple):
    """How clips are loaded on this machine; no part of a result."""

    workers: int  #: loader processes; 0 loads in the training process
    pin: bool  #: page-locked memory, for a GPU


class TrainClips(Dataset[Any]):
    """One random, augmented clip a video: uint8 [C, T, size, size] and its label.

    An item is asked for as (epoch, position): its randomness comes from seed, epoch and position, so it is the same
    with any number of workers and after a resume. In multigrid training it is (epoch, position, shape): the clip has
    the shape's frames, and shows what it would show in the full size, in the shape's.
    """

    def __init__(
        self,
        store: FrameStore,
        rows: np.ndarray,
        labels: np.ndarray,
        spec: ClipSpec,
        seed: int,
        modality: Modality | None = None,
        *,
        augment: Augment | None = None,
    ) -> None:
        self.store, self.rows, self.labels, self.spec, self.seed = store, rows, labels, spec, seed
        self.augment = augment
        self.stack, self.flip = fed(modality)

    def __getitem__(self, item: tuple[int, int] | tuple[int, int, Shape]) -> tuple[Tensor, int]:
        epoch, position, *shaped = item
        generator = np.random.default_rng([self.seed, epoch, position])
        row = int(self.rows[position])
        sampled = shaped[0].of(self.spec) if shaped else self.spec
        positions = train_indices(stacks(self.store.length(row), self.stack), sampled, generator, self.stack)
        frames = self.store.frames(row, consecutive(positions, self.stack))
        clip = train_clip(  # [C, T * stack, S, S]
            frames, self.spec, generator, flip=self.flip, size=sampled.size, augment=self.augment
        )
        return as_channels(clip, self.stack), int(self.labels[position])

    def loader(self, sampler: "EpochSampler", batch: int, loading: Loading) -> DataLoader[Any]:
        """Return batches of clips and labels, see `train_loader`."""
        return train_loader(self, sampler, batch, loading)

    def __getitems__(self, items: list[Any]) -> list[tuple[Tensor, int]]:
        """Return the items of a batch, read in the order that the store likes best."""
        best = sorted(range(len(items)), key=lambda place: self.store.order(int(self.rows[items[place][1]])))
        found = {place: self[items[place]] for place in best}
        return [found[place] for place in range(len(items))]


class ViewClips(Dataset[Tensor]):
    """All test views of a video: uint8 [views, C, T, size, size], temporal positions first, crops within."""

    def __init__(self, store: FrameStore, rows: np.ndarray, spec: ClipSpec, modality: Modality | None = None) -> None:
        self.store, self.rows, self.spec, self.modality = store, rows, spec, modality
        self.stack, self.flip = fed(modality)

    def part(self, begin: int, count: int) -> "ViewClips":
        """Return the clips of some consecutive videos."""
        return ViewClips(self.store, self.rows[begin : begin + count], self.spec, self.modality)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Tensor:
        row = int(self.rows[position])
        wanted = view_indices(stacks(self.store.length(row), self.stack), self.spec)  # [clips, T]
        frames = self.store.frames(row, consecutive(wanted.reshape(-1), self.stack))  # [clips * T * stack, H, W, C]
        found = view_crops(frames, self.spec, flip=self.flip)  # [crops, C, clips * T * stack, S, S]
        crops = found if self.stack == 1 else torch.stack([as_channels(crop, self.stack) for crop in found])
        split = crops.reshape(*crops.shape[:2], *wanted.shape, *crops.shape[3:])  # [crops, C, clips, T, S, S]
        views: Tensor = split.permute(2, 0, 1, 3, 4, 5).flatten(0, 1)  # [clips * crops, C, T, S, S]
        return views


def consecutive(positions: np.ndarray, stack: int) -> np.ndarray:
    """Return the frames that are stacked at positions [T]: each and those that follow it, [T * stack].

    >>> consecutive(np.array([3, 10]), 2).tolist()
    [3, 4, 10, 11]
    """
    return (positions[:, None] + np.arange(stack)).reshape(-1)


def as_channels(clip: Tensor, stack: int) -> Tensor:
    """Return a clip [C, T * stack, H, W] with the frames of a stack as channels, [stack * C, T, H, W]."""
    if stack == 1:
        return clip
    frames = clip.reshape(len(clip), -1, stack, *clip.shape[2:])  # [C, T, stack, H, W]
    stacked: Tensor = frames.permute(2, 0, 1, 3, 4).flatten(0, 1)
    return stacked


def fed(modality: Modality | None) -> tuple[int, Flip]:
    """Return how many frames a modality stacks and how it flips them; None: RGB."""
    return (1, mirrored) if modality is None else (modality.stack, modality.flip)


def stacks(length: int, stack: int) -> int:
    """Return at how many positions of a video a stack begins; a video shorter than one has none."""
    if length < stack:
        raise OsarbenchError(f"A video of {length} frames is shorter than the {stack} that are stacked at a position.")
    return length - stack + 1


class EpochSampler(Sampler[tuple[int, int]]):
    """A new order of all videos every epoch, dealt out to the processes of a distributed run.

    The last incomplete batch is left out, so that batch statistics never rest on a handful of clips.
    """

    def __init__(self, videos: int, batch: int, seed: int, *, rank: int = 0, processes: int = 1) -> None:
        self.videos, self.seed, self.rank, self.processes, self.epoch = videos, seed, rank, processes, 0
        self.used = videos // (batch * processes) * batch * processes or videos

    def __len__(self) -> int:
        return self.used // self.processes

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.videos)[: self.used]
        for position in order[self.rank :: self.processes]:
            yield self.epoch, int(position)


def train_loader(clips: TrainClips, sampler: EpochSampler, batch: int, loading: Loading) -> DataLoader[Any]:
    """Return batches of (clips uint8 [N, C, T, S, S], labels int64 [N]).

    Args:
        clips: of the training videos.
        sampler: their order.
        batch: N.
        loading: processes and memory.

    Raises:
        OsarbenchError: the batches of so many processes do not fit the shared memory.
    """
    loader_processes.check_shared_memory(loading.workers, batch * _view_bytes(clips.spec, training=True))
    return DataLoader(
        clips, batch_size=batch, sampler=sampler, collate_fn=collate, persistent_workers=loading.workers > 0,
        **loading_options(loading),
    )  # fmt: skip


def multigrid_loader(clips: TrainClips, sampler: MultigridSampler, loading: Loading) -> DataLoader[Any]:
    """Return batches as `train_loader` does, in the shapes of a multigrid schedule.

    Raises:
        OsarbenchError: the batches of so many processes do not fit the shared memory.
    """
    sizes = [shape.batch * _view_bytes(shape.of(clips.spec), training=True) for shape in sampler.schedule.shapes]
    loader_processes.check_shared_memory(loading.workers, max(sizes) // sampler.processes)
    return DataLoader(
        clips,
        batch_sampler=sampler,
        collate_fn=collate,
        persistent_workers=loading.workers > 0,
        **loading_options(loading),
    )


def view_loader(clips: ViewClips, batch: int, loading: Loading) -> DataLoader[Tensor]:
    """Return batches of views, uint8 [N, views, C, T, S, S], in order.

    Args:
        clips: of the videos.
        batch: N.
        loading: processes and memory.

    Raises:
        OsarbenchError: the batches of so many processes do not fit the shared memory.
    """
    size = batch * clips.spec.views * _view_bytes(clips.spec, training=False)
    loader_processes.check_shared_memory(loading.workers, size)
    return DataLoader(clips, batch_size=batch, collate_fn=stack, **loading_options(loading))


def loading_options(loading: Loading) -> dict[str, Any]:
    """Return how a loader loads. It has a generator of its own: else it would draw from torch's, more or less often
    depending on the number of its processes, and change the dropout of the network.
    """
    several = loading.workers > 0
    return {
        "num_workers": loading.workers,
        "pin_memory": loading.pin,
        "generator": torch.Generator(),
        "multiprocessing_context": loader_processes.context(loading.workers),
        "worker_init_fn": loader_processes.EndsWith() if several else None,
        "timeout": loader_processes.STALLED if several else 0,
    }


def _view_bytes(spec: ClipSpec, *, training: bool) -> int:
    length, size = (spec.length, spec.size) if training else (spec.test_length, spec.test_size)
    return len(spec.mean) * length * size * size


def collate(items: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """Put clips and labels of a batch together."""
    return stack([clip for clip, _ in items]), torch.tensor([label for _, label in items])


def stack(clips: list[Tensor]) -> Tensor:
    """Put clips [..., 3, T, S, S] together, [N, ..., 3, T, S, S], channels-last as they are.

    ``torch.stack`` would copy them to another memory layout, and the network would have to copy them back.
    """
    return torch.stack([clip.movedim(-4, -1) for clip in clips]).movedim(-1, -4)


def seeded(seed: int) -> None:
    """Seed torch for what draws from its global generator: weight initialisation and dropout."""
    torch.manual_seed(seed)
