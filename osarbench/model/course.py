"""The course of a training: its epochs, the batches of each, and the learning rate of every step."""

from dataclasses import replace
from typing import Any

from torch.utils.data import DataLoader

from osarbench.data import multigrid
from osarbench.data.clips import EpochSampler, Loading, TrainClips, multigrid_loader
from osarbench.data.multigrid import Schedule
from osarbench.data.multigrid_sampler import MultigridSampler
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.model.optimize import rate_factor
from osarbench.model.probe import CachedViews
from osarbench.protocols.protocol import Training


class Course:
    """Batches that are all alike.

    Args:
        recipe: of the protocol.
        clips: of the training videos, or what is cached of them for a probe.
        seed: of the order of videos.
        rank, processes: which of how many processes this is.
    """

    epochs: int

    def __init__(
        self, recipe: Training, clips: TrainClips | CachedViews, seed: int, *, rank: int = 0, processes: int = 1
    ) -> None:
        self.recipe, self.clips, self.epochs, self.processes = recipe, clips, recipe.epochs, processes
        videos = len(clips.rows)
        self.batch = max(1, min(recipe.batch_size, videos) // processes)
        self.sampler: EpochSampler | MultigridSampler = self._sampler(videos, seed, rank)

    def loader(self, loading: Loading) -> DataLoader[Any]:
        """Return batches of clips and labels, of this process; `begin` says of which epoch."""
        assert isinstance(self.sampler, EpochSampler)
        return self.clips.loader(self.sampler, self.batch, loading)

    def begin(self, epoch: int) -> None:
        """Turn to the batches of an epoch, counted from 0."""
        self.sampler.epoch = epoch

    def steps_before(self, epoch: int, steps: int) -> int:
        """Return how many steps come before an epoch, which itself has ``steps``."""
        return epoch * steps

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Return the learning rate at a step of an epoch of ``steps``."""
        return self.recipe.learning_rate * rate_factor(self.recipe, epoch + step / steps)

    def norm_clips(self, epoch: int, step: int) -> int:
        """Return from how many clips batch norms take their statistics at a step; 0: from all of the batch."""
        return 0

    def _sampler(self, videos: int, seed: int, rank: int) -> EpochSampler | MultigridSampler:
        return EpochSampler(videos, self.batch, seed, rank=rank, processes=self.processes)


class MultigridCourse(Course):
    """Batches of the shapes, and at the rates, of a multigrid schedule.

    A warm-up and a cosine are over the schedule's epochs, and multiply its rates.
    """

    clips: TrainClips

    def __init__(self, recipe: Training, clips: TrainClips, seed: int, *, rank: int = 0, processes: int = 1) -> None:
        self.schedule = schedule_of(recipe, clips.spec)
        super().__init__(recipe, clips, seed, rank=rank, processes=processes)
        self.epochs = self.schedule.epochs
        over = "constant" if recipe.schedule == "step" else recipe.schedule  # milestones are in the schedule
        self.envelope = replace(recipe, epochs=self.epochs, schedule=over)

    def loader(self, loading: Loading) -> DataLoader[Any]:
        """Return batches of clips and labels, of this process; `begin` says of which epoch."""
        assert isinstance(self.sampler, MultigridSampler)
        return multigrid_loader(self.clips, self.sampler, loading)

    def steps_before(self, epoch: int, steps: int) -> int:
        """Return how many steps come before an epoch."""
        return sum(len(self._batches(before)) for before in range(epoch))

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Return the learning rate at a step of an epoch of ``steps``."""
        rate = self.schedule.rate(self._batches(epoch)[step], self.recipe.learning_rate)
        return rate * rate_factor(self.envelope, epoch + step / steps)

    def norm_clips(self, epoch: int, step: int) -> int:
        """Return from how many clips of a device batch norms take their statistics at a step; 0: from all.

        As in PySlowFast, a batch is in as many parts as the largest shape's of its short cycle has, so that the parts
        of smaller clips are of more of them.
        """
        cycles = self.recipe.multigrid
        assert cycles is not None
        wanted = cycles.norm_clips
        if wanted is None:
            wanted = multigrid.NORM_CLIPS if cycles.variant == "wu2020" else 0
        batch = self._batches(epoch)[step]
        phase = next(phase for phase in self.schedule.phases(epoch) if batch.shape in phase.cycle)
        fewest = min(shape.batch for shape in phase.cycle)
        return wanted * batch.shape.batch // fewest

    def _batches(self, epoch: int) -> tuple[multigrid.Batch, ...]:
        return self.schedule.batches(epoch, len(self.clips.rows))

    def _sampler(self, videos: int, seed: int, rank: int) -> EpochSampler | MultigridSampler:
        return MultigridSampler(self.schedule, videos, seed, rank=rank, processes=self.processes)


def course_of(
    recipe: Training, clips: TrainClips | CachedViews, seed: int, *, rank: int = 0, processes: int = 1
) -> Course:
    """Return the course of a recipe; see `Course` for the arguments.

    Raises:
        OsarbenchError: its multigrid schedule is impossible.
    """
    if recipe.multigrid is None:
        return Course(recipe, clips, seed, rank=rank, processes=processes)
    if not isinstance(clips, TrainClips):
        raise OsarbenchError(
            "[training.multigrid] changes the clips that a backbone is trained on, and this recipe trains none "
            f"(mode = '{recipe.mode}'). Leave it out."
        )
    return MultigridCourse(recipe, clips, seed, rank=rank, processes=processes)


def schedule_of(recipe: Training, spec: ClipSpec) -> Schedule:
    """Return the multigrid schedule of a recipe that has one.

    Raises:
        OsarbenchError: cycles do not go with the recipe or the clip.
    """
    cycles = recipe.multigrid
    assert cycles is not None
    steps = recipe.milestones if recipe.schedule == "step" else ()
    plain = multigrid.Recipe(
        batch=recipe.batch_size, frames=spec.frames, size=spec.size, stride=spec.stride, epochs=recipe.epochs,
        milestones=tuple(sorted(step for step in steps if step < recipe.epochs)),
    )  # fmt: skip
    if cycles.variant == "wu2020":
        factor = 1.5 if cycles.epoch_factor is None else cycles.epoch_factor
        return multigrid.wu2020(plain, long=cycles.long, short=cycles.short, epoch_factor=factor)
    if cycles.epoch_factor is not None:
        raise OsarbenchError(
            '[training.multigrid] epoch_factor belongs to variant = "wu2020"; "srtg" has the epochs of the recipe. '
            "Leave it out, and change epochs and milestones."
        )
    return multigrid.srtg(plain, long=cycles.long, short=cycles.short)


def clip_shapes(recipe: Training, spec: ClipSpec) -> set[tuple[int, int]]:
    """Return (frames in a view, pixels along a side) of every clip that a training has.

    Raises:
        OsarbenchError: cycles do not go with the recipe or the clip.
    """
    if recipe.multigrid is None:
        return {(spec.length, spec.size)}
    shaped = [shape.of(spec) for shape in schedule_of(recipe, spec).shapes]
    return {(shape.length, shape.size) for shape in shaped}
