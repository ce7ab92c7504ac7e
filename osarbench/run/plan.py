"""What a run will make: its steps, each with its inputs, settings and code. Planning decodes and trains nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Step
from osarbench.interfaces.method import Method
from osarbench.model.device import Machine
from osarbench.plugins.loading import Plugins
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment, head_spec
from osarbench.run.frozen_plan import FrozenPlan, ProbePlan
from osarbench.run.head_plan import HeadPlan
from osarbench.run.imported_plan import ImportedPlan, ImportedVideos
from osarbench.run.method_plan import Draw, MethodPlan, method_plan
from osarbench.run.videos import Videos


@dataclass(frozen=True)
class Plan:
    """Everything that one run makes, in an order in which each step follows what it needs."""

    steps: Sequence[Step]
    methods: Sequence[MethodPlan]
    videos: Videos
    heads: Sequence[HeadPlan] = ()


def plan(
    config: RunConfig,
    experiment: Experiment,
    methods: Sequence[Method],
    available: Plugins,
    machine: Machine,
    *,
    draw: Draw | None = None,
) -> Plan:
    """Return the steps of a run.

    Args:
        config: what is asked for.
        experiment: protocol, backbone and seed.
        methods: with their settings.
        available: the plugins, among them the data sets.
        machine: where it is computed.
        draw: makes ``scores.png`` of each scores table; None: nobody draws.

    Raises:
        OsarbenchError: data sets are not there, or not as the protocol needs them.
    """
    videos = (
        ImportedVideos(config, experiment.protocol, experiment.imported)
        if experiment.imported
        else Videos(config, experiment, available, machine)
    )
    decode = Step(
        name="decode", output=None, make=videos.prepare, is_done=videos.is_decoded, code=Code.of(), together=True
    )
    cached: type[FrozenPlan | ImportedPlan] = ImportedPlan if experiment.imported else FrozenPlan
    frozen = cached(config, experiment, machine, videos, decode)
    steps, planned, heads = [decode], list[MethodPlan](), list[HeadPlan]()
    for same_head in _by_head(experiment, methods):
        head = (
            ProbePlan(frozen, same_head)
            if experiment.frozen or experiment.imported
            else HeadPlan(config, experiment, machine, videos, decode, same_head)
        )
        heads.append(head)
        steps += [step for step in head.steps if step not in steps]
        for method in same_head:
            planned.append(method_plan(head, method, draw))
            steps += planned[-1].steps
    order = {id(method): position for position, method in enumerate(methods)}
    return Plan(steps, sorted(planned, key=lambda one: order[id(one.method)]), videos, heads)


def _by_head(experiment: Experiment, methods: Sequence[Method]) -> Iterator[list[Method]]:
    groups: dict[str, list[Method]] = {}
    for method in methods:
        spec = head_spec(experiment, method)
        key = f"{spec.head.__module__}.{spec.head.__qualname__} {spec.folder(experiment)}"
        groups.setdefault(key, []).append(method)
    yield from groups.values()
