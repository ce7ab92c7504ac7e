"""Protocols are data: one frozen TOML file each, strictly read, hashed."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field
from pydantic.dataclasses import dataclass

from osarbench.digests import content_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.protocols import checking, strict_toml
from osarbench.protocols import files as benchmark_files
from osarbench.protocols.augment import Augment
from osarbench.protocols.clips import clip_spec
from osarbench.protocols.multigrid import Multigrid
from osarbench.protocols.strict_toml import STRICT

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
#: What a run trains: the whole network; adapters of its linear layers, and a head; a head on the features of a frozen
#: backbone, its vectors or its tokens; or nothing, where the weights hold a classifier too.
Mode = Literal["full", "lora", "attentive", "linear", "none"]
FROZEN = ("attentive", "linear")  #: modes in which the backbone stays as its weights are


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Known:
    """``[known]``: the actions that are trained on."""

    dataset: str
    train: tuple[str, ...]  #: splits
    test: tuple[str, ...]
    folder: str | None = None  #: of the data set below the data folder, if not its name
    classes: tuple[str, ...] = ()  #: a subset, in this order; empty: all of the data set's classes
    calibration: Share = 0.1  #: share of each class's training videos held out, whole groups, for the threshold


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Unknown:
    """``[[unknown]]``: actions never seen in training."""

    dataset: str
    splits: tuple[str, ...]
    folder: str | None = None
    classes: tuple[str, ...] = ()  #: a subset; empty: all classes of the splits
    exclude: Mapping[str, str] = Field(default_factory=dict)  #: class -> why it is not unknown
    contested: Mapping[str, str] = Field(default_factory=dict)  #: class -> why results are also given without it


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FewShot:
    """``[few_shot]``: unknown videos that methods may learn from; see `osarbench.data.shots`."""

    shots: Annotated[int, Field(ge=0, le=1_000)] = 0  #: videos of each unknown class; 0: there are none
    seed: int = 0  #: of their draw
    splits: tuple[str, ...] = ()  #: of the unknown data sets, to draw from; empty: the tested ones
    #: What leaves the test: all clips of the sources of shots, the shots alone, or (as some publish) nothing.
    take_out: Literal["source", "video", "nothing"] = "source"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ClassDraw:
    """``[[draws]]``: one division of the known data set's classes; see `osarbench.protocols.draws`."""

    known: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Training:
    """``[training]``: the recipe."""

    mode: Mode = "full"  #: "none": backbone and classifier are used as the weights have them
    epochs: Count = 1  #: this and the next two must be stated unless the mode is "none"
    batch_size: Annotated[int, Field(ge=1, le=2**20)] = 1
    learning_rate: Positive = 1.0
    optimizer: Literal["sgd", "adamw", "lars"] = "sgd"
    momentum: Share = 0.9  #: of sgd
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    decay_norms_and_biases: bool = True  #: False: no weight decay on parameters of one dimension
    #: parameter name prefix -> factor; a star stands for any part of a name, and the longest that fits counts
    lr_multipliers: Mapping[str, Positive] = Field(default_factory=dict)
    bias_lr_multiplier: Positive = 1.0  #: of biases that no prefix of `lr_multipliers` fits, except those of norms
    schedule: Literal["constant", "step", "cosine"] = "constant"
    milestones: tuple[int, ...] = ()  #: of "step": epochs at which the rate is divided by ten
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0  #: linear, per step
    warmup_from: Share = 0.0  #: share of the rate that a warm-up begins with
    clip_norm: Positive | None = None  #: L2 norm to which gradients are clipped
    frozen: tuple[str, ...] = ()  #: prefixes of backbone parameter names that stay fixed, their batch norms too
    freeze_batch_norm: bool = False  #: all batch norms of the backbone keep their running statistics
    multigrid: Multigrid | None = None  #: None: all batches alike
    augment: Augment | None = None  #: beyond the crop, flip and colours of the clip
    average: Literal["none", "ema", "epochs"] = "none"  #: the network is the mean of its weights along the training
    ema_decay: Share = 0.99  #: of "ema": what is left of the mean so far at each step
    average_epochs: Count = 5  #: of "epochs": weights at the ends of so many last epochs


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Probe:
    """``[probe]``: what a head is given of a frozen backbone, in the modes "linear" and "attentive"."""

    clips: Count | None = None  #: temporal positions of a training video, one drawn an epoch; None: those of the test
    crops: Literal[1, 3, 10] | None = None  #: of each position; None: those of the test
    standardise: bool = True  #: of "linear": each feature has mean 0 and deviation 1 over the training videos
    tokens: tuple[Count, Count, Count] = (8, 4, 4)  #: of "attentive", at most: time, height, width; larger maps: means


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Lora:
    """``[lora]``: adapters of the linear layers of a backbone (Hu et al., ICLR 2022), in the mode "lora"."""

    rank: Annotated[int, Field(ge=1, le=4096)] = 16
    alpha: Positive = 16.0  #: the adapter's part is scaled by alpha / rank
    dropout: Share = 0.0


