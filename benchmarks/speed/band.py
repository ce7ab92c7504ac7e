"""How far the numbers of one recipe lie apart over seeds and numbers of threads, with means of the weights and without.

Run it with ``python benchmarks/speed/band.py OUT.csv``; twelve trainings of `motion` take about a quarter of an hour on
two idle cores. A mean of the weights changes no step of a training, so each training gives the numbers of all of them.
``--set learning_rate=0.003`` changes the recipe. docs/noise.md has what was found.
"""

import argparse
import csv
import itertools
import os
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import numpy as np
import torch

from osarbench.artifacts import manifest
from osarbench.data import locations
from osarbench.data.clips import ViewClips
from osarbench.interfaces.method import Method
from osarbench.model import averaging, train
from osarbench.model.averaging import WeightAverage
from osarbench.model.network import Network
from osarbench.run import networks, scoring
from osarbench.run.config import RunConfig
from osarbench.run.head_plan import TESTED, HeadPlan
from osarbench.run.run import plan
from osarbench.scores import metrics

#: Name -> fields of the recipe; "measured": running statistics of fading means are measured anew as well.
MEANS: Mapping[str, Mapping[str, Any]] = {
    **{f"ema {decay}": {"average": "ema", "ema_decay": decay} for decay in (0.98, 0.99, 0.995, 0.998)},
    **{f"ema {decay} measured": {"average": "ema", "ema_decay": decay} for decay in (0.99, 0.995, 0.998)},
    **{f"last {count}": {"average": "epochs", "average_epochs": count} for count in (3, 5, 8)},
}
NUMBERS = ("closed_accuracy", "auroc", "fpr95_unknown_first", "oscr")
States = dict[str, dict[str, dict[str, torch.Tensor]]]


class AllMeans(WeightAverage):
    """All means of one training; the weights of each are in `states` at its end."""

    states: ClassVar[States] = {}

    def __init__(self, network: Network, recipe: Any) -> None:
        super().__init__(network, replace(recipe, average="none"))
        self.means = {name: WeightAverage(network, replace(recipe, **fields)) for name, fields in MEANS.items()}

    def after_step(self) -> None:
        """Take in the weights after a step."""
        for mean in self.means.values():
            mean.after_step()

    def after_epoch(self, epoch: int) -> None:
        """Take in the weights after an epoch."""
        for mean in self.means.values():
            mean.after_epoch(epoch)

    def replace(self, network: Network, batches: Iterable[Any]) -> None:
        """Keep the weights of every mean, and the last ones."""
        AllMeans.states = {"none": _weights(network)}
        for name, mean in self.means.items():
            network.train()
            mean.replace(network, batches)
            if name.endswith("measured"):
                averaging._measure_statistics(network.train(), batches)
            AllMeans.states[name] = _weights(network)


def main() -> None:
    """Measure what is asked for and write a row for each training and mean."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--methods", default="dnn,dear")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="of the recipe")
    asked = parser.parse_args()
    changes = {name: tomllib.loads(f"v = {value}")["v"] for name, value in (its.split("=", 1) for its in asked.set)}
    train.__dict__["WeightAverage"] = AllMeans
    cells = itertools.product(asked.seeds.split(","), asked.threads.split(","), asked.methods.split(","))
    with asked.output.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["method", "seed", "threads", "mean", *NUMBERS])
        writer.writeheader()
        for seed, threads, method in cells:
            torch.set_num_threads(int(threads))
            for mean, found in measure(method, int(seed), changes):
                writer.writerow({"method": method, "seed": seed, "threads": threads, "mean": mean, **found})
                opened.flush()


def measure(method: str, seed: int, changes: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Train once and yield the numbers of each mean of the weights."""
    with tempfile.TemporaryDirectory() as runs:
        config = RunConfig(protocol="motion", backbone="tsm", methods=(method,), locations=locations.find(),
                           seeds=(seed,), device="cpu", runs=Path(runs))  # fmt: skip
        planned, machine = plan(config)
        assert planned is not None
        assert machine is not None
        (head,) = planned.heads
        head.videos.prepare()
        recipe = replace(head.training, average="epochs", **changes)  # any mean: `AllMeans` keeps all of them
        head.trained.file.parent.mkdir(parents=True)
        networks._trained(machine, head.experiment, head.spec, head.videos.samples, head.task, config, recipe,
                          _Place(head))  # type: ignore[arg-type]  # fmt: skip
    for mean, state in AllMeans.states.items():
        yield mean, _numbers(head, planned.methods[0].method, state)


class _Place:
    """What a training needs of a step: where its files are, and an identity."""

    def __init__(self, head: HeadPlan) -> None:
        self.file = head.trained.file

    def identity(self) -> manifest.Identity:
        return {}


def _weights(network: Network) -> dict[str, dict[str, torch.Tensor]]:
    parts = {"backbone": network.backbone.state_dict(), "head": network.head.state_dict()}
    return {part: {name: tensor.clone() for name, tensor in state.items()} for part, state in parts.items()}


def _numbers(head: HeadPlan, method: Method, state: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, Any]:
    built = networks.build(head.experiment, head.spec, head.videos.listed.classes)
    built.head.strip()
    built.backbone.load_state_dict(state["backbone"])
    built.head.load_state_dict({name: state["head"][name] for name in built.head.state_dict()})
    built.eval()
    rows, samples, names = head.rows(*TESTED), head.videos.samples, head.videos.listed.classes
    clips = ViewClips(samples.frames, samples.of(rows), head.experiment.spec, head.experiment.modality)
    with torch.inference_mode():
        features = np.stack([built.vectors(clips[place]).numpy() for place in range(len(clips))])
    decisions = scoring.decide(method, built.head, features, rows["video"].to_numpy(), names)
    table = head.task.table(rows, decisions, names)
    found = metrics.evaluate(table, **metrics.settings_of(head.experiment.protocol)).headline
    return {name: found[name] for name in NUMBERS}


if __name__ == "__main__":
    main()
