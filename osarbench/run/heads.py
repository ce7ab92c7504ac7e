"""Stages 3 and 4 for one head: the network that methods share, trained or taken as published, and its features."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from osarbench import console
from osarbench.artifacts import manifest, storage
from osarbench.data.clips import TrainClips, ViewClips, as_labels, seeded
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head, Method, Progress
from osarbench.model import extract, memory, network
from osarbench.model.train import Trained, train
from osarbench.plugins import loading as plugins
from osarbench.run.context import Bench

FORMAT = 2  # raise it when the same settings would give other numbers


class Wanted(NamedTuple):
    """A head with its settings: what methods share."""

    head: type[Head]
    settings: Mapping[str, Any]

    def folder(self, bench: Bench) -> Path:
        """Return where its network and features lie."""
        mark = f".{manifest.text_digest(dict(self.settings))}" if self.settings else ""
        if not bench.request.train:
            assert bench.weights is not None
            mark += f".{storage.sha256(bench.weights)[:8]}"
        return bench.folder / f"{self.head.name}{mark}-{bench.request.seed}"


def wanted(bench: Bench, methods: Sequence[Method]) -> Wanted:
    """Return the head that some methods share, with the settings that protocol and methods give it."""
    head, settings = methods[0].head, methods[0].head_settings()
    return Wanted(head, {**bench.recipe.head_settings, **settings})


def fitted(bench: Bench, want: Wanted) -> Bench:
    """Return the bench with the largest batch size that fits the GPU's memory, if the run asks for that."""
    if not bench.request.train or bench.request.batch_size != "auto" or bench.fabric.device.type != "cuda":
        return bench
    training, size = bench.recipe.training, bench.spec.size
    built = _network(bench, want).to(bench.fabric.device).train()
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


def ready(bench: Bench, want: Wanted) -> tuple[network.Network, Trained]:
    """Return the trained network of a head; what stands from an earlier run with the same identity is reused.

    Raises:
        OsarbenchError: what stands was made with other settings, or training fails.
    """
    trained = Trained(want.folder(bench))
    identity = _identity(bench, want)
    try:
        if not stands(bench, trained.network, identity):
            (_train if bench.request.train else _adopt)(bench, want, trained, identity)
        built = _network(bench, want)
        network.load(built, trained.network)
    except OsarbenchError:
        raise
    except Exception as error:
        error.add_note(f"osarbench: raised while the head '{want.head.name}' was built or trained")
        raise
    return built, trained


def features(bench: Bench, built: network.Network, trained: Trained, roles: tuple[str, ...]) -> Path:
    """Return the file of features of the videos of some roles, [videos, views, D]."""
    file = trained.folder / ("features-train.npy" if roles == ("train",) else "features.npy")
    rows = bench.rows(*roles)
    identity = {
        "format": FORMAT,
        "network": manifest.digest_of(trained.network),
        "videos": bench.digest(*roles),
        "clips": asdict(bench.spec),
        "precision": bench.fabric._precision.precision,
    }
    if not stands(bench, file, identity):
        clips = ViewClips(bench.frames, bench.places[rows.index], bench.spec)
        batch = 4 * bench.recipe.training.batch_size
        extract.extract(bench.fabric, built, clips, bench.loading, batch=batch, file=file, identity=identity)
    return file


def plugin_identity(kind: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what identifies a plugin in a manifest: its name, code and settings."""
    code = manifest.code_digest(plugins.code_files(kind))
    return {"name": getattr(kind, "name", kind.__name__), "code": code, "settings": dict(settings)}


def stands(bench: Bench, file: Path, identity: manifest.Identity) -> bool:
    """Say whether a file stands. The first process looks and tells the others, which may look at another time."""
    answer: bool | str | None = None
    if bench.fabric.is_global_zero:
        try:
            answer = manifest.is_fresh(file, identity, redo=bench.request.redo)
        except OsarbenchError as error:
            answer = str(error)
    answer = bench.fabric.broadcast(answer)
    if isinstance(answer, str):
        raise OsarbenchError(answer)
    return bool(answer)


def _train(bench: Bench, want: Wanted, trained: Trained, identity: manifest.Identity) -> None:
    seeded(bench.request.seed)
    built = _network(bench, want)
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


def _adopt(bench: Bench, want: Wanted, trained: Trained, identity: manifest.Identity) -> None:
    """Take backbone and classifier from a file of weights, as they are."""
    assert bench.weights is not None
    built = _network(bench, want)
    built.backbone.load_weights(str(bench.weights))
    saved = network.published_head(built.backbone, str(bench.weights), len(bench.listing.classes))
    network.adopt(built.head, saved, str(bench.weights))
    if bench.fabric.is_global_zero:
        with manifest.write_artifact(trained.network, identity, device=str(bench.fabric.device)) as temporary:
            network.save(built, temporary)
        console.say(f"train: nothing, the network is that of {bench.weights.name}")
    bench.fabric.barrier()


def _identity(bench: Bench, want: Wanted) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "protocol": bench.protocol.sha256,
        "videos": bench.digest("train"),
        "backbone": plugin_identity(bench.backbone, bench.recipe.options),
        "head": plugin_identity(want.head, want.settings),
        "clips": asdict(bench.spec),
        "training": asdict(bench.recipe.training) if bench.request.train else None,
        "weights": storage.sha256(bench.weights) if bench.weights else None,
        "seed": bench.request.seed,
        "devices": bench.request.devices,
        "precision": bench.fabric._precision.precision,
    }


def _network(bench: Bench, want: Wanted) -> network.Network:
    backbone = bench.backbone(**bench.recipe.options)
    if bench.request.compile:
        backbone.compile()
    head = want.head(backbone.dim, backbone.map_dim, len(bench.listing.classes), **want.settings)
    return network.Network(backbone, head, bench.spec)
