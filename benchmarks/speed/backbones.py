"""How fast backbones train and test, and what share of the machine's matrix multiplication that is.

Usage: python benchmarks/speed/backbones.py [--backbones tsm,i3d,...] [--device cuda] [--batch 8] [--compile]

Clips are drawn once and lie on the device already: decoding is another benchmark. A training step is forward, loss,
backward and SGD under a linear head at the training size; a test step is a forward pass at the test size, one view.
Multiply-adds are those of FlopCounterMode (a backward pass counts about twice a forward one), the limit is the best of
square matrix products in the same precision.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch.utils.flop_counter import FlopCounterMode

from osarbench.interfaces.method import LinearHead, Progress
from osarbench.model.network import Network, channels_last
from osarbench.plugins import loading as plugins

CLASSES = 101


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", default="tsm,i3d,slowfast,tpn")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=0, help="clips in a step; 0: 8 on a GPU, 2 elsewhere")
    parser.add_argument("--seconds", type=float, default=5.0, help="to measure each step for, after two warm-ups")
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    precision = torch.bfloat16 if device.type == "cuda" else torch.float32
    batch = asked.batch or (8 if device.type == "cuda" else 2)
    limit = matrix_limit(device, precision)
    rows = []
    for name in asked.backbones.split(","):
        for what, (rate, macs) in measure(name, device, batch, asked.seconds, compile_it=asked.compile).items():
            done = 2 * macs * rate / 1e12
            rows.append([name, what, f"{rate:.2f}", f"{macs / 1e9:.0f}", f"{done:.3f}", f"{100 * done / limit:.0f} %"])
    print(
        f"{device.type}, {precision}, batches of {batch}, {torch.get_num_threads()} threads; limit {limit:.3f} TFLOP/s"
    )
    print(tabulate(rows, headers=["", "step", "clips/s", "GMACs a clip", "TFLOP/s", "of the limit"]))


def measure(
    name: str, device: torch.device, batch: int, seconds: float, *, compile_it: bool
) -> dict[str, tuple[float, float]]:
    """Return clips a second and multiply-adds a clip of a training and a test step."""
    backbone = plugins.load(kinds=("backbones",)).backbone(name)()
    spec = backbone.clip
    network = Network(backbone, LinearHead(backbone.dim, backbone.map_dim, CLASSES), spec).to(device)
    channels_last(network)
    if compile_it:
        network.backbone.compile()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    generator = torch.Generator().manual_seed(0)

    def clips(size: int) -> torch.Tensor:
        drawn = torch.randint(256, (batch, spec.length, size, size, 3), dtype=torch.uint8, generator=generator)
        return drawn.to(device).movedim(-1, 1)  # [N, 3, T, S, S], channels-last

    training, testing = clips(spec.size), clips(spec.test_size)
    labels = torch.randint(CLASSES, (batch,), generator=generator).to(device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")

    def train() -> None:
        with autocast:
            _, terms = network(training, labels, Progress(epoch=0, epochs=1, step=0))
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    def test() -> None:
        with torch.inference_mode(), autocast:
            network.vectors(testing)

    found = {"train": (clips_per_second(network.train(), train, device, batch, seconds), counted(train) / batch)}
    found["test"] = (clips_per_second(network.eval(), test, device, batch, seconds), counted(test) / batch)
    return found


def clips_per_second(network: Any, step: Callable[[], None], device: torch.device, batch: int, seconds: float) -> float:
    """Return the clips a second of a step, the median of single steps."""
    for _ in range(2):
        step()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        times.append(timed(step, device))
    return batch / sorted(times)[len(times) // 2]


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
