"""Experiment trackers: what a run has made is handed to Weights & Biases, Trackio or MLflow, once it is done.

TensorBoard's files are written during training in any case. A tracker is given each method as a run of its own: its
headline numbers, the curves of its training, and what it was made with. Where it keeps them (offline, a server) is the
tracker's own matter, by its environment variables.
"""

import csv
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = "osarbench"
NAMES = ("wandb", "trackio", "mlflow")


class Tracked(NamedTuple):
    """One method of a run, as a tracker is given it."""

    name: str
    config: Mapping[str, str]
    numbers: Mapping[str, float]  #: of the headline; shares
    history: Sequence[Mapping[str, float]]  #: a row an epoch, "epoch" counts from 1


def check(tracker: str) -> None:
    """Import a tracker's library, so that its absence is known before anything is computed.

    Raises:
        ModuleNotFoundError: it is not installed; the command line says what to install.
    """
    importlib.import_module(tracker)


def tracked(folder: Path, numbers: Mapping[str, Any], config: Mapping[str, str]) -> Tracked:
    """Return what a tracker is given of a method.

    Args:
        folder: of the method, in that of its network.
        numbers: its headline; those that are undefined are left out.
        config: what it was made with.
    """
    history: list[dict[str, float]] = []
    file = folder.parent / "training.csv"
    if file.is_file():
        with file.open(newline="", encoding="utf-8") as opened:
            history = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(opened)]
    found = {name: float(value) for name, value in numbers.items() if isinstance(value, int | float)}
    return Tracked("-".join([*config.values(), folder.name]), {**config, "method": folder.name}, found, history)


def track(tracker: str, runs: Sequence[Tracked]) -> None:
    """Hand runs to a tracker.

    Args:
        tracker: one of `NAMES`.
        runs: each a method.
    """
    library = importlib.import_module(tracker)
    for run in runs:
        (_mlflow if tracker == "mlflow" else _wandb)(library, run)


def _wandb(library: Any, run: Tracked) -> None:
    """Weights & Biases, and Trackio, which has its interface."""
    library.init(project=PROJECT, name=run.name, config=dict(run.config))
    for row in run.history:
        library.log({f"train/{name}": value for name, value in row.items() if name != "epoch"}, step=int(row["epoch"]))
    library.log(dict(run.numbers))
    library.finish()


def _mlflow(library: Any, run: Tracked) -> None:
    library.set_experiment(PROJECT)
    with library.start_run(run_name=run.name):
        library.log_params(dict(run.config))
        for row in run.history:
            # MLflow takes letters, digits and -_./ in a name, and a slash makes a section
            its = {f"train/{name.replace('/', '_per_')}": value for name, value in row.items() if name != "epoch"}
            library.log_metrics(its, step=int(row["epoch"]))
        library.log_metrics(dict(run.numbers))
