"""Multigrid training (Wu et al., CVPR 2020, arXiv:1912.00998): small clips in large batches first, full ones last.

*Long cycles* change the shape of batches between spans of epochs or quarters of one; within them, *short cycles* give
one batch after the other another size. A schedule says for every epoch which batches there are and at what rate;
`osarbench.data.multigrid_sampler` deals videos out to them.

Two variants: `wu2020`, as PySlowFast has it (slowfast/utils/multigrid.py at 287ec00), and `srtg`, that of the SRTG
repository (train/model.py at 1c4dd7e). Unlike there, an epoch has every video once, as many clips as without cycles.
"""

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import sqrt
from statistics import mean
from typing import Literal, NamedTuple

from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec

LONG_FACTORS = ((0.25, sqrt(0.5)), (0.5, sqrt(0.5)), (0.5, 1.0), (1.0, 1.0))  #: of Wu et al.: of frames, of size
SHORT_FACTORS = (0.5, sqrt(0.5))  #: of size; the third batch of a short cycle is as the long one has it
NORM_CLIPS = 8  #: clips whose statistics Wu et al. have a batch norm take, whatever the batch
LEAST_RATE = 1e-6  #: the SRTG repository trains no slower


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training without cycles."""

    batch: int  #: clips of a batch, of all processes together
    frames: int
    size: int  #: pixels, side of a training crop
    stride: int = 1  #: distance in frames between two frames of a clip
    epochs: int
    milestones: tuple[int, ...] = ()  #: epochs from which on the rate is multiplied by gamma
    gamma: float = 0.1


class Shape(NamedTuple):
    """The shape of a batch."""

    batch: int  #: clips, of all processes together
    frames: int
    size: int
    stride: int

    def of(self, spec: ClipSpec) -> ClipSpec:
        """Return a clip specification with this shape's frames, stride and training size."""
        return replace(spec, frames=self.frames, stride=self.stride, size=self.size)


class Phase(NamedTuple):
    """A part of an epoch: batches of the shapes of a short cycle in turn, at one rate."""

    cycle: tuple[Shape, ...]
    rate: float  #: factor of the recipe's learning rate


class Span(NamedTuple):
    """Epochs that are alike."""

    until: int  #: the first epoch behind them
    phases: tuple[Phase, ...]  #: of equally many batches each


class Batch(NamedTuple):
    """One batch of an epoch."""

    shape: Shape
    clips: int  #: how many there are, `shape.batch` but in a few batches of every epoch
    rate: float  #: factor of the recipe's learning rate


@dataclass(frozen=True)
class Schedule:
    """Which batches every epoch has."""

    recipe: Recipe
    spans: tuple[Span, ...]
    least_rate: float = 0.0

    @property
    def epochs(self) -> int:
        """How many epochs there are, with cycles."""
        return self.spans[-1].until

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Every shape that some batch has, in the order in which they come."""
        cycles = [phase.cycle for span in self.spans for phase in span.phases]
        return tuple(dict.fromkeys(shape for cycle in cycles for shape in cycle))

    def phases(self, epoch: int) -> tuple[Phase, ...]:
        """Return the phases of an epoch, counted from 0; behind the last one, those of the last."""
        return next((span.phases for span in self.spans if epoch < span.until), self.spans[-1].phases)

    def batches(self, epoch: int, videos: int) -> tuple[Batch, ...]:
        """Return the batches of an epoch over a number of videos.

        They have ``videos // recipe.batch * recipe.batch`` clips together, as without cycles (all videos, if there are
        fewer than a batch). What the last cycle has in surplus is taken off the largest batches.
        """
        return _batches(self.phases(epoch), self.recipe.batch, videos)

    def rate(self, batch: Batch, base: float) -> float:
        """Return the learning rate of a batch, given the recipe's."""
        return max(base * batch.rate, self.least_rate)


