"""Videos dealt out to the batches of a multigrid schedule."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from osarbench.data.multigrid import Schedule, Shape
from osarbench.errors import OsarbenchError


class MultigridSampler(Sampler[list[tuple[int, int, Shape]]]):
    """A batch sampler: a new order of all videos every epoch, dealt out to the batches of a schedule.

    Items are (epoch, place, shape), so that one loader serves all shapes. An epoch follows from seed and epoch alone;
    the order is that of `osarbench.data.clips.EpochSampler`. Set `epoch` before each one.

    Args:
        schedule: of the training.
        videos: how many there are.
        seed: of the order.
        rank, processes: which of how many processes this is; each takes an equal part of every batch.

    Raises:
        OsarbenchError: the schedule's batches cannot be dealt out to so many processes.
    """

    def __init__(self, schedule: Schedule, videos: int, seed: int, *, rank: int = 0, processes: int = 1) -> None:
        if min(schedule.recipe.batch, videos) % processes:
            raise OsarbenchError(
                f"Batches of {min(schedule.recipe.batch, videos)} clips cannot be dealt out equally to {processes} "
                "processes. Choose a batch size that their number divides."
            )
        self.schedule, self.videos, self.seed = schedule, videos, seed
        self.rank, self.processes, self.epoch = rank, processes, 0

    def __len__(self) -> int:
        return len(self.schedule.batches(self.epoch, self.videos))

    def __iter__(self) -> Iterator[list[tuple[int, int, Shape]]]:
        epoch, start = self.epoch, 0
        order = np.random.default_rng([self.seed, epoch]).permutation(self.videos)
        for batch in self.schedule.batches(epoch, self.videos):
            places = order[start : start + batch.clips][self.rank :: self.processes]
            yield [(epoch, int(position), batch.shape) for position in places]
            start += batch.clips
