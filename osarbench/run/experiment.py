"""What is trained and tested: a protocol with one backbone, and everything in which a run departs from the protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from osarbench.data import augment
from osarbench.digests import text_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import Head, Method
from osarbench.interfaces.modality import Modality
from osarbench.model import network
from osarbench.model.course import clip_shapes
from osarbench.plugins.loading import Plugins, check_settings
from osarbench.protocols import draws
from osarbench.protocols import protocol as protocols
from osarbench.protocols.clips import clip_spec
from osarbench.protocols.protocol import FROZEN, Mode, Protocol, Recipe, Training, WholeVideos
from osarbench.run import recipes
from osarbench.run import weights as starting_weights
from osarbench.run.config import LIBRARIES, RunConfig
from osarbench.run.imported import Imported
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
    mode: Mode = "full"  #: what is trained
    whole: WholeVideos | None = None  #: None: a few views of each video
    dims: tuple[int, int] = (0, 0)  #: D and C of the backbone's features
    imported: Imported | None = None  #: features in the place of the backbone

    @property
    def trains(self) -> bool:
        """Whether anything is trained; else backbone and classifier are those of the weights."""
        return self.mode != "none"

    @property
    def frozen(self) -> bool:
        """Whether the backbone stays as its weights are, so that its features are cached for all heads."""
        return self.mode in FROZEN

    @property
    def departs(self) -> bool:
        """Whether the run trains something else than the protocol says."""
        return self.mode != self.protocol.recipe(self.backbone.name).training.mode

    def training(self, head: str) -> Training:
        """Return the recipe that trains a network with a head."""
        stated = self.protocol.recipe(self.backbone.name, head).training
        return replace(recipes.of_mode(stated, self.mode), **self.overrides)


class HeadSpec(NamedTuple):
    """A head with its settings: what methods share, with the network under it."""

    head: type[Head]
    settings: Mapping[str, Any]

    def folder(self, experiment: Experiment) -> str:
        """Return the name of the folder of its network and features."""
        mark = f".{text_digest(dict(self.settings))}" if self.settings else ""
        if experiment.departs and experiment.trains:
            mark += f".{experiment.mode}"
        if not experiment.trains or (experiment.frozen and experiment.imported is None):
            mark += f".{experiment.weights.mark}"
        return f"{self.head.name}{mark}-{experiment.seed}"


def head_spec(experiment: Experiment, method: Method) -> HeadSpec:
    """Return the head of a method, with the settings that protocol and method give it."""
    recipe = experiment.protocol.recipe(experiment.backbone.name, method.head.name)
    return HeadSpec(method.head, {**recipe.head_settings, **method.head_settings()})


def resolve_all(config: RunConfig, available: Plugins) -> list[Experiment]:
    """Return the experiments of a run: one for each draw of classes and each seed, draw by draw.

    Raises:
        OsarbenchError: as `resolve`, a seed or draw is asked for twice, or the protocol has no such draw.
    """
    return of_each(config, protocols.read(config.protocol), resolve(config, available))


def of_each(config: RunConfig, protocol: Protocol, first: Experiment) -> list[Experiment]:
    """Return an experiment for each draw of classes and each seed of a run, from that of its first seed.

    Raises:
        OsarbenchError: a seed or draw is asked for twice, or the protocol has no such draw.
    """
    for what, numbers in (("seed", config.seeds), ("draw", config.draws)):
        twice = [number for number in numbers if numbers.count(number) > 1]
        if twice:
            raise OsarbenchError(f"The {what} {twice[0]} is asked for twice: it would be the same run. Name it once.")
    draws.check(protocol, config.draws)
    every = config.draws or tuple(range(len(protocol.sections.draws))) or (None,)
    return [replace(first, protocol=draws.of(protocol, number), seed=seed) for number in every for seed in config.seeds]


def resolve(config: RunConfig, available: Plugins) -> Experiment:
    """Resolve the names of a run, and find in what it departs from its protocol: its first seed, of no draw yet.

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
    mode = _mode(config, recipe)
    training = recipes.of_mode(recipe.training, mode)
    overrides = {
        key: value
        for key, value in {"epochs": config.epochs, "batch_size": batch}.items()
        if value not in (None, getattr(training, key))
    }
    refuse_to_publish(config, protocol, overrides)
    check_settings("backbone", backbone, recipe.options, f"{protocol.file}: [backbones.{backbone.name}.options]")
    built = backbone(**recipe.options)
    weights = starting_weights.resolve(config, protocol, recipe, built)
    spec = clip_spec(built.clip, recipe.clips, str(protocol.file))
    modality = available.modality(spec.modality)()
    trained = _trainings(config, available, protocol, mode, overrides)
    others = {shape for one in trained for shape in clip_shapes(one, spec)}
    network.check_clip(built, spec, modality.inputs, others=others)
    for one in trained:
        if one.augment is not None:
            augment.check(one.augment, modality)
    if weights.path is None:
        _refuse_without_weights(config, protocol, recipe, mode)
    else:  # a file that is no good is known before decoding, which takes long
        built.load_weights(str(weights.path))
    whole = _whole(config, recipe, mode)
    deviations = {**overrides, **_deviations(recipe, mode, weights), **_whole_deviation(recipe, whole)}
    refuse_to_publish(config, protocol, deviations)
    return Experiment(
        protocol=protocol,
        backbone=backbone,
        options=recipe.options,
        spec=spec,
        modality=modality,
        weights=weights,
        seed=config.seeds[0],
        overrides=overrides,
        deviations=deviations,
        mode=mode,
        whole=whole,
        dims=(built.dim, built.map_dim),
    )


