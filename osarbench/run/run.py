"""The pipe: train, extract, score, evaluate, each a function from files to a file, in a row."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench import __version__, console
from osarbench.artifacts import locks, manifest, storage
from osarbench.data.clips import as_labels
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.interfaces.method import Method
from osarbench.model.network import Network
from osarbench.model.train import Trained
from osarbench.plugins import loading as plugins
from osarbench.protocols.protocol import Protocol
from osarbench.reports import figures
from osarbench.run import heads, score
from osarbench.run.context import Bench, Request, set_up
from osarbench.scores import metrics
from osarbench.scores import table as tables


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
    request = dataclasses.replace(request, settings=_settings(available, request, names))
    methods = [made for name in names if (made := _made(available, request, name, failed)) is not None]
    if not methods:
        return []
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
    bench = bench.for_head(methods[0].head.name)
    want = heads.wanted(bench, methods)
    bench = heads.fitted(bench, want)
    with _held(bench, want.folder(bench)):
        built, trained = heads.ready(bench, want)
        roles: list[tuple[str, ...]] = [("calibration", "known", "unknown")]
        if any(score.needs_fit(method) for method in methods) or bench.protocol.sections.threshold.source == "train":
            roles.append(("train",))
        features = {part: heads.features(bench, built, trained, part) for part in roles}
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


def _score(
    bench: Bench, built: Network, trained: Trained, method: Method, features: Mapping[tuple[str, ...], Path]
) -> Entry:
    """Score, evaluate and draw; these cost little, so they are made again whenever something differs."""
    settings = bench.request.settings.get(method.name, {})
    folder = trained.folder / "".join([method.name, *map(_in_a_name, sorted(settings.items()))])
    scores = folder / ("scores.csv" if len(bench.listing.rows) < 20_000 else "scores.csv.gz")
    if not (score.needs_fit(method) or bench.protocol.sections.threshold.source == "train"):
        features = {roles: file for roles, file in features.items() if roles != ("train",)}
    identity = {
        "format": heads.FORMAT,
        "features": [manifest.digest_of(file) for file in features.values()],
        "method": heads.plugin_identity(type(method), settings),
        "protocol": {"name": bench.protocol.name, "sha256": bench.protocol.sha256},
        "deviations": bench.deviations,
        "backbone": bench.backbone.name,
        "seed": bench.request.seed,
    }
    if not manifest.is_fresh(scores, identity, redo=True):
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
            storage.write_text(folder / "diagnostics.json", json.dumps(facts, indent=1) + "\n")
        with manifest.write_artifact(scores, identity) as temporary:
            tables.write(pd.concat(parts, ignore_index=True), temporary)
    return Entry(method.name, folder, evaluate(bench.protocol, scores, folder), scores)


def evaluate(protocol: Protocol, scores: Path, folder: Path) -> dict[str, Any]:
    """Write ``metrics.json`` and ``scores.png`` for a scores table, unless they stand; return the metrics."""
    settings = metrics.settings_of(protocol)
    identity = {"osarbench": __version__, "scores": manifest.digest_of(scores), "settings": settings}
    file = folder / "metrics.json"
    if not manifest.is_fresh(file, identity, redo=True):
        rows = tables.read(scores)
        result = metrics.evaluate(rows, **settings)
        with manifest.write_artifact(file, identity) as temporary:
            temporary.write_text(result.to_json(), encoding="utf-8")
        with storage.atomic_write(folder / "scores.png") as temporary:
            figures.draw(rows, temporary, title=f"{protocol.name}: {folder.name}")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _settings(available: plugins.Plugins, request: Request, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the settings of methods as their constructors read them: 1 and 1.0 are one setting, and one entry."""
    for name in request.settings:
        if name not in names:
            raise OsarbenchError(f"--set {name}: this run has no method '{name}'.{did_you_mean(name, names)}")
    return {
        name: plugins.check_settings("method", available.method(name), settings, "--set")
        for name, settings in request.settings.items()
    }


def _made(available: plugins.Plugins, request: Request, name: str, failed: list[Failed] | None) -> Method | None:
    """Return a method with its settings; None if making it raised and others go on."""
    try:
        method = available.method(name)(**request.settings.get(name, {}))
        method.head_settings()
    except OsarbenchError:
        raise
    except Exception as error:
        error.add_note(f"osarbench: raised while the method '{name}' was made")
        if failed is None:
            raise
        failed.append(Failed(name, error))
        return None
    return method


def _in_a_name(setting: tuple[str, Any]) -> str:
    """Return a setting as a part of a folder's name; what may not stand in one is replaced by a digest."""
    stated = f",{setting[0]}={setting[1]}"
    return stated if re.fullmatch(r"[\w.,=+-]{1,60}", stated) else f",{setting[0]}={manifest.text_digest(setting[1])}"


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
    with locks.exclusive_lock(folder, str(folder), console.say):
        yield
