"""Which metrics there are: every record that a module of this folder exposes, so that a new metric is one new file."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

import osarbench.scores.metrics as folder
from osarbench.artifacts.code import Code, Definition
from osarbench.errors import unknown_name
from osarbench.scores.metrics.metric import Block, Metric


@cache
def modules() -> Mapping[str, tuple[Metric, ...]]:
    """Return the modules of this folder that expose metrics, by their full name, with these."""
    names = [f"{folder.__name__}.{module.name}" for module in iter_modules(folder.__path__)]
    found = {name: getattr(import_module(name), "METRICS", ()) for name in sorted(names)}
    return MappingProxyType({name: metrics for name, metrics in found.items() if metrics})


def code() -> Code:
    """Return the code that an evaluation depends on: its own, and that of every record, which it finds by name."""
    from osarbench.scores.metrics.evaluation import evaluate

    return Code.of(evaluate, *(Definition(module, "METRICS") for module in modules()))


@cache
def metrics() -> Mapping[str, Metric]:
    """Return every metric by its name, module by module.

    Raises:
        ValueError: two records have one name.
    """
    found: dict[str, Metric] = {}
    for exposed in modules().values():
        for metric in exposed:
            if metric.name in found:
                raise ValueError(f"two metrics are called {metric.name}")
            found[metric.name] = metric
    return MappingProxyType(found)


def find(name: str) -> Metric:
    """Return a metric.

    Raises:
        OsarbenchError: there is none of this name; the nearest is named.
    """
    if name not in metrics():
        raise unknown_name("metric", name, metrics())
    return metrics()[name]


def resampled() -> Mapping[str, Metric]:
    """Return the metrics that are computed of weighted videos too, so that they can have intervals and tests."""
    return {name: metric for name, metric in metrics().items() if metric.resampled}


def find_resampled(name: str) -> Metric:
    """Return a metric that can be resampled.

    Raises:
        OsarbenchError: there is none of this name; the nearest is named.
    """
    if name not in resampled():
        raise unknown_name("metric that can be resampled", name, resampled())
    return resampled()[name]


def compared() -> tuple[str, ...]:
    """Return the names of what is compared unless somebody says otherwise."""
    chosen = [metric for metric in resampled().values() if metric.compared]
    return tuple(metric.name for metric in sorted(chosen, key=lambda metric: metric.compared))


def of_block(block: Block) -> list[Metric]:
    """Return the metrics of a block of an evaluation."""
    return [metric for metric in metrics().values() if metric.block == block]


def conventions() -> dict[str, str]:
    """Return what each number means, in a line."""
    return {name: metric.convention for name, metric in metrics().items()}