def wu2020(recipe: Recipe, *, long: bool = True, short: bool = True, epoch_factor: float = 1.5) -> Schedule:
    """Return the schedule of Wu et al.: before each milestone the long cycle, in the end the full shape.

    A shape is trained for as many iterations as any other of its cycle, so for epochs in proportion to its mean batch.
    The last stretch, after the last milestone, has the full shape, and the rate before it for its first half.

    Args:
        recipe: the training without cycles; its rate is that of its own batch.
        long, short: which cycles there are. PySlowFast cannot have the long one alone.
        epoch_factor: how many times as many epochs as the recipe has.

    Raises:
        OsarbenchError: the long cycle without a milestone, or on fewer than 4 frames.
    """
    if not long:
        factor = epoch_factor if short else 1
        ends = [int(epoch * factor) for epoch in (*recipe.milestones, recipe.epochs)]
        cycle = _short_of_wu(recipe, _shape(recipe, 1.0, 1.0), short=short)
        spans = [Span(end, (Phase(cycle, recipe.gamma**step),)) for step, end in enumerate(ends)]
        return Schedule(recipe, tuple(spans))
    _check(recipe)
    if not recipe.milestones:
        raise OsarbenchError(
            f"The long cycle of multigrid training ends at a milestone, and the recipe has none in its {recipe.epochs} "
            'epochs. Give milestones (and schedule = "step"), or take the short cycle alone (long = false).'
        )
    shapes = [_shape(recipe, *factors) for factors in LONG_FACTORS]
    sizes = [_mean_batch(recipe, shape, short=short) for shape in shapes]
    stretches = [after - before for before, after in pairwise((0, *recipe.milestones))]
    planned = [
        (step, shape, stretch * size / sum(sizes))
        for step, stretch in enumerate(stretches)
        for shape, size in zip(shapes, sizes, strict=True)
    ]
    iterations = sum(stretch * len(sizes) / sum(sizes) for stretch in stretches)
    saving = recipe.milestones[-1] / iterations  # the last stretch is to save as much as the others
    tail = (recipe.epochs - recipe.milestones[-1]) / saving * sizes[-1]
    planned.append((len(stretches), shapes[-1], tail))
    scale = recipe.epochs * epoch_factor / sum(epochs for *_, epochs in planned)
    spans, total = [], 0.0
    for step, shape, epochs in planned:
        total += epochs * scale
        rate = recipe.gamma**step * (shape.batch // recipe.batch)
        spans.append(Span(round(total), (Phase(_short_of_wu(recipe, shape, short=short), rate),)))
    *others, before, last = spans
    half = (before.until + last.until) // 2
    slower = last.phases[0]
    return Schedule(recipe, (*others, before, Span(half, (slower._replace(rate=before.phases[0].rate),)), last))


def srtg(recipe: Recipe, *, long: bool = True, short: bool = True) -> Schedule:
    """Return the schedule of the SRTG repository: every epoch goes through the long cycle, a quarter of it each shape.

    The recipe's rate is that of the largest batches; it is halved with each shape of the long cycle, and is never below
    `LEAST_RATE`. The stride stays, so that shorter clips span less time.

    Args:
        recipe: the training without cycles.
        long, short: which cycles there are.

    Raises:
        OsarbenchError: the long cycle on fewer than 4 frames.
    """
    full = Shape(recipe.batch, recipe.frames, recipe.size, recipe.stride)
    shapes = [full]
    if long:
        _check(recipe)
        small, half = int(recipe.size // sqrt(2)), recipe.frames // 2
        shapes = [
            Shape(8 * recipe.batch, recipe.frames // 4, small, recipe.stride),
            Shape(4 * recipe.batch, half, small, recipe.stride),
            Shape(2 * recipe.batch, half, recipe.size, recipe.stride),
            full,
        ]
    cycles = [_short_of_srtg(shape, short=short) for shape in shapes]
    spans = []
    for step, end in enumerate((*recipe.milestones, recipe.epochs)):
        rate = recipe.gamma**step
        spans.append(Span(end, tuple(Phase(cycle, rate * 0.5**position) for position, cycle in enumerate(cycles))))
    return Schedule(recipe, tuple(spans), LEAST_RATE)


def norm_groups(batch: int, devices: int = 1) -> tuple[Literal["as it is", "split", "shared"], int]:
    """Return how a batch norm comes to the statistics of `NORM_CLIPS` clips, as PySlowFast has it.

    "split": a device's clips are that many parts with statistics of their own; "shared": that many devices are taken
    together. ``batch`` is of all devices together.
    """
    own = batch / devices / NORM_CLIPS
    return ("split", int(own)) if own > 1 else ("shared", int(1 / own)) if own < 1 else ("as it is", 1)


@cache
def _batches(phases: tuple[Phase, ...], unit: int, videos: int) -> tuple[Batch, ...]:
    used = videos // unit * unit or videos
    largest = max(shape.batch for phase in phases for shape in phase.cycle)
    count = max(1, used // largest)
    while sum(batch.clips for batch in _planned(phases, count)) < used:
        count += 1
    planned = _planned(phases, count)
    clips = [batch.clips for batch in planned]
    while (surplus := sum(clips) - used) > 0:
        clips[clips.index(max(clips))] -= min(unit, surplus)
    return tuple(batch._replace(clips=number) for batch, number in zip(planned, clips, strict=True))


def _planned(phases: tuple[Phase, ...], count: int) -> list[Batch]:
    """Return so many batches, equally many a phase; short cycles go on from one phase to the next."""
    return [
        Batch(shape := phase.cycle[step % len(phase.cycle)], shape.batch, phase.rate)
        for position, phase in enumerate(phases)
        for step in range(position * count // len(phases), (position + 1) * count // len(phases))
    ]


def _check(recipe: Recipe) -> None:
    if recipe.frames < 4:
        raise OsarbenchError(
            f"The long cycle of multigrid training has clips of a quarter of the frames, and the recipe has "
            f"{recipe.frames}. Give 4 frames or more, or take the short cycle alone (long = false)."
        )


def _shape(recipe: Recipe, of_frames: float, of_size: float) -> Shape:
    """Return a shape of Wu et al.'s long cycle: a batch of as many pixels as the recipe's, over the same time."""
    frames, size = round(recipe.frames * of_frames), round(recipe.size * of_size)
    return Shape(recipe.batch * _times(recipe, frames, size), frames, size, recipe.stride * (recipe.frames // frames))


def _times(recipe: Recipe, frames: int, size: float) -> int:
    return round(recipe.frames * recipe.size**2 / (frames * size**2))


def _mean_batch(recipe: Recipe, shape: Shape, *, short: bool) -> float:
    """Return the mean batch of a short cycle of Wu et al., in batches of the recipe."""
    sizes = [recipe.size * factor for factor in SHORT_FACTORS] if short else []
    return mean(_times(recipe, shape.frames, size) for size in (*sizes, shape.size))


def _short_of_wu(recipe: Recipe, shape: Shape, *, short: bool) -> tuple[Shape, ...]:
    """Return the short cycle of Wu et al.: smaller crops, of the recipe's size, in larger batches, then the shape."""
    crops = [recipe.size * factor for factor in SHORT_FACTORS] if short else []
    smaller = [shape._replace(size=round(crop), batch=shape.batch * round((shape.size / crop) ** 2)) for crop in crops]
    return (*smaller, shape)


def _short_of_srtg(shape: Shape, *, short: bool) -> tuple[Shape, ...]:
    """Return the short cycle of the SRTG repository: the shape, then two smaller ones in larger batches; sizes even."""
    shapes = [shape]
    if short:
        shapes.append(shape._replace(batch=2 * shape.batch, size=int(shape.size // sqrt(2))))
        shapes.append(shape._replace(batch=4 * shape.batch, size=shape.size // 2))
    return tuple(one._replace(size=one.size + one.size % 2) for one in shapes)
