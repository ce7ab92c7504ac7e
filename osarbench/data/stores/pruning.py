"""The stores of a cache as a whole: what is in them, whether it is intact, and what nothing uses any more."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from osarbench import console
from osarbench.artifacts.locks import claim
from osarbench.artifacts.storage import atomic_write
from osarbench.data import video
from osarbench.data.stores import codecs, contents, making, packs
from osarbench.data.stores.base import Recipe

MANIFEST = "store.json"  #: in a store: how its frames are made


class Checked(NamedTuple):
    """What is in one store."""

    folder: Path
    recipe: Recipe
    videos: int
    bytes: int
    damaged: tuple[str, ...]  #: what is damaged, a line each


def stores(folder: Path) -> Iterator[tuple[Path, Recipe]]:
    """Yield the stores of a cache, with how they were made."""
    for file in sorted(folder.glob(f"*/{MANIFEST}")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            yield file.parent, Recipe(**json.loads(file.read_text(encoding="utf-8")))


def check(folder: Path) -> list[Checked]:
    """Read every byte of the stores of a cache, and compare it with its checksum."""
    return [_check(store, recipe) for store, recipe in stores(folder)]


def mark_used(lists: Iterable[Path]) -> None:
    """Note that packs were used today: their JSON files get today's time."""
    for file in lists:
        with contextlib.suppress(OSError):  # a cache that may only be read
            if time.time() - file.stat().st_mtime > 3600:
                os.utime(file)


def prune(folder: Path, memo: Path, *, unused_for: float | None, dry: bool) -> int:
    """Remove frames that nothing uses, and return their bytes.

    These are the frames of videos that are gone or were changed, of another version of the decoder, the encoder or the
    format, those that no run has used for some time, and what killed processes left.

    Args:
        folder: of the stores.
        memo: where it is remembered which file has which content.
        unused_for: days; None: however long.
        dry: only count.
    """
    alive = contents.forget(memo)
    freed = _remove([*folder.glob("*.bin"), *folder.glob("*.json")], dry=dry)  # an earlier format's
    for store in [path.parent for path in folder.glob(f"*/{MANIFEST}")]:
        recipe = dict(stores(folder)).get(store)
        if recipe is None or not _is_current(recipe, store):
            freed += _remove(store.rglob("*"), dry=dry)
            if not dry:
                shutil.rmtree(store, ignore_errors=True)
            continue
        if not dry:
            making.sweep(store)
        for file in _lists(store):
            freed += _prune_pack(file, alive, unused_for, dry=dry)
    return freed


def _check(store: Path, recipe: Recipe) -> Checked:
    videos, size, damaged = 0, 0, []
    for file in console.bar(_lists(store), f"check {store.name}", len(_lists(store)), "packs"):
        try:
            listed = packs.read_list(file)
        except (packs.DamagedPack, OSError) as error:
            damaged.append(str(error))
            continue
        videos, size = videos + len(listed.entries), size + listed.bytes
        for key, entry in listed.entries.items():
            if entry.length and listed.bytes:
                try:
                    packs.Records(file.with_suffix(".pack"), entry).check()
                except (packs.DamagedPack, OSError) as error:
                    damaged.append(f"{error} (video {key})")
    return Checked(store, recipe, videos, size, tuple(damaged))


def _lists(store: Path) -> list[Path]:
    return sorted(file for file in store.glob("[!.]*.json") if file.name != MANIFEST)


def _is_current(recipe: Recipe, store: Path) -> bool:
    versions = f"{video.decoder_version()}{codecs.encoder_version(recipe.kind)}"
    return recipe.versions == versions and recipe.folder == store.name


def _prune_pack(file: Path, alive: set[str] | None, unused_for: float | None, *, dry: bool) -> int:
    """Remove a pack, or what of it nothing uses; a pack that somebody is making is left alone."""
    pack = file.with_suffix(".pack")
    with claim(file.parent / file.stem) as held:
        if not held:
            return 0
        try:
            listed = packs.read_list(file)
            old = unused_for is not None and time.time() - file.stat().st_mtime > unused_for * 86_400
        except (packs.DamagedPack, OSError):
            return _remove([pack, file], dry=dry)
        used = {key for key, its in listed.origins.items() if not old and (alive is None or its in alive)}
        if not used:
            return _remove([pack, file], dry=dry)
        if len(used) == len(listed.entries):
            return 0
        dead = sum(entry.bytes for key, entry in listed.entries.items() if key not in used)
        if not dry:
            _keep(file, listed, used)
        return dead


def _keep(file: Path, listed: packs.Listed, used: set[str]) -> None:
    """Write a pack with some of its videos only, under another name, before the old one goes."""
    new = file.with_name(f"{making.name_of(sorted(used))}.json")
    entries, total = {}, 0
    if listed.bytes:
        with atomic_write(new.with_suffix(".pack")) as temporary, temporary.open("wb") as pack:
            for key in (key for key in listed.entries if key in used):
                entry = listed.entries[key]
                if entry.length:
                    records = packs.Records(file.with_suffix(".pack"), entry)
                    writer = packs.Writer(pack)
                    for index in range(entry.length):
                        writer.add(records.read(index).data)
                    entry = writer.end(entry)
                entries[key] = entry
            total = pack.tell()
    else:
        entries = {key: entry for key, entry in listed.entries.items() if key in used}
    packs.write_list(new, packs.Listed(entries, {key: listed.origins[key] for key in entries}, total))
    _remove([file.with_suffix(".pack"), file], dry=False)


def _remove(files: Iterable[Path], *, dry: bool) -> int:
    freed = 0
    for file in list(files):
        with contextlib.suppress(OSError):
            if file.is_file():
                freed += file.stat().st_size
                if not dry:
                    file.unlink()
    return freed
