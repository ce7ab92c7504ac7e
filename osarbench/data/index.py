"""Stage 1: a protocol and data sets on disk become one list of videos with their roles."""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from osarbench.artifacts import manifest, storage
from osarbench.data import divisions, framed, shots
from osarbench.data.locations import Locations
from osarbench.data.shots import SHOT, Listed
from osarbench.data.stores import flow, readers
from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.interfaces import layout
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.plugins.loading import Plugins, check_settings
from osarbench.protocols.protocol import Known, Protocol, Unknown
from osarbench.scores import table

ROLES = (*table.ROLES, SHOT)
COLUMNS = ("role", "source", "video", "label", "group", "start", "end")


class Index(NamedTuple):
    """Every video a protocol uses and this machine has."""

    rows: pd.DataFrame  #: columns `COLUMNS` and `path`, in a fixed order
    classes: tuple[str, ...]  #: known classes; a label's index is its position here
    missing: tuple[tuple[str, str, str], ...]  #: (source, video, label) of listed videos whose file is not there


def build(
    protocol: Protocol, plugins: Plugins, locations: Locations, frames: str = "frames", *,
    is_there: Callable[[Path], bool] = readers.is_there,
) -> Index:  # fmt: skip
    """List the videos of a protocol: training, held-out calibration, known test and unknown.

    Args:
        protocol: whose videos.
        plugins: the data sets.
        locations: of their files.
        frames: the key in ``[data.NAME]`` that says where frames are (`Modality.frames`).
        is_there: whether a video's file is; where features are at hand instead of videos, it may always be so.

    Raises:
        OsarbenchError: a data set is not there or incomplete where the protocol needs it whole, a class does not
            exist, or a class name is known and unknown at once.
    """
    sections = protocol.sections
    divisions.check_drawn(protocol)
    known = open_dataset(protocol, plugins, locations, sections.known, frames)
    classes = _known_classes(sections.known, known)
    listed: list[Listed] = []
    for split in sections.known.train:
        wanted = [video for video in known.videos(split) if video.label in classes]
        held_out = hold_out(wanted, sections.known.calibration)
        for video in wanted:
            role = "calibration" if video.group in held_out else "train"
            listed.append((role, f"{known.name}/{split}", video, known.path(video)))
    for split in sections.known.test:
        for video in known.videos(split):
            if video.label in classes:
                listed.append(("known", f"{known.name}/{split}", video, known.path(video)))
    opened = {(sections.known.dataset, sections.known.folder): known}  # each is listed once
    for unknown in sections.unknown:
        if (key := (unknown.dataset, unknown.folder)) not in opened:
            opened[key] = open_dataset(protocol, plugins, locations, unknown, frames)
        listed += _unknown(protocol, unknown, opened[key], classes)
        if sections.few_shot.shots and sections.few_shot.splits:
            pool = replace(unknown, splits=sections.few_shot.splits)
            listed += [(SHOT, *its[1:]) for its in _unknown(protocol, pool, opened[key], classes)]
    listed = divisions.checked(protocol, listed, classes, known)
    return _present(protocol, listed, classes, list(opened.values()), is_there)


def open_dataset(
    protocol: Protocol, plugins: Plugins, locations: Locations, part: Known | Unknown, frames: str = "frames"
) -> Dataset:
    """Make a data set as a protocol describes it, and its files if it makes them itself.

    Args:
        protocol: which describes it.
        plugins: the data sets.
        locations: of their files.
        part: the protocol's section about it.
        frames: the key in ``[data.NAME]`` that says where frames are (`Modality.frames`).
    """
    try:
        kind = plugins.dataset(part.dataset)
    except OsarbenchError as error:
        raise OsarbenchError(f"{protocol.file}: {error}") from error
    settings = dict(protocol.sections.data.get(part.dataset, {}))
    template, plain = settings.pop("frames", None), kind
    where = f"{protocol.file}: [data.{part.dataset}]"
    if template is not None and (frames == "frames" or flow.is_computed(str(settings.get(frames, "dis")))):
        kind = framed.with_frames(kind, template, f"{where} frames")
    if frames != "frames":
        kind = framed.with_flow(kind, frames, settings, where)
    settings = {key: value for key, value in settings.items() if key not in ("flow", "warped_flow", "flow_bound")}
    check_settings("data set", kind, settings, where)
    root = locations.dataset(part.dataset, part.folder, embedded=kind.embedded)
    dataset = kind(root, **settings)
    (plain(root, **settings) if kind.embedded else dataset).prepare()  # it makes videos, whatever is read from them
    return dataset


