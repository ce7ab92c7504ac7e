"""Which frames of a video make a clip: the published samplers, and training and test views on top of them.

Formulas follow MMAction2 v0.9 as DEAR uses it (``datasets/pipelines/loading.py``: SampleFrames, DenseSampleFrames).
Every index is in [0, total).
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from osarbench.interfaces.clip import ClipSpec

Indices = npt.NDArray[np.int64]
#: New style in osarbench; numpy's legacy generator where published draws are repeated.
Randomness = np.random.Generator | np.random.RandomState


def uniform_clips(
    total: int,
    *,
    frames: int,
    stride: int,
    clips: int,
    randomness: Randomness | None = None,
    beyond: Literal["loop", "repeat_last"] = "loop",
    twice: bool = False,
) -> Indices:
    """Return indices [clips, frames] of clips spread over a video of `total` frames.

    With s = frames * stride the span of a clip and d = (total - s + 1) / clips, a clip starts at a random position of
    its own interval [i * d, (i + 1) * d) with d rounded down, or without randomness at its middle. `beyond` says what
    replaces frames that a short video does not have; `twice` adds, without randomness, the clips that start where the
    intervals do, [2 * clips, frames].
    """
    span = frames * stride
    if randomness is not None:
        starts = _random_starts(total - span + 1, clips, total > max(clips, span), randomness)
    else:
        starts = _middle_starts(total - span + 1, clips, twice)
    return _within(starts[:, None] + np.arange(frames) * stride, total, beyond)


def dense_clips(
    total: int,
    *,
    frames: int,
    stride: int,
    clips: int,
    window: int = 64,
    positions: int = 10,
    randomness: Randomness | None = None,
) -> Indices:
    """Return indices of clips that start every window // clips frames inside a window of the video.

    With randomness there is one window at a random position, [clips, frames]; without, there are `positions` windows,
    evenly spaced from the first to the last position, [positions * clips, frames]. Frames beyond the end wrap around.
    """
    choices = max(1, 1 + total - window)
    if randomness is not None:
        # With one position there is nothing to draw, and then the published code draws nothing.
        firsts = np.array([0 if choices == 1 else _draw(randomness, choices - 1, 1)[0]])
    else:
        firsts = np.linspace(0, choices - 1, num=positions, dtype=np.int64)
    starts = (firsts[:, None] + np.arange(clips) * (window // clips)).reshape(-1) % total
    return _within(starts[:, None] + np.arange(frames) * stride, total, "loop")


def tsn_starts(
    total: int, segments: int, *, span: int = 1, randomness: Randomness | None = None, guarded: bool = True
) -> Indices:
    """Return where snippets begin, int64 [segments], as the code of "Temporal Segment Networks" (ECCV 2016) has it.

    With P = total - span + 1 positions: drawn from each of `segments` intervals of P // segments; if there are too few
    positions, but more frames than segments, drawn from all and sorted. Without randomness at the middles of intervals
    of P / segments. Else all at the beginning. Formulas follow tsn-pytorch (``dataset.py``), which counts from 1.

    Args:
        total: frames of the video.
        segments: snippets.
        span: frames of a snippet.
        randomness: for training.
        guarded: in validation, videos of P <= segments have all snippets at the beginning; at test time they have not.
    """
    positions = max(1, total - span + 1)
    if randomness is not None:
        interval = positions // segments
        if interval > 0:
            return np.arange(segments) * interval + _draw(randomness, interval, segments)
        return np.sort(_draw(randomness, positions, segments)) if total > segments else np.zeros(segments, np.int64)
    if guarded and positions <= segments:
        return np.zeros(segments, np.int64)
    tick = positions / segments
    return (tick / 2 + tick * np.arange(segments)).astype(np.int64)


def train_indices(total: int, spec: "ClipSpec", generator: np.random.Generator, stack: int = 1) -> Indices:
    """Return the frames of one random training view, int64 [spec.length].

    Args:
        total: positions in the video: its frames, or where a stack of frames begins.
        spec: of the view.
        generator: of what is drawn.
        stack: consecutive frames at a position.
    """
    if spec.sampling == "tsn":
        span = (spec.frames - 1) * spec.stride + stack
        starts = tsn_starts(total + stack - 1, spec.segments, span=span, randomness=generator)
        return _snippets(starts, total, spec).reshape(-1)
    if spec.sampling == "dense":
        found = dense_clips(
            total, frames=spec.frames, stride=spec.stride, clips=spec.segments, window=spec.window, randomness=generator
        )
    else:
        found = uniform_clips(total, frames=spec.frames, stride=spec.stride, clips=spec.segments, randomness=generator)
    return found.reshape(-1)


def view_indices(total: int, spec: "ClipSpec") -> Indices:
    """Return the frames of the test views at `spec.test_clips` positions in time, int64 [test_clips, spec.test_length].

    Dense views are in evenly spaced windows. A uniform view of one segment is the middle of its share of the
    video; of several segments, view v of V takes each segment's frame at (V - v - 1/2) / V of its interval, rounded
    down, so that one view is TSN's middle frames, and two are these shifted both ways.
    """
    segments = spec.test_segments or spec.segments
    if spec.sampling == "tsn" and (segments == 1 or spec.test_clips == 1):
        count, span = max(segments, spec.test_clips), (spec.frames - 1) * spec.stride + 1
        starts = tsn_starts(total, count, span=span, guarded=segments > 1)
        return _snippets(starts, total, spec).reshape(spec.test_clips, spec.test_length)
    if spec.sampling == "dense":
        found = dense_clips(
            total, frames=spec.frames, stride=spec.stride, clips=segments, window=spec.window, positions=spec.test_clips
        )
        return found.reshape(spec.test_clips, spec.test_length)
    if segments == 1:
        return uniform_clips(total, frames=spec.frames, stride=spec.stride, clips=spec.test_clips)
    phases = (np.arange(spec.test_clips)[::-1] + 0.5) / spec.test_clips  # [V], 0.5 for one view
    span = spec.frames * spec.stride
    interval = max(0.0, (total - span + 1) / segments)
    starts = ((np.arange(segments) + phases[:, None]) * interval).astype(np.int64)  # [V, segments]
    found = _within(starts[..., None] + np.arange(spec.frames) * spec.stride, total, "loop")
    return found.reshape(spec.test_clips, spec.test_length)


def _snippets(starts: Indices, total: int, spec: "ClipSpec") -> Indices:
    """Return the frames [segments, frames] of snippets; the last one inside is repeated."""
    steps = spec.stride * np.arange(spec.frames)
    return _within(starts[:, None] + steps, total, "repeat_last")


def _random_starts(choices: int, clips: int, enough: bool, randomness: Randomness) -> Indices:
    """Return where clips start, drawn; in a video that is too short for all of them, evenly or all at the start."""
    interval = choices // clips
    if interval > 0:
        return np.arange(clips) * interval + _draw(randomness, interval, clips)
    if enough:
        return np.sort(_draw(randomness, choices, clips))
    if interval == 0:
        return np.around(np.arange(clips) * (choices / clips)).astype(np.int64)
    return np.zeros(clips, dtype=np.int64)


def _middle_starts(choices: int, clips: int, twice: bool) -> Indices:
    if choices < 1:
        return np.zeros(2 * clips if twice else clips, dtype=np.int64)
    begins = np.arange(clips) * (choices / clips)
    middles = begins + choices / clips / 2
    return (np.concatenate([middles, begins]) if twice else middles).astype(np.int64)


def _draw(randomness: Randomness, below: int, count: int) -> Indices:
    """Return integers in [0, below), int64 [count]."""
    if isinstance(randomness, np.random.RandomState):
        return randomness.randint(below, size=count).astype(np.int64)
    return randomness.integers(below, size=count)


def _within(indices: Indices, total: int, beyond: str) -> Indices:
    """Replace indices [clips, frames] beyond the end: wrap around, or repeat the clip's last one that is inside."""
    if beyond == "loop":
        return indices % total
    inside = indices < total
    last = np.where(inside, indices, 0).max(axis=-1, keepdims=True)
    return np.where(inside, indices, last)
