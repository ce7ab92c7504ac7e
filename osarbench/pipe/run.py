"""The pipe: train, extract, score, evaluate, each a function from files to a file, in a row."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from osarbench import __version__, console, manifest, metrics, plugins
from osarbench import table as tables
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.method import Head, Method, Progress
from osarbench.pipe import extract, memory, network, score
from osarbench.pipe.bench import Bench, Request, set_up
from osarbench.pipe.clips import TrainClips, ViewClips, as_labels, seeded
from osarbench.pipe.train import Trained, train
from osarbench.protocol import Protocol
from osarbench.reports import figures

FORMAT = 2  # raise it when the same settings would give other numbers


class Entry(NamedTuple):
    """One finished method: where its files lie and what they say."""

    method: str
    folder: Path
    metrics: Mapping[str, Any]
    scores: Path


class Failed(NamedTuple):
    """A method that raised, while others went on."""

    method: str
    error: Exception


def run(request: Request, *, failed: list[Failed] | None = None) -> list[Entry]:
    """Train, extract, score and evaluate; what stands from an earlier run with the same identity is reused.

    Args:
        request: what is asked for; the method "all-posthoc" stands for every post-hoc score.
        failed: if given, a method that raises is put there and the others go on; else the first error ends the run.

    Raises:
        OsarbenchError: whatever the user can mend.
    """
    available = plugins.load(files=request.plugin_files)
    names = available.expand(request.methods)
    for name in request.settings:
        if name not in names:
            raise OsarbenchError(f"--set {name}: this run has no method '{name}'.{did_you_mean(name, names)}")
    methods = [_method(available, request, name) for name in names]
    bench = set_up(request, available)
    entries: list[Entry] = []
    for same_head in _by_head(methods):
        try:
            entries += _head(bench, same_head, failed)
        except Exception as error:
            # the processes of a distributed run cannot tell each other that one of them goes on
            if failed is None or bench.fabric.world_size > 1:
                raise
            failed += [Failed(method.name, error) for method in same_head]
    return [entry for name in names for entry in entries if entry.method == name]


def _head(bench: Bench, methods: Sequence[Method], failed: list[Failed] | None) -> list[Entry]:
    """Train one head, extract its features, and score with every method that shares it."""
    head, settings = methods[0].head, methods[0].head_settings()
    bench = bench.for_head(head.name)
    settings = {**bench.recipe.head_settings, **settings}
    mark = f".{manifest.text_digest(settings)}" if settings else ""
    trained = Trained(bench.folder / f"{head.name}{mark}-{bench.request.seed}")
    with _held(bench, trained.folder):
        if bench.request.batch_size == "auto" and bench.fabric.device.type == "cuda":
            bench = _with_fitting_batch(bench, head, settings)
        identity = _train_identity(bench, head, settings)
        if not _stands(bench, trained.network, identity):
            _train(bench, head, settings, trained, identity)
        built = _network(bench, head, settings)
        network.load(built, trained.network)
        roles: list[tuple[str, ...]] = [("calibration", "known", "unknown")]
        if any(score.learns(method) for method in methods) or bench.protocol.sections.threshold.source == "train":
            roles.append(("train",))
        features = {part: _extract(bench, built, trained, part) for part in roles}
        if not bench.fabric.is_global_zero:
            return []
        built = built.cpu().eval()
        entries = []
        for method in methods:
            try:
                entries.append(_score(bench, built, trained, method, features))
            except Exception as error:
                if failed is None:
                    raise
                failed.append(Failed(method.name, error))
        return entries


def _train(
    bench: Bench, head: type[Head], settings: Mapping[str, Any], trained: Trained, identity: manifest.Identity
) -> None:
    seeded(bench.request.seed)
    built = _network(bench, head, settings)
    if bench.weights is not None:
        built.backbone.load_weights(str(bench.weights))
    if bench.request.recompute:
        memory.recompute_blocks(built.backbone)
    rows = bench.rows("train")
    labels = as_labels(rows["label"].tolist(), bench.listing.classes)
    clips = TrainClips(bench.frames, bench.places[rows.index], labels, bench.spec, bench.request.seed)
    train(
        bench.fabric, built, clips, bench.recipe.training, bench.loading,
        seed=bench.request.seed, into=trained, identity=identity,
    )  # fmt: skip


def _with_fitting_batch(bench: Bench, head: type[Head], settings: Mapping[str, Any]) -> Bench:
    """Return the bench with the largest batch size that a training step of this head fits into the GPU's memory."""
    training, size = bench.recipe.training, bench.spec.size
    built = _network(bench, head, settings).to(bench.fabric.device).train()
    if bench.request.recompute:
        memory.recompute_blocks(built.backbone)

    def attempt(batch: int) -> None:
        clips = torch.zeros(batch, 3, bench.spec.length, size, size, dtype=torch.uint8, device=bench.fabric.device)
        labels = torch.zeros(batch, dtype=torch.long, device=bench.fabric.device)
        with bench.fabric.autocast():
            _, terms = built(clips, labels, Progress(epoch=0, epochs=training.epochs, step=0))
        torch.autograd.backward(torch.stack(list(terms.values())).sum())

    batch = memory.fitting(training.batch_size, attempt)
    if batch == training.batch_size:
        return bench
    console.say(f"train: batches of {batch} instead of {training.batch_size} clips fit the memory of the GPU")
    recipe = bench.recipe._replace(training=replace(training, batch_size=batch))
    return replace(bench, recipe=recipe, deviations={**bench.deviations, "batch_size": batch})