def hold_out(videos: Sequence[Video], share: float) -> set[str]:
    """Return the groups to hold out of training: of each class about this share of the videos, in whole groups.

    Which groups is decided by a hash of their names, so that it depends on nothing but the data set. A class of one
    group keeps it.
    """
    by_class: dict[str, Counter[str]] = defaultdict(Counter)
    for video in videos:
        by_class[video.label][video.group] += 1
    held_out: set[str] = set()
    for groups in by_class.values():
        order = sorted(groups, key=lambda group: hashlib.sha256(group.encode()).digest())
        target, taken = share * groups.total(), 0
        for group in order[:-1]:
            # A group is taken if that brings the count nearer to the target.
            if taken + groups[group] / 2 > target:
                break
            held_out.add(group)
            taken += groups[group]
    return held_out


def write(index: Index, file: Path, protocol: Protocol) -> None:
    """Write ``index.csv`` and, next to it, ``missing.json``, each unless it is there already.

    Both are about this machine, so that what another had is replaced without a question.
    """
    by_source = Counter(source for source, _, _ in index.missing)
    content = {"count": len(index.missing), "by_source": by_source, "videos": index.missing}
    _write_if_other(file.with_name("missing.json"), json.dumps(content, indent=1) + "\n")
    identity = {"protocol": protocol.sha256, "videos": digest(index)}
    if manifest.is_fresh(file, identity, redo=True):
        return
    with manifest.write_artifact(file, identity) as temporary:
        index.rows[list(COLUMNS)].to_csv(temporary, index=False)


def _write_if_other(file: Path, text: str) -> None:
    try:
        there = file.read_bytes()
    except OSError:
        there = b""
    if there != text.encode():
        storage.write_text(file, text)


def digest(index: Index) -> str:
    """Return a digest of which videos have which role, wherever they are."""
    text = index.rows[list(COLUMNS)].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _known_classes(known: Known, dataset: Dataset) -> tuple[str, ...]:
    """Return the known classes: the protocol's, or all classes of the training splits in the data set's order."""
    _check_names(known.classes, dataset, "[known] classes, or a draw's")
    if known.classes:
        return known.classes
    trained = {video.label for split in known.train for video in dataset.videos(split)}
    return tuple(name for name in dataset.classes if name in trained)


def _unknown(protocol: Protocol, unknown: Unknown, dataset: Dataset, known: Sequence[str]) -> Iterable[Listed]:
    for field in ("classes", "exclude", "contested"):
        _check_names(tuple(getattr(unknown, field)), dataset, f"[[unknown]] {field}")
    for split in unknown.splits:
        for video in dataset.videos(split):
            if video.label in unknown.exclude or (unknown.classes and video.label not in unknown.classes):
                continue
            if video.label in known:
                raise OsarbenchError(
                    f"{protocol.file}: the class '{video.label}' is known and unknown at once (split '{split}' of "
                    f"'{dataset.name}'). Name it under [unknown.exclude] with the reason."
                )
            yield "unknown", f"{dataset.name}/{split}", video, dataset.path(video)


def _check_names(names: Iterable[str], dataset: Dataset, where: str) -> None:
    for name in names:
        if name not in dataset.classes:
            raise OsarbenchError(
                f"{where}: the data set '{dataset.name}' has no class '{name}'.{did_you_mean(name, dataset.classes)}"
            )


