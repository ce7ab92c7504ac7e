"""The pipe: index, clips, train, extract, score, evaluate, each a function from files to a file, in a row."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from lightning_fabric import Fabric

from osarbench import __version__, console, extract, figures, index, manifest, metrics, network, plugins, score, store
from osarbench import protocol as protocols
from osarbench import table as tables
from osarbench.backbone import Backbone, ClipSpec
from osarbench.clips import Loading, TrainClips, ViewClips, as_labels, seeded
from osarbench.device import make_fabric
from osarbench.errors import OsarbenchError
from osarbench.method import Head, Method
from osarbench.places import Places
from osarbench.protocol import Protocol, Recipe
from osarbench.train import Trained, train

FORMAT = 1  # raise it when the same settings would give other numbers


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one `osarbench run` asks for. What is not stated here is the protocol's."""

    protocol: str
    backbone: str
    methods: tuple[str, ...]
    places: Places
    runs: Path = Path("runs")
    seed: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str | None = None  #: None: bf16-mixed on a GPU, 32-true elsewhere
    workers: int | None = None  #: None: none on a CPU, most cores with a GPU
    epochs: int | None = None  #: a deviation from the protocol, and recorded as one
    batch_size: int | None = None  #: likewise
    weights: str | None = None  #: "none", a file or a folder of files; None: what the protocol names
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: method -> settings of its constructor
    plugin_files: tuple[Path, ...] = ()
    store: str = "auto"
    redo: bool = False


class Entry(NamedTuple):
    """One finished method: where its files lie and what they say."""

    method: str
    folder: Path
    metrics: Mapping[str, Any]


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


def run(request: Request) -> list[Entry]:
    """Train, extract, score and evaluate; what stands from an earlier run with the same identity is reused.

    Raises:
        OsarbenchError: whatever the user can mend.
    """
    available = plugins.load(files=request.plugin_files)
    methods = [_method(available, request, name) for name in request.methods]
    bench = set_up(request, available)
    entries: list[Entry] = []
    for same_head in _by_head(methods):
        entries += _head(bench, same_head)
    return [entry for name in request.methods for entry in entries if entry.method == name]


def set_up(request: Request, available: plugins.Plugins) -> Bench:
    """Resolve names, list and decode the videos."""
    protocol = protocols.read(request.protocol)
    backbone = available.backbone(request.backbone)
    recipe, deviations = _recipe(request, protocol)
    where = f"{protocol.file}: [backbones.{backbone.name}.options]"
    plugins.check_settings("backbone", backbone, recipe.options, where)
    fabric = make_fabric(request.device, request.devices, request.precision)
    spec = protocols.clip_spec(backbone(**recipe.options).clip, recipe.clips, str(protocol.file))
    weights = _weights(request, recipe)
    listing = index.build(protocol, available, request.places)
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


def _recipe(request: Request, protocol: Protocol) -> tuple[Recipe, dict[str, Any]]:
    """Return the protocol's recipe with what the run overrides, and these deviations by name."""
    recipe = protocol.recipe(request.backbone)
    stated = {"epochs": request.epochs, "batch_size": request.batch_size}
    changed = {key: value for key, value in stated.items() if value not in (None, getattr(recipe.training, key))}
    deviations: dict[str, Any] = dict(changed)
    if request.weights == "none" and recipe.weights is not None:
        deviations["weights"] = "none"
    training = replace(recipe.training, **changed)
    return recipe._replace(training=training), deviations


def _weights(request: Request, recipe: Recipe) -> Path | None:
    """Return the weights file to start from.

    Raises:
        OsarbenchError: the protocol names a file that is not there, or the file is another one.
    """
    if request.weights == "none":
        return None
    if recipe.weights is None:
        if request.weights is None:
            return None
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
    if recipe.weights_sha256 not in (None, manifest.sha256(file)):
        raise OsarbenchError(f"{file} is not the weights file that the protocol names: its sha256 differs.")
    return file