def _extract(bench: Bench, built: network.Network, trained: Trained, roles: tuple[str, ...]) -> Path:
    file = trained.folder / ("features-train.npy" if roles == ("train",) else "features.npy")
    rows = bench.rows(*roles)
    identity = {
        "format": FORMAT,
        "network": manifest.digest_of(trained.network),
        "videos": bench.digest(*roles),
        "clips": asdict(bench.spec),
        "precision": bench.fabric._precision.precision,
    }
    if not _stands(bench, file, identity):
        clips = ViewClips(bench.frames, bench.places[rows.index], bench.spec)
        batch = 4 * bench.recipe.training.batch_size
        extract.extract(bench.fabric, built, clips, bench.loading, batch=batch, file=file, identity=identity)
    return file


def _stands(bench: Bench, file: Path, identity: manifest.Identity) -> bool:
    """Let the first process look and tell the others: they may look at different times, and must do the same."""
    answer: bool | str | None = None
    if bench.fabric.is_global_zero:
        try:
            answer = manifest.stands(file, identity, redo=bench.request.redo)
        except OsarbenchError as error:
            answer = str(error)
    answer = bench.fabric.broadcast(answer)
    if isinstance(answer, str):
        raise OsarbenchError(answer)
    return bool(answer)


def _score(
    bench: Bench, built: network.Network, trained: Trained, method: Method, features: Mapping[tuple[str, ...], Path]
) -> Entry:
    """Score, evaluate and draw; these cost little, so they are made again whenever something differs."""
    settings = bench.request.settings.get(method.name, {})
    folder = trained.folder / "".join([method.name, *(f",{key}={value}" for key, value in sorted(settings.items()))])
    scores = folder / ("scores.csv" if len(bench.listing.rows) < 20_000 else "scores.csv.gz")
    if not (score.learns(method) or bench.protocol.sections.threshold.source == "train"):
        features = {roles: file for roles, file in features.items() if roles != ("train",)}
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
            train_rows = bench.rows("train")
            train_features = np.load(features["train",], mmap_mode="r")
            score.fit(
                method, built.head, train_features, as_labels(train_rows["label"].tolist(), bench.listing.classes)
            )
            if bench.protocol.sections.threshold.source == "train":
                parts.append(score.table(method, built.head, train_features, train_rows, bench.listing))
        roles = ("calibration", "known", "unknown")
        rows, arrays = bench.rows(*roles), np.load(features[roles], mmap_mode="r")
        parts.append(score.table(method, built.head, arrays, rows, bench.listing))
        facts = score.diagnostics(method, built.head, arrays, rows)
        if facts:
            with manifest.replacing(folder / "diagnostics.json") as temporary:
                temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        with manifest.making(scores, identity) as temporary:
            tables.write(pd.concat(parts, ignore_index=True), temporary)
    return Entry(method.name, folder, evaluate(bench.protocol, scores, folder), scores)


def evaluate(protocol: Protocol, scores: Path, folder: Path) -> dict[str, Any]:
    """Write ``metrics.json`` and ``scores.png`` for a scores table, unless they stand; return the metrics."""
    settings = metrics.settings_of(protocol)
    identity = {"osarbench": __version__, "scores": manifest.digest_of(scores), "settings": settings}
    file = folder / "metrics.json"
    if not manifest.stands(file, identity, redo=True):
        rows = tables.read(scores)
        result = metrics.evaluate(rows, **settings)
        with manifest.making(file, identity) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        with manifest.replacing(folder / "scores.png") as temporary:
            figures.draw(rows, temporary, title=f"{protocol.name}: {folder.name}")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _train_identity(bench: Bench, head: type[Head], settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "protocol": bench.protocol.sha256,
        "videos": bench.digest("train"),
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
    if bench.request.compile:
        backbone.compile()
    return network.Network(
        backbone, head(backbone.dim, backbone.map_dim, len(bench.listing.classes), **settings), bench.spec
    )


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