def _present(
    protocol: Protocol, listed: list[Listed], classes: tuple[str, ...], datasets: Sequence[Dataset],
    is_there: Callable[[Path], bool],
) -> Index:  # fmt: skip
    found = [is_there(path) for *_, path in listed]
    there = shots.assign(protocol, [entry for entry, is_found in zip(listed, found, strict=True) if is_found])
    missing = tuple(
        (source, video.id, video.label)
        for (_, source, video, _), is_found in zip(listed, found, strict=True)
        if not is_found
    )
    _check_any(listed, there, datasets)
    if missing and protocol.sections.complete:
        raise OsarbenchError(
            f"{len(missing)} of {len(listed)} videos of the protocol '{protocol.name}' are missing, the first: "
            f"{', '.join(f'{source} {video}' for source, video, _ in missing[:3])}. This protocol needs all of them: "
            "`osarbench data check NAME ROOT` lists what is missing."
        )
    _check_roles(protocol, listed, there, classes)
    rows = pd.DataFrame(
        [(role, source, *video[:3], video.start, video.end, str(path)) for role, source, video, path in there],
        columns=[*COLUMNS, "path"],
    )
    order = rows["role"].map(ROLES.index)
    rows = rows.iloc[order.argsort(kind="stable")].reset_index(drop=True)
    apart = rows[rows["role"] != SHOT] if protocol.sections.few_shot.take_out == "nothing" else rows
    twice = apart[apart.duplicated(["source", "video", "start"])]
    if len(twice):
        raise OsarbenchError(f"The video {twice.iloc[0]['video']} is listed twice in {twice.iloc[0]['source']}.")
    return Index(rows, classes, missing)


def _check_any(listed: list[Listed], there: list[Listed], datasets: Sequence[Dataset]) -> None:
    """Refuse a data set of which no video is there, with what is there instead."""
    names = {source.partition("/")[0] for _, source, _, _ in there}
    for dataset in datasets:
        if dataset.name not in names and any(source.partition("/")[0] == dataset.name for _, source, _, _ in listed):
            raise OsarbenchError(
                f"No video of the data set '{dataset.name}' is there.\n"
                f"{layout.side_by_side(dataset.root, dataset.layout)}"
            )


def check_apart(index: Index, *, shots_stay: bool = False) -> None:
    """Refuse an index that has one video twice: in training and in the test, or twice in the test.

    A file is itself whatever path leads to it, through links of either kind.

    Args:
        index: of a protocol.
        shots_stay: the protocol says that shots may be in the test.

    Raises:
        OsarbenchError: with the first such video. `build` lets them pass, so that they can be audited.
    """
    rows = index.rows[index.rows["role"] != SHOT] if shots_stay else index.rows
    rows = rows.assign(file=rows["path"].map(_itself))
    twice = rows[rows.duplicated(["file", "start", "end"], keep=False)].sort_values(["file", "start", "end"])
    if len(twice):
        first, second = twice.iloc[0], twice.iloc[1]
        raise OsarbenchError(
            f"{len(twice)} rows of the protocol's videos are of the same files, the first: {first['path']} is "
            f"{first['role']} ({first['source']}, {first['label']}) and {second['path']} is {second['role']} "
            f"({second['source']}, {second['label']}). Name splits that have no "
            "video in common; `osarbench data check` shows which do."
        )


def _itself(path: str) -> str:
    """Return what a file is, whatever its path."""
    try:
        stat = os.stat(path)
    except OSError:
        return path
    return f"{stat.st_dev}:{stat.st_ino}"


def _check_roles(protocol: Protocol, listed: list[Listed], there: list[Listed], classes: tuple[str, ...]) -> None:
    have = Counter((role, video.label) for role, _, video, _ in there)
    for role in ("train", "known"):
        empty = [name for name in classes if not have[role, name]]
        if empty:
            raise OsarbenchError(
                f"The protocol '{protocol.title}' finds no {'training' if role == 'train' else 'test'} video of "
                f"{len(empty)} of its {len(classes)} known classes: {', '.join(empty[:5])}."
                f"{_example(role, empty[0], listed)} Put them there, or use a protocol that does not need these "
                "classes."
            )
    if not any(role == "unknown" for role, *_ in there):
        raise OsarbenchError(
            f"The protocol '{protocol.name}' finds no unknown video.{_example('unknown', None, listed)} Look with "
            "`osarbench data check`."
        )


def _example(role: str, label: str | None, listed: list[Listed]) -> str:
    """Return where the first video of a role, and class, was looked for."""
    roles = ("train", "calibration") if role == "train" else (role,)
    paths = (path for its, _, video, path in listed if its in roles and label in (None, video.label))
    path = next(paths, None)
    return f" There is no {path}, for example." if path else " No list of these splits names one."
