"""How fast a training reads, goes forward and backward, and how long the device waits for clips.

On a GPU, what is computed is timed by events that the device itself notes, so that nothing is made to wait.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from osarbench.data.locations import SPEED_LIMITS


@dataclass
class SpeedMonitor:
    """Told of every batch when it has come, has gone forward, and has gone backward."""

    device: torch.device
    clips: int = 0
    read: float = 0.0  #: seconds in which the loader was waited for
    _moment: float = field(default_factory=lambda: time.perf_counter())
    _marks: list[tuple[str, Any]] = field(default_factory=list)

    def came(self, clips: int) -> None:
        """A batch of so many clips has come."""
        self.read += time.perf_counter() - self._moment
        self.clips += clips
        self._mark("came")

    def went_forward(self) -> None:
        """Its loss is computed, or ordered from the device."""
        self._mark("forward")

    def went_backward(self) -> None:
        """The network is updated; the next batch is asked for."""
        self._mark("backward")
        self._moment = time.perf_counter()

    def figures(self) -> dict[str, float]:
        """Return clips/s of reading, forward and backward (with the update), and the share of time spent waiting.

        The device waits from the end of a batch to the begin of the next; of a CPU, that is what reading takes.
        """
        spent = {"forward": 0.0, "backward": 0.0, "came": 0.0}
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        for (_, begin), (what, end) in zip(self._marks, self._marks[1:], strict=False):
            spent[what] += begin.elapsed_time(end) / 1000 if self.device.type == "cuda" else end - begin
        waiting = spent["came"] if self.device.type == "cuda" else self.read
        total = spent["forward"] + spent["backward"] + waiting
        speeds = {"read": self.read, "forward": spent["forward"], "backward": spent["backward"]}
        found = {f"{name}/s": self.clips / max(seconds, 1e-9) for name, seconds in speeds.items()}
        return found | {"waiting": waiting / max(total, 1e-9)}

    def _mark(self, what: str) -> None:
        if self.device.type == "cuda":
            moment: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            moment.record(torch.cuda.current_stream(self.device))
        else:
            moment = time.perf_counter()
        self._marks.append((what, moment))


def shown(
    figures: Mapping[str, float], limits: Mapping[str, tuple[float, float]] = SPEED_LIMITS, *, colour: bool
) -> str:
    """Return the speeds in a line, coloured by limits.

    >>> shown({"read/s": 1234.0, "forward/s": 98.4, "backward/s": 17.8, "waiting": 0.034}, colour=False)
    'speed (r=1.23e+03 f=98.4 b=17.8 clips/s, waiting 3 %)'
    """
    parts = []
    for letter, name in (("r", "read"), ("f", "forward"), ("b", "backward")):
        value = figures[f"{name}/s"]
        parts.append(_coloured(f"{letter}={value:.3g}", value, limits[name], colour))
    waiting = _coloured(f"waiting {100 * figures['waiting']:.0f} %", -figures["waiting"],
                        (-limits["waiting"][0], -limits["waiting"][1]), colour)  # fmt: skip
    return f"speed ({' '.join(parts)} clips/s, {waiting})"


def _coloured(text: str, value: float, limits: tuple[float, float], colour: bool) -> str:
    import click

    if not colour:
        return text
    return click.style(text, fg="red" if value < limits[0] else "green" if value >= limits[1] else "yellow")
