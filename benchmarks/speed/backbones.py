"""How fast backbones train and test, what memory that takes, and what share of the matrix limit it is.

Usage: python benchmarks/speed/backbones.py [--backbones tsm,i3d,...] [--device cuda] [--batch 8] [--compile]
       python benchmarks/speed/backbones.py --backbones srtg_r3d_34,mtnet_s --frames 16 --size 224

Clips are drawn once and are on the device already: decoding is another benchmark. A training step is forward with its
loss, backward, and SGD under a linear head at the training size; a test step is a forward pass at the test size, one
view. Multiply-adds are those of FlopCounterMode (a backward pass counts about twice a forward one; published tables
that call them FLOPs count each as one or as two), the limit is the best of square matrix products in the same
precision. "kept" is what a training step's forward pass keeps for its backward pass, without the weights.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from osarbench.interfaces.method import LinearHead, Progress
from osarbench.model.network import Network, channels_last
from osarbench.plugins import loading as plugins

CLASSES = 101


class Measured(NamedTuple):
    """One step of one backbone."""

    seconds: float  #: of a batch, the median
    macs: float  #: multiply-adds of a batch
    kept: float | None = None  #: bytes of a batch, kept for the backward pass


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", default="tsm,i3d,slowfast,tpn,srtg_r3d_34,mtnet_s")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=0, help="clips in a step; 0: 8 on a GPU, 2 elsewhere")
    parser.add_argument("--frames", type=int, help="of a segment, instead of each backbone's own")
    parser.add_argument("--size", type=int, help="pixels, instead of each backbone's own")
    parser.add_argument("--seconds", type=float, default=5.0, help="to measure each step for, after two warm-ups")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--contiguous", action="store_true", help="weights and clips as their shape says")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    precision = torch.bfloat16 if device.type == "cuda" else torch.float32
    batch = asked.batch or (8 if device.type == "cuda" else 2)
    limit = matrix_limit(device, precision)
    changes = {"frames": asked.frames, "size": asked.size, "test_size": asked.size}
    rows = []
    for name in asked.backbones.split(","):
        found = measure(name, device, batch, asked, {key: value for key, value in changes.items() if value})
        for what, step in found.items():
            done = 2 * step.macs / step.seconds / 1e12
            kept = "" if step.kept is None else f"{step.kept / batch / 1e6:.0f}"
            rows.append([
                name, what, f"{1e3 * step.seconds / batch:.0f}", f"{batch / step.seconds:.2f}",
                f"{step.macs / batch / 1e9:.2f}", f"{done:.3f}", f"{100 * done / limit:.0f} %", kept,
            ])  # fmt: skip
    print(
        f"{device.type}, {precision}, batches of {batch}, {torch.get_num_threads()} threads; limit {limit:.3f} TFLOP/s"
    )
    headers = ["", "step", "ms a clip", "clips/s", "GMACs a clip", "TFLOP/s", "of the limit", "kept, MB a clip"]
    print(tabulate(rows, headers=headers))


def measure(
    name: str, device: torch.device, batch: int, asked: argparse.Namespace, changes: Mapping[str, int]
) -> dict[str, Measured]:
    """Return what a training step, its two passes and a test step of a backbone take.

    Args:
        name: of the backbone, as it is by default.
        device: where it runs.
        batch: clips in a step.
        asked: the command line's other settings.
        changes: fields of the clip specification that are not the backbone's own.
    """
    backbone = plugins.load(kinds=("backbones",)).backbone(name)()
    spec = dataclasses.replace(backbone.clip, **changes)
    network = Network(backbone, LinearHead(backbone.dim, backbone.map_dim, CLASSES), spec).to(device)
    if not asked.contiguous:
        channels_last(network)
    if asked.compile:
        network.backbone.compile()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    generator = torch.Generator().manual_seed(0)

    def clips(length: int, size: int) -> torch.Tensor:
        drawn = torch.randint(256, (batch, length, size, size, 3), dtype=torch.uint8, generator=generator)
        drawn = drawn.to(device).movedim(-1, 1)  # [N, 3, T, S, S], channels-last
        return drawn.contiguous() if asked.contiguous else drawn

    training, testing = clips(spec.length, spec.size), clips(spec.test_length, spec.test_size)
    labels = torch.randint(CLASSES, (batch,), generator=generator).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
    losses: list[torch.Tensor] = []

    def forward() -> None:
        with autocast:
            _, terms = network(training, labels, Progress(epoch=0, epochs=1, step=0))
        losses.append(torch.stack(list(terms.values())).sum())

    def backward() -> None:
        losses.pop().backward()

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    def test() -> None:
        with torch.inference_mode(), autocast:
            network.vectors(testing)

    network.train()
    seconds = timed_steps((forward, backward, update), device, asked.seconds)
    macs = [counted(step) for step in (forward, backward)]
    kept = bytes_kept(network, forward)
    losses.clear()
    network.eval()
    (test_seconds,) = timed_steps((test,), device, asked.seconds)
    return {
        "forward": Measured(seconds[0], macs[0], kept),
        "backward": Measured(seconds[1], macs[1]),
        "training step": Measured(sum(seconds), sum(macs)),
        "test": Measured(test_seconds, counted(test)),
    }


def timed_steps(steps: tuple[Callable[[], None], ...], device: torch.device, seconds: float) -> list[float]:
    """Return the seconds of each of some steps, which are taken one after the other: medians."""
    times: list[list[float]] = []
    while len(times) < 5 or sum(map(sum, times[2:])) < seconds:
        times.append([timed(step, device) for step in steps])
    return [sorted(column)[len(column) // 2] for column in zip(*times[2:], strict=True)]  # two warm up


def bytes_kept(network: torch.nn.Module, forward: Callable[[], None]) -> float:
    """Return the bytes that a forward pass keeps for its backward pass, each storage once, without the weights."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    for own in (*network.parameters(), *network.buffers()):
        kept.pop(own.untyped_storage().data_ptr(), None)
    return float(sum(kept.values()))


def counted(step: Callable[[], None]) -> float:
    """Return the multiply-adds of a step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() / 2


def matrix_limit(device: torch.device, precision: torch.dtype) -> float:
    """Return the best TFLOP/s of square matrix products, as products and as 1 x 1 convolutions.

    On a CPU the two come from different libraries, and the second is often the faster.
    """
    best = 0.0
    for size in (1024, 2048) if device.type == "cpu" else (4096, 8192):
        first, second = (torch.randn(size, size, device=device, dtype=precision) for _ in range(2))
        maps = first.view(1, 1, size, size).permute(0, 3, 1, 2)  # [1, size, 1, size], channels-last
        weight = second.view(size, size, 1, 1)
        for product in (lambda a=first, b=second: a @ b, lambda a=maps, b=weight: F.conv2d(a, b)):
            for _ in range(8):
                seconds = timed(product, device)
                best = max(best, 2 * size**3 / seconds / 1e12)
    return best


def timed(step: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds that a step takes."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
