"""What is trained and tested: a protocol with one backbone, and everything in which a run departs from the protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from osarbench.digests import text_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import Head, Method
from osarbench.interfaces.modality import Modality
from osarbench.model import network
from osarbench.plugins.loading import Plugins, check_settings
from osarbench.protocols import protocol as protocols
from osarbench.protocols.protocol import Protocol, Training
from osarbench.run import weights as starting_weights
from osarbench.run.config import RunConfig
from osarbench.run.weights import Weights


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A protocol, a backbone and a seed."""

    protocol: Protocol
    backbone: type[Backbone]
    options: Mapping[str, Any]  #: of the backbone's constructor
    spec: ClipSpec
    modality: Modality  #: what is fed
    weights: Weights
    seed: int
    overrides: Mapping[str, Any]  #: fields of the recipe that the run sets
    deviations: Mapping[str, Any]  #: from the protocol, by name; an entry with any stays off the leaderboard
    trains: bool = True  #: False: backbone and classifier are those of the weights

    def training(self, head: str) -> Training:
        """Return the recipe that trains a network with a head."""
        return replace(self.protocol.recipe(self.backbone.name, head).training, **self.overrides)


class HeadSpec(NamedTuple):
    """A head with its settings: what methods share, with the network under it."""

    head: type[Head]
    settings: Mapping[str, Any]

    def folder(self, experiment: Experiment) -> str:
        """Return the name of the folder of its network and features."""
        mark = f".{text_digest(dict(self.settings))}" if self.settings else ""
        if not experiment.trains:
            mark += f".{str(experiment.weights.sha256)[:8]}"
        return f"{self.head.name}{mark}-{experiment.seed}"


def head_spec(experiment: Experiment, method: Method) -> HeadSpec:
    """Return the head of a method, with the settings that protocol and method give it."""
    recipe = experiment.protocol.recipe(experiment.backbone.name, method.head.name)
    return HeadSpec(method.head, {**recipe.head_settings, **method.head_settings()})


def resolve(config: RunConfig, available: Plugins) -> Experiment:
    """Resolve the names of a run, and find in what it departs from its protocol.

    Raises:
        OsarbenchError: a name does not exist, weights are missing or do not fit, what is asked for does not go
            together, or it departs from the protocol and is to be published.
    """
    if config.compile and config.recompute:
        raise OsarbenchError("--compile and --recompute do not go together: torch cannot compile recomputed blocks.")
    protocol = protocols.read(config.protocol)
    backbone = available.backbone(config.backbone)
    recipe = protocol.recipe(backbone.name)
    batch = None if config.batch_size == "auto" else config.batch_size
    overrides = {
        key: value
        for key, value in {"epochs": config.epochs, "batch_size": batch}.items()
        if value not in (None, getattr(recipe.training, key))
    }
    _refuse_to_publish(config, protocol, overrides)
    check_settings("backbone", backbone, recipe.options, f"{protocol.file}: [backbones.{backbone.name}.options]")
    built = backbone(**recipe.options)
    weights = starting_weights.resolve(config, protocol, recipe, built)
    spec = protocols.clip_spec(built.clip, recipe.clips, str(protocol.file))
    modality = available.modality(spec.modality)()
    network.check_clip(built, spec, modality.channels * modality.stack)
    trains = config.train and recipe.training.mode != "none"
    if not trains and weights.path is None:
        asks = "--no-train" if not config.train else f"The protocol '{protocol.name}', which trains nothing,"
        raise OsarbenchError(f"{asks} takes a trained network from a file: name it with --weights FILE.")
    if weights.path is not None:  # a file that is no good is known before decoding, which takes long
        built.load_weights(str(weights.path))
    deviations: dict[str, Any] = dict(overrides)
    if not config.train and recipe.training.mode != "none":
        deviations["training"] = f"none: {Path(str(weights.path)).name}"
    elif weights.deviation is not None:
        deviations["weights"] = weights.deviation
    _refuse_to_publish(config, protocol, deviations)
    return Experiment(
        protocol=protocol,
        backbone=backbone,
        options=recipe.options,
        spec=spec,
        modality=modality,
        weights=weights,
        seed=config.seed,
        overrides=overrides,
        deviations=deviations,
        trains=trains,
    )


def _refuse_to_publish(config: RunConfig, protocol: Protocol, deviations: Mapping[str, Any]) -> None:
    if deviations and config.publish:
        stated = ", ".join(f"{key} = {value}" for key, value in deviations.items())
        raise OsarbenchError(
            f"The run deviates from the protocol '{protocol.name}' ({stated}), so it cannot enter the leaderboard. "
            "Leave out --publish, or the deviation; or write a protocol of your own that says so."
        )