def _whole(config: RunConfig, recipe: Recipe, mode: Mode) -> WholeVideos | None:
    """Return how whole videos are tested, if they are."""
    stated = recipe.whole_videos
    if config.whole_videos is not None or stated is not None:
        base = stated or WholeVideos()
        whole = WholeVideos(stride=config.whole_videos or base.stride, average=config.average or base.average)
    elif config.average is not None or config.keep_windows:
        raise OsarbenchError("--average and --keep-windows are about whole videos: add --whole-videos STRIDE.")
    else:
        return None
    if mode in FROZEN:
        raise OsarbenchError(
            f"Whole videos are tested with a network that was trained as one, not with --train {mode}, whose frozen "
            "backbone keeps a few views of each video."
        )
    return whole


def _whole_deviation(recipe: Recipe, whole: WholeVideos | None) -> dict[str, str]:
    if whole is None or whole == recipe.whole_videos:
        return {}
    return {"whole_videos": f"every {whole.stride} frames, {whole.average}"}


def _mode(config: RunConfig, recipe: Recipe) -> Mode:
    if not config.train:
        if config.mode not in (None, "none"):
            raise OsarbenchError(f"--no-train and --train {config.mode} contradict each other. Leave one out.")
        return "none"
    return config.mode or recipe.training.mode


def _refuse_without_weights(config: RunConfig, protocol: Protocol, recipe: Recipe, mode: Mode) -> None:
    """Refuse to score with, or to freeze, a network of random weights that nobody asked for."""
    stated = mode == recipe.training.mode
    if mode == "none":
        asks = f"The protocol '{protocol.name}', which trains nothing," if stated else "--no-train"
        raise OsarbenchError(f"{asks} takes a trained network from a file: name it with --weights FILE.")
    if mode != "full" and config.weights != "none":
        asks = f"The protocol '{protocol.name}' keeps" if stated else f"--train {mode} keeps"
        raise OsarbenchError(
            f"{asks} the backbone as its weights are, and there are none: name them with --weights FILE, or a library "
            "that has some. Features of random weights are for --weights none."
        )


def _deviations(recipe: Recipe, mode: Mode, weights: Weights) -> dict[str, Any]:
    """Return in what the run departs from the protocol by what it trains, and by what it starts from."""
    found = {}
    if mode != recipe.training.mode:
        found["training"] = mode if mode != "none" else f"none: {Path(str(weights.path)).name}"
    # where a protocol freezes the backbone and names no weights, a library's own are what the backbone is
    own = recipe.weights is None and recipe.training.mode in FROZEN and weights.origin in LIBRARIES
    if weights.deviation is not None and mode != "none" and not own:
        found["weights"] = weights.deviation
    return found


def _trainings(
    config: RunConfig, available: Plugins, protocol: Protocol, mode: Mode, overrides: Mapping[str, Any]
) -> list[Training]:
    """Return the recipes of the heads of a run; none if it trains nothing."""
    heads = sorted({available.method(name).head.name for name in available.expand(config.methods)})
    stated = [protocol.recipe(config.backbone, head).training for head in heads if mode != "none"]
    return [replace(recipes.of_mode(one, mode), **overrides) for one in stated]


def refuse_to_publish(config: RunConfig, protocol: Protocol, deviations: Mapping[str, Any]) -> None:
    """Raise an `OsarbenchError` if a run departs from its protocol and is to be published."""
    if deviations and config.publish:
        stated = ", ".join(f"{key} = {value}" for key, value in deviations.items())
        raise OsarbenchError(
            f"The run deviates from the protocol '{protocol.name}' ({stated}), so it cannot enter the leaderboard. "
            "Leave out --publish, or the deviation; or write a protocol of your own that says so."
        )