def _decode(
    request: Request, protocol: Protocol, fabric: Fabric, listing: index.Index, spec: ClipSpec, cores: int
) -> store.Store:
    sources = [
        store.Source(f"{row.source}/{row.video}", row.path, _number(row.start), _number(row.end))
        for row in listing.rows.itertuples()
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
    skipped = [
        {"source": rows.at[place, "source"], "video": rows.at[place, "video"], "role": rows.at[place, "role"],
         "path": rows.at[place, "path"], "reason": reason}
        for place, reason in bad.items()
    ]  # fmt: skip
    if fabric.is_global_zero:
        with manifest.replacing(folder / "skipped.json") as temporary:
            temporary.write_text(json.dumps(skipped, indent=1) + "\n", encoding="utf-8")
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


def _head(bench: Bench, methods: Sequence[Method]) -> list[Entry]:
    """Train one head, extract its features, and score with every method that shares it."""
    head, settings = methods[0].head, methods[0].head_settings()
    mark = f".{manifest.text_digest(settings)}" if settings else ""
    trained = Trained(bench.folder / f"{head.name}{mark}-{bench.request.seed}")
    with _held(bench, trained.folder):
        identity = _train_identity(bench, head, settings)
        if not manifest.stands(trained.network, identity, redo=bench.request.redo):
            _train(bench, head, settings, trained, identity)
        built = _network(bench, head, settings)
        network.load(built, trained.network)
        roles: list[tuple[str, ...]] = [("calibration", "known", "unknown")]
        if any(score.learns(method) for method in methods) or bench.protocol.sections.threshold.source == "train":
            roles.append(("train",))
        features = {part: _extract(bench, built, trained, part) for part in roles}
        if not bench.fabric.is_global_zero:
            return []
        return [_score(bench, built, trained, method, features) for method in methods]


def _train(
    bench: Bench, head: type[Head], settings: Mapping[str, Any], trained: Trained, identity: manifest.Identity
) -> None:
    seeded(bench.request.seed)
    built = _network(bench, head, settings)
    if bench.weights is not None:
        built.backbone.load_weights(str(bench.weights))
    rows = _rows(bench, ("train",))
    labels = as_labels(rows["label"].tolist(), bench.listing.classes)
    clips = TrainClips(bench.frames, bench.places[rows.index], labels, bench.spec, bench.request.seed)
    train(
        bench.fabric, built, clips, bench.recipe.training, bench.loading,
        seed=bench.request.seed, into=trained, identity=identity,
    )  # fmt: skip


def _extract(bench: Bench, built: network.Network, trained: Trained, roles: tuple[str, ...]) -> Path:
    file = trained.folder / ("features-train.npy" if roles == ("train",) else "features.npy")
    rows = _rows(bench, roles)
    identity = {
        "format": FORMAT,
        "network": manifest.digest_of(trained.network),
        "videos": index.digest(bench.listing._replace(rows=rows)),
        "clips": asdict(bench.spec),
        "precision": bench.fabric._precision.precision,
    }
    if not manifest.stands(file, identity, redo=bench.request.redo):
        clips = ViewClips(bench.frames, bench.places[rows.index], bench.spec)
        batch = 4 * bench.recipe.training.batch_size
        extract.extract(bench.fabric, built, clips, bench.loading, batch=batch, file=file, identity=identity)
    return file


def _score(
    bench: Bench, built: network.Network, trained: Trained, method: Method, features: Mapping[tuple[str, ...], Path]
) -> Entry:
    """Score, evaluate and draw; these cost little, so they are made again whenever something differs."""
    built = built.cpu().eval()
    settings = bench.request.settings.get(method.name, {})
    folder = trained.folder / "".join([method.name, *(f",{key}={value}" for key, value in sorted(settings.items()))])
    scores = folder / ("scores.csv" if len(bench.listing.rows) < 20_000 else "scores.csv.gz")
    identity = {
        "format": FORMAT,
        "features": [manifest.digest_of(file) for file in features.values()],
        "method": _plugin(type(method), settings),
        "protocol": {"name": bench.protocol.name, "sha256": bench.protocol.sha256},
        "deviations": bench.deviations,
        "backbone": bench.backbone.name,
        "seed": bench.request.seed,
    }
    if not manifest.stands(scores, identity, redo=True):
        parts = []
        if ("train",) in features:
            train_rows = _rows(bench, ("train",))
            train_features = np.load(features["train",], mmap_mode="r")
            score.fit(method, built.head, train_features, as_labels(train_rows["label"].tolist(), bench.listing.classes))
            if bench.protocol.sections.threshold.source == "train":
                parts.append(score.table(method, built.head, train_features, train_rows, bench.listing))
        roles = ("calibration", "known", "unknown")
        parts.append(score.table(method, built.head, np.load(features[roles], mmap_mode="r"), _rows(bench, roles), bench.listing))
        with manifest.making(scores, identity) as temporary:
            tables.write(pd.concat(parts, ignore_index=True), temporary)
    return Entry(method.name, folder, evaluate(bench.protocol, scores, folder))


def evaluate(protocol: Protocol, scores: Path, folder: Path) -> dict[str, Any]:
    """Write ``metrics.json`` and ``scores.png`` for a scores table, unless they stand; return the metrics."""
    sections = protocol.sections
    contested = sorted({name for unknown in sections.unknown for name in unknown.contested})
    identity = {
        "osarbench": __version__, "scores": manifest.digest_of(scores), "threshold": asdict(sections.threshold),
        "openness": asdict(sections.openness), "contested": contested,
    }  # fmt: skip
    file = folder / "metrics.json"
    if not manifest.stands(file, identity, redo=True):
        rows = tables.read(scores)
        result = metrics.evaluate(
            rows, quantile=sections.threshold.quantile, threshold_from=sections.threshold.source,
            draws=sections.openness.draws, seed=sections.openness.seed, contested=contested,
        )  # fmt: skip
        with manifest.making(file, identity) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        with manifest.replacing(folder / "scores.png") as temporary:
            figures.draw(rows, temporary, title=f"{protocol.name}: {folder.name}")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _train_identity(bench: Bench, head: type[Head], settings: Mapping[str, Any]) -> dict[str, Any]:
    rows = _rows(bench, ("train",))
    return {
        "format": FORMAT,
        "protocol": bench.protocol.sha256,
        "videos": index.digest(bench.listing._replace(rows=rows)),
        "backbone": _plugin(bench.backbone, bench.recipe.options),
        "head": _plugin(head, settings),
        "clips": asdict(bench.spec),
        "training": asdict(bench.recipe.training),
        "weights": manifest.sha256(bench.weights) if bench.weights else None,
        "seed": bench.request.seed,
        "devices": bench.request.devices,
        "precision": bench.fabric._precision.precision,
    }


def _plugin(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    code = manifest.code_digest(plugins.code_files(kind))
    return {"name": getattr(kind, "name", kind.__name__), "code": code, "settings": dict(settings)}


def _network(bench: Bench, head: type[Head], settings: Mapping[str, Any]) -> network.Network:
    backbone = bench.backbone(**bench.recipe.options)
    return network.Network(
        backbone, head(backbone.dim, backbone.map_dim, len(bench.listing.classes), **settings), bench.spec
    )


def _rows(bench: Bench, roles: Sequence[str]) -> pd.DataFrame:
    """Return the rows of some roles; their index is their place in the listing."""
    return bench.listing.rows[bench.listing.rows["role"].isin(roles)]


def _method(available: plugins.Plugins, request: Request, name: str) -> Method:
    kind = available.method(name)
    settings = request.settings.get(name, {})
    plugins.check_settings("method", kind, settings, "--set")
    return kind(**settings)


def _by_head(methods: Sequence[Method]) -> Iterator[list[Method]]:
    groups: dict[str, list[Method]] = {}
    for method in methods:
        key = f"{method.head.__module__}.{method.head.__qualname__} {manifest.text_digest(method.head_settings())}"
        groups.setdefault(key, []).append(method)
    yield from groups.values()


@contextmanager
def _held(bench: Bench, folder: Path) -> Iterator[None]:
    if not bench.fabric.is_global_zero:
        yield
        return
    with manifest.only_one(folder, str(folder), console.say):
        yield


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)

