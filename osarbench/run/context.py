"""What the methods of one run share: the request, resolved names, and the videos, listed and decoded."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from lightning_fabric import Fabric

from osarbench import console
from osarbench.artifacts import manifest, storage
from osarbench.data import index, store
from osarbench.data.clips import Loading
from osarbench.data.locations import Locations
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.clip import ClipSpec
from osarbench.model import network
from osarbench.model.device import make_fabric
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol as protocols
from osarbench.protocols.protocol import Protocol, Recipe

#: Whose pretrained weights `Backbone.fetch_weights` may be asked for.
LIBRARIES = ("torchvision", "timm", "pytorchvideo")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one `osarbench run` asks for. What is not stated here is the protocol's."""

    protocol: str
    backbone: str
    methods: tuple[str, ...]
    places: Locations
    runs: Path = Path("runs")
    seed: int = 0
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
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: method -> settings of its constructor
    plugin_files: tuple[Path, ...] = ()
    store: str = "auto"
    redo: bool = False
    publish: bool = False  #: entries are for a leaderboard: refuse a deviation before it costs a training


@dataclass(frozen=True)
class Bench:
    """Everything that the methods of one run share."""

    request: Request
    protocol: Protocol
    recipe: Recipe
    fabric: Fabric
    listing: index.Index  #: the readable videos
    frames: store.Store
    places: np.ndarray  #: store position of each row of the listing
    backbone: type[Backbone]
    spec: ClipSpec
    weights: Path | None
    loading: Loading
    deviations: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where the files of this protocol and backbone lie."""
        return self.request.runs / self.protocol.name / self.backbone.name

    def for_head(self, head: str) -> "Bench":
        """Return the bench with what the protocol says about one head."""
        return replace(self, recipe=_recipe(self.request, self.protocol, head)[0])

    def rows(self, *roles: str) -> pd.DataFrame:
        """Return the rows of some roles; their index is their place in the listing."""
        return self.listing.rows[self.listing.rows["role"].isin(roles)]

    def digest(self, *roles: str) -> str:
        """Return a digest of the videos of some roles: names, labels, and the contents that frames are made from."""
        rows = self.rows(*roles)
        contents = [self.frames.digest(place) for place in self.places[rows.index]]
        return manifest.text_digest([index.digest(self.listing._replace(rows=rows)), contents])


def set_up(request: Request, available: plugins.Plugins) -> Bench:
    """Resolve names, list and decode the videos.

    Raises:
        OsarbenchError: a name does not exist, data or weights are missing, or what is asked for does not go together.
    """
    if request.compile and request.recompute:
        raise OsarbenchError("--compile and --recompute do not go together: torch cannot compile recomputed blocks.")
    protocol = protocols.read(request.protocol)
    backbone = available.backbone(request.backbone)
    recipe, deviations = _recipe(request, protocol)
    if deviations and request.publish:
        stated = ", ".join(f"{key} = {value}" for key, value in deviations.items())
        raise OsarbenchError(
            f"The run deviates from the protocol '{protocol.name}' ({stated}), so it cannot enter the leaderboard. "
            "Leave out --publish, or the deviation; or write a protocol of your own that says so."
        )
    where = f"{protocol.file}: [backbones.{backbone.name}.options]"
    plugins.check_settings("backbone", backbone, recipe.options, where)
    fabric = make_fabric(request.device, request.devices, request.precision)
    built = backbone(**recipe.options)
    spec = protocols.clip_spec(built.clip, recipe.clips, str(protocol.file))
    network.check_clip(built, spec)
    listing = index.build(protocol, available, request.places)
    index.check_apart(listing)
    weights = _weights(request, recipe, built)
    if not request.train and weights is None:
        raise OsarbenchError("--no-train takes a trained network from a file: name it with --weights FILE.")
    if weights is not None:  # a file that is no good is known before decoding, which takes long
        built.load_weights(str(weights))
        if not request.train:
            network.published_head(built, str(weights), len(listing.classes))
    if listing.missing and fabric.is_global_zero:
        missing = f"{len(listing.missing)} of {len(listing.missing) + len(listing.rows)}"
        console.say(
            f"index: {missing} listed videos are not there, see {request.runs / protocol.name / 'missing.json'}"
        )
    cores = os.cpu_count() or 1
    frames = _decode(request, protocol, fabric, listing, spec, cores)
    folder = request.runs / protocol.name
    listing, places = _readable(listing, frames, protocol, folder, fabric)
    if fabric.is_global_zero:
        index.write(listing, folder / "index.csv", protocol)
    on_gpu = fabric.device.type == "cuda"
    workers = request.workers if request.workers is not None else (min(16, cores - 1) if on_gpu else 0)
    return Bench(
        request, protocol, recipe, fabric, listing, frames, places, backbone, spec, weights,
        Loading(workers, pin=on_gpu), deviations,
    )  # fmt: skip


def _recipe(request: Request, protocol: Protocol, head: str | None = None) -> tuple[Recipe, dict[str, Any]]:
    """Return the protocol's recipe with what the run overrides, and these deviations by name."""
    recipe = protocol.recipe(request.backbone, head)
    batch = None if request.batch_size == "auto" else request.batch_size
    stated = {"epochs": request.epochs, "batch_size": batch}
    changed: dict[str, Any] = {
        key: value for key, value in stated.items() if value not in (None, getattr(recipe.training, key))
    }
    deviations = dict(changed)
    if not request.train:
        deviations["training"] = f"none: {Path(str(request.weights)).name}"
    elif request.weights is not None and _are_others(request.weights, recipe.weights):
        deviations["weights"] = Path(request.weights).name
    training = replace(recipe.training, **changed)
    return recipe._replace(training=training), deviations