#: How the windows of a whole video become one: see `osarbench.model.whole`.
Average = Literal["logits", "probabilities", "log-probabilities"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WholeVideos:
    """``[whole_videos]``: test on every window of every video, instead of on a few views."""

    stride: Count = 1  #: frames between the beginnings of two windows
    average: Average = "logits"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Threshold:
    """``[threshold]``: where thresholded numbers take their threshold from."""

    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.95  #: share of known videos it accepts where it is chosen
    source: Literal["calibration", "train"] = "calibration"
    rule: Literal["quantile", "dear"] = "quantile"  #: see `osarbench.scores.metrics.thresholds`


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Openness:
    """``[openness]``: the random choices of unknown classes in the openness curve."""

    draws: Count = 10
    seed: int = 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Metrics:
    """``[metrics]``: conventions beyond the common ones."""

    unknown_parts: Count = 1  #: also average metrics over so many random equal parts of the unknown videos


@dataclass(frozen=True, kw_only=True, config=STRICT)
class HeadSection:
    """``[backbones.NAME.heads.HEAD]``: what a published protocol changes for some methods only."""

    training: Mapping[str, Any] = Field(default_factory=dict)  #: fields of `Training`
    settings: Mapping[str, Any] = Field(default_factory=dict)  #: keyword arguments of the head


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BackboneSection:
    """``[backbones.NAME]``: what this protocol changes for one backbone."""

    options: Mapping[str, Any] = Field(default_factory=dict)  #: keyword arguments of its constructor
    clips: Mapping[str, Any] = Field(default_factory=dict)  #: fields of its `ClipSpec`
    training: Mapping[str, Any] = Field(default_factory=dict)  #: fields of `Training`
    weights: str | None = None  #: file name of the weights it starts from
    weights_sha256: str | None = None
    heads: Mapping[str, HeadSection] = Field(default_factory=dict)
    whole_videos: WholeVideos | None = None  #: instead of the protocol's


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Sections:
    """What a protocol file holds."""

    title: str  #: one line, shown by `osarbench list`
    known: Known
    unknown: tuple[Unknown, ...]
    training: Training
    draws: tuple[ClassDraw, ...] = ()  #: a run is of one of them
    recordings_apart: bool = False  #: leave test videos out if training has a recording of theirs, of any class
    data: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)  #: data set -> settings of its constructor
    clips: Mapping[str, Any] = Field(default_factory=dict)  #: fields of `ClipSpec`, for every backbone
    backbones: Mapping[str, BackboneSection] = Field(default_factory=dict)
    probe: Probe = Probe()
    lora: Lora = Lora()
    whole_videos: WholeVideos | None = None  #: None: a few views of each video (`ClipSpec.views`)
    threshold: Threshold = Threshold()
    openness: Openness = Openness()
    few_shot: FewShot = FewShot()
    metrics: Metrics = Metrics()
    task: Literal["classification"] = "classification"  #: what is asked of a video (`osarbench.interfaces.task`)
    middle_frames: Count | None = None  #: only this many frames around the middle of a video are used
    complete: bool = True  #: False: a partial copy of the data sets will do
    max_unreadable: Share = 0.01  #: share of unreadable videos above which a run stops


class Recipe(NamedTuple):
    """What a protocol says about one backbone, and one head if it was named; overrides resolved."""

    options: Mapping[str, Any]
    clips: Mapping[str, Any]
    training: Training
    weights: str | None
    weights_sha256: str | None
    head_settings: Mapping[str, Any]
    whole_videos: WholeVideos | None = None


class Protocol(NamedTuple):
    """A protocol that was read from a file."""

    name: str  #: the file's stem
    sha256: str  #: of what the file says: comments and layout do not count
    file: Path
    sections: Sections
    draw: int | None = None  #: which of its draws of classes this is (`osarbench.protocols.draws.of`)

    @property
    def title(self) -> str:
        """Its name, and the number of the draw where it has draws."""
        return self.name if self.draw is None else f"{self.name}, draw {self.draw}"

    def facts(self) -> dict[str, Any]:
        """Return what names it in a file that was made with it."""
        draw = {} if self.draw is None else {"draw": self.draw}
        return {"protocol": {"name": self.name, "sha256": self.sha256}, **draw}

    def recipe(self, backbone: str, head: str | None = None) -> Recipe:
        """Return clips, training and constructor options for one backbone, and what holds for one head only."""
        section = self.sections.backbones.get(backbone, BackboneSection())
        only = section.heads.get(head or "", HeadSection())
        training = {**asdict(self.sections.training), **section.training, **only.training}
        where = f"backbones.{backbone}" + (f".heads.{head}" if only.training else "")
        return Recipe(
            options=section.options,
            clips={**self.sections.clips, **section.clips},
            training=strict_toml.build(Training, training, f"{self.file}: [{where}.training]"),
            weights=section.weights,
            weights_sha256=section.weights_sha256,
            head_settings=only.settings,
            whole_videos=section.whole_videos or self.sections.whole_videos,
        )


def read(name: str) -> Protocol:
    """Read a protocol by name, or by path if it ends in .toml.

    Raises:
        OsarbenchError: no such protocol, not TOML, an unknown, missing or wrong key (with the nearest right one), or
            a class that is known and unknown at once.
    """
    file = benchmark_files.find(name)
    if file.stem.startswith(".") or not file.stem.isprintable():  # "..": its results would go one folder above
        raise OsarbenchError(
            f"The name of a protocol is the name of a folder, and {file.stem!r} is none. Rename {file}."
        )
    stated = strict_toml.read(file)
    sections: Sections = strict_toml.build(Sections, stated, str(file))
    checking.check_training(stated, file)
    checking.check_modes(sections, file)
    protocol = Protocol(file.stem, content_digest(stated), file, sections)
    for backbone, section in {"": BackboneSection(), **sections.backbones}.items():
        clip_spec(ClipSpec(), protocol.recipe(backbone).clips, str(file))
        for head in section.heads:
            protocol.recipe(backbone, head)
    checking.check_classes(sections, file)
    return protocol
