"""What one run is asked for. What is not stated here is the protocol's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from osarbench.data.locations import Locations
from osarbench.protocols.protocol import Average, Mode

#: Whose pretrained weights `Backbone.fetch_weights` may be asked for.
LIBRARIES = ("torchvision", "timm", "pytorchvideo")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One `osarbench run`."""

    protocol: str
    backbone: str
    methods: tuple[str, ...]
    locations: Locations
    runs: Path = Path("runs")
    seeds: tuple[int, ...] = (0,)  #: a training each
    draws: tuple[int, ...] = ()  #: of classes, of a protocol that has draws; none: all of them
    device: str = "auto"
    devices: int = 1
    precision: str | None = None  #: None: bf16-mixed on a GPU, 32-true elsewhere
    workers: int | None = None  #: None: none on a CPU, most cores with a GPU
    epochs: int | None = None  #: a deviation from the protocol, and recorded as one
    batch_size: int | Literal["auto"] | None = None  #: likewise; "auto": the protocol's, halved until it fits a GPU
    compile: bool = False  #: let torch.compile fuse the backbone
    recompute: bool = False  #: run blocks again in the backward pass instead of keeping their activations
    weights: str | None = None  #: "none", a library, a file or a folder of files; None: what the protocol names
    train: bool = True  #: False: backbone and classifier are taken from the weights as they are
    mode: Mode | None = None  #: what is trained; None: what the protocol says
    whole_videos: int | None = None  #: test on every window, so many frames apart; None: what the protocol says
    average: Average | None = None  #: of the windows of a whole video; None: what the protocol says
    keep_windows: bool = False  #: keep the logits of every window, too
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: method -> settings of its constructor
    plugin_files: tuple[Path, ...] = ()
    store: str = "auto"
    redo: bool = False
    publish: bool = False  #: entries are for a leaderboard: refuse a deviation before it costs a training