def _are_others(asked: str, named: str | None) -> bool:
    """Say whether weights that are asked for are others than the protocol names; a path says where those lie."""
    return asked != "none" if named is None else asked in ("none", *LIBRARIES)


def _weights(request: Request, recipe: Recipe, backbone: Backbone) -> Path | None:
    """Return the weights file to start from, downloaded if a library is named.

    Raises:
        OsarbenchError: the protocol names a file that is not there, or the file is another one.
    """
    if request.weights == "none":
        return None
    if request.weights in LIBRARIES:
        return backbone.fetch_weights(request.weights, request.places.cache / "weights")
    if recipe.weights is None:
        if request.weights is None:
            return None
        if Path(request.weights).is_dir():
            raise OsarbenchError(
                f"{request.weights} is a folder, and the protocol '{request.protocol}' names no file in it for the "
                f"backbone '{backbone.name}'. Name the file itself: --weights FILE."
            )
        if not Path(request.weights).is_file():
            raise OsarbenchError(f"There is no weights file {request.weights}.")
        return Path(request.weights)
    file = request.places.weights_file(recipe.weights)
    if file is None or not file.is_file():
        raise OsarbenchError(
            f"The protocol '{request.protocol}' starts from the weights file {recipe.weights}, which is not there. Say "
            "where it lies with --weights FILE, put it in weights/ in or beside the data folder, or train from scratch "
            "with --weights none."
        )
    if request.train and recipe.weights_sha256 not in (None, storage.sha256(file)):
        raise OsarbenchError(f"{file} is not the weights file that the protocol names: its sha256 differs.")
    return file


def _decode(
    request: Request, protocol: Protocol, fabric: Fabric, listing: index.Index, spec: ClipSpec, cores: int
) -> store.Store:
    sources = [
        store.Source(f"{source}/{name}", path, _number(start), _number(end))
        for source, name, path, start, end in listing.rows[["source", "video", "path", "start", "end"]].to_numpy()
    ]

    def prepare() -> store.Store:
        return store.prepare(
            sources, short_side=spec.short_side, middle=protocol.sections.middle_frames,
            folder=request.places.cache / "clips", workers=cores, kind=request.store,
        )  # fmt: skip

    # One process decodes; the others then find every shard.
    prepared = prepare() if fabric.is_global_zero else None
    fabric.barrier()
    return prepared or prepare()


def _readable(
    listing: index.Index, frames: store.Store, protocol: Protocol, folder: Path, fabric: Fabric
) -> tuple[index.Index, np.ndarray]:
    """Leave out unreadable videos, list them in ``skipped.json``, and stop if they are too many."""
    bad = dict(frames.unreadable)
    rows = listing.rows
    facts = rows.loc[list(bad), ["source", "video", "role", "path"]].to_dict("records")
    skipped = [{**fact, "reason": reason} for fact, reason in zip(facts, bad.values(), strict=True)]
    if fabric.is_global_zero:
        storage.write_text(folder / "skipped.json", json.dumps(skipped, indent=1) + "\n")
    if len(bad) > protocol.sections.max_unreadable * len(rows):
        first = "".join(f"\n  {video['path']}: {video['reason']}" for video in skipped[:5])
        raise OsarbenchError(
            f"{len(bad)} of {len(rows)} videos cannot be read, more than the protocol's max_unreadable = "
            f"{protocol.sections.max_unreadable:g}. All are listed in {folder / 'skipped.json'}, the first:{first}"
        )
    if bad:
        console.say(f"decode: {len(bad)} unreadable videos are left out, see {folder / 'skipped.json'}")
    keep = np.array([place not in bad for place in range(len(rows))])
    return listing._replace(rows=rows[keep].reset_index(drop=True)), np.flatnonzero(keep)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
