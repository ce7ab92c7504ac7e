"""How fast post-hoc scores are: every one of them on as many videos as UCF-101 against MiT-v2 has.

Run it with ``OMP_NUM_THREADS=2 python benchmarks/speed/posthoc.py [NAME ...]``. Features are synthetic: 9,537 training
and 36,000 other videos of one view, 2,048 features that are not negative, 101 known classes, and a head that is right
about most of them. Each score is fitted, and then scored through the pipe as in a run, its table included. Processor
seconds, summed over threads, depend less on what else runs; divided by the threads they are the least that an idle
machine could take, for not all of it runs on every thread. The AUROC on these features shows that something was
computed; it compares no methods.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from tabulate import tabulate

from osarbench.interfaces.method import LinearHead, Method
from osarbench.plugins import loading as plugins
from osarbench.run import scoring
from osarbench.scores.metrics import ranking

CLASSES, DIM, CAUSES = 101, 2048, 256
TRAIN, KNOWN, UNKNOWN = 9_537, 3_783, 32_217
#: Thirty of those that OpenOOD or pytorch-ood have too, what the goal of a minute is set for.
THIRTY = [
    *["msp", "maxlogit", "energy", "entropy", "gen", "tempscale", "odin_temperature", "klm", "openmax"],
    *["react", "vra", "ash_p", "ash_b", "ash_s", "scale", "lts", "dice"],
    *["she", "fdbd", "nci", "gradnorm", "nac", "mcm", "mds", "rmds", "gmm", "pnml", "vim", "knn", "nnguide"],
]


Line = tuple[str, float, float, float, float, float]


class Made(NamedTuple):
    """Features [N, 1, D] and labels of training, known and unknown videos, and a head."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray  #: known, then unknown
    head: LinearHead


def make(seed: int = 0) -> Made:
    """Draw clusters of hidden causes, and pass them through a random rectified layer."""
    generator = torch.Generator().manual_seed(seed)
    layer = torch.randn(CAUSES, DIM, generator=generator) / CAUSES**0.5
    centres = torch.randn(CLASSES + 305, CAUSES, generator=generator)

    def draw(labels: torch.Tensor) -> torch.Tensor:
        return ((centres[labels] + torch.randn(len(labels), CAUSES, generator=generator)) @ layer).relu()

    labels = torch.arange(TRAIN) % CLASSES
    train = draw(labels)
    test = draw(torch.cat([torch.arange(KNOWN) % CLASSES, CLASSES + torch.arange(UNKNOWN) % 305]))
    means = torch.zeros(CLASSES, DIM).index_add_(0, labels, train) / torch.bincount(labels)[:, None]
    away = means - means.mean(dim=0)
    head = LinearHead(DIM, DIM, CLASSES).eval()
    with torch.no_grad():
        head.fc.weight.copy_(away / 20)
        head.fc.bias.copy_(-(away * means).sum(dim=1) / 40)
    return Made(train[:, None].numpy(), labels.numpy(), test[:, None].numpy(), head)


def seconds(method: Method, made: Made) -> tuple[float, float, float, float]:
    """Return seconds to fit and to score, processor seconds of both, and the AUROC."""
    names = [f"class{label}" for label in range(CLASSES)]
    videos = np.array([str(number) for number in range(KNOWN + UNKNOWN)])
    begin, processor = time.perf_counter(), time.process_time()
    if scoring.needs_fit(method):
        scoring.fit(method, made.head, made.train, made.labels, names)
    fitted = time.perf_counter()
    uncertainty = scoring.decide(method, made.head, made.test, videos, names).uncertainty
    scored, processor = time.perf_counter(), time.process_time() - processor
    auroc = ranking.auroc(ranking.rank(known=uncertainty[:KNOWN], unknown=uncertainty[KNOWN:])) or 0.0
    return fitted - begin, scored - fitted, processor, auroc


def main(names: Sequence[str]) -> None:
    """Time the named scores, or all, and print a table."""
    available = plugins.load(kinds=["methods"])
    made = make()
    lines: list[Line] = []
    for name in names or available.expand([plugins.ALL_POSTHOC]):
        fit, scored, processor, auroc = seconds(available.method(name)(), made)
        lines.append((name, fit, scored, fit + scored, processor, auroc))
        print(f"{name}: {fit + scored:.1f} s", file=sys.stderr, flush=True)
    headers = ["score", "fit, s", "score, s", "together, s", "processor, s", "AUROC"]
    print(tabulate(lines, headers=headers, floatfmt=("", ".2f", ".2f", ".2f", ".2f", ".3f")))
    print(_total(f"all {len(lines)}", lines))
    if set(THIRTY) <= {line[0] for line in lines}:
        print(_total("thirty that OpenOOD or pytorch-ood have too", [line for line in lines if line[0] in THIRTY]))
    print(f"{torch.get_num_threads()} threads; load of the machine at the end {os.getloadavg()[0]:.1f}")


def _total(what: str, lines: Sequence[Line]) -> str:
    processor = sum(line[4] for line in lines)
    return (
        f"{what}: {sum(line[3] for line in lines):.1f} s; {processor:.1f} processor seconds, which are "
        f"{processor / torch.get_num_threads():.1f} s at the least"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
