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
    methods: Sequence[MethodPlan]  #: by method, draw and seed
    videos: Videos  #: of the first draw
    heads: Sequence[HeadPlan] = ()


def plan(
    config: RunConfig,
    experiments: Sequence[Experiment],
    methods: Sequence[Method],
    available: Plugins,
    machine: Machine,
    *,
    draw: Draw | None = None,
) -> Plan:
    """Return the steps of a run.

    Args:
        config: what is asked for.
        experiments: protocol, backbone, draw and seed; those of one draw share its videos.
        methods: with their settings.
        available: the plugins, among them the data sets.
        machine: where it is computed.
        draw: makes ``scores.png`` of each scores table; None: nobody draws.

    Raises:
        OsarbenchError: data sets are not there, or not as the protocol needs them.
    """
    steps, planned, heads = list[Step](), list[MethodPlan](), list[HeadPlan]()
    shared: dict[int | None, FrozenPlan | ImportedPlan] = {}
    for experiment in experiments:
        number = experiment.protocol.draw
        if number not in shared:
            shared[number] = _shared(config, experiment, available, machine)
            steps.append(shared[number].decode)
        frozen = shared[number]
        for same_head in _by_head(experiment, methods):
            head = (
                ProbePlan(frozen, experiment, same_head)
                if experiment.frozen or experiment.imported
                else HeadPlan(config, experiment, machine, frozen.videos, frozen.decode, same_head)
            )
            heads.append(head)
            steps += [step for step in head.steps if step not in steps]
            for method in same_head:
                its = method_plan(head, method, draw)
                planned.append(its._replace(seed=experiment.seed, draw=number))
                steps += planned[-1].steps
    order = {id(method): position for position, method in enumerate(methods)}
    ordered = sorted(planned, key=lambda one: order[id(one.method)])
    return Plan(steps, ordered, next(iter(shared.values())).videos, heads)


def _shared(
    config: RunConfig, experiment: Experiment, available: Plugins, machine: Machine
) -> FrozenPlan | ImportedPlan:
    """Return what all seeds of one draw share: its videos, their decoding, and what is cached of a frozen backbone."""
    videos = (
        ImportedVideos(config, experiment.protocol, experiment.imported)
        if experiment.imported
        else Videos(config, experiment, available, machine)
    )
    number = experiment.protocol.draw
    name = "decode" if number is None else f"decode draw-{number}"
    decode = Step(name=name, output=None, make=videos.prepare, is_done=videos.is_decoded, code=Code.of(), together=True)
    cached: type[FrozenPlan | ImportedPlan] = ImportedPlan if experiment.imported else FrozenPlan
    return cached(config, experiment, machine, videos, decode)


def _by_head(experiment: Experiment, methods: Sequence[Method]) -> Iterator[list[Method]]:
    groups: dict[str, list[Method]] = {}
    for method in methods:
        spec = head_spec(experiment, method)
        key = f"{spec.head.__module__}.{spec.head.__qualname__} {spec.folder(experiment)}"
        groups.setdefault(key, []).append(method)
    yield from groups.values()
