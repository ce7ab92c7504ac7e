"""Stage 2: videos become a frame store: decoded once and kept in packs, or decoded each time.

A store is a folder named by how its frames are made; in it, a video is found by the content of its file and by its
seconds. So a changed file or setting makes other frames, two protocols share what is equal, a file that is moved or
renamed stays what it was, and nothing stale can be read. This module imports no torch: it runs in decoding processes.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from osarbench import console
from osarbench.artifacts.storage import in_words, write_text
from osarbench.data import video
from osarbench.data.stores import codecs, contents, estimate, flow, making, packs, pruning, readers
from osarbench.data.stores.base import Entry, ListedStore, Recipe, Source
from osarbench.data.stores.decoding import DecodingStore
from osarbench.data.stores.making import Wanted
from osarbench.data.stores.packed import PackedStore
from osarbench.errors import OsarbenchError, unknown_name

__all__ = ["KINDS", "Entry", "Source", "Store", "cores", "is_complete", "outlook", "prepare"]

Store = ListedStore  #: what `prepare` returns
KINDS = ("auto", "raw", "jpeg", "none")
MANIFEST = pruning.MANIFEST
MEMO = "files.sqlite"  #: in the folder of the stores: what video files hold


def cores() -> int:
    """Return how many processes may decode at once on this machine."""
    return os.cpu_count() or 1


def prepare(
    sources: Sequence[Source], *, short_side: int, middle: int | None, folder: Path, workers: int, kind: str = "auto",
    quality: int = codecs.QUALITY,
) -> ListedStore:  # fmt: skip
    """Return a store of videos; what it lacks is decoded, one pack at a time, in `workers` processes.

    Args:
        sources: the videos.
        short_side: pixels to which the short side is scaled.
        middle: use only this many frames around the middle; None: all.
        folder: of the stores; it holds one for each way to make frames.
        workers: decoding processes; 1 decodes in this one.
        kind: "raw" keeps frames as they are, "jpeg" in a tenth of the space, "none" only counts them and finds
            unreadable files, "auto" takes the first of these that fits.
        quality: of JPEG, 1 to 100.

    Raises:
        OsarbenchError: there is no such kind, the folder cannot be written to, or the disk is full.
    """
    if kind not in KINDS:
        raise unknown_name("store", kind, KINDS)
    _check_folder(folder)
    known = contents.look([source.path for source in sources], folder / MEMO, workers)
    channels = _channels(sources)
    plans = (
        _Plan(sources, known, _recipe(its, short_side, middle, quality, channels), folder) for its in _in_turn(kind)
    )
    plan = _chosen(plans, workers, kind, folder)
    return _finished(plan, workers)


def is_complete(
    sources: Sequence[Source], *, short_side: int, middle: int | None, folder: Path, kind: str = "auto",
    quality: int = codecs.QUALITY,
) -> bool:  # fmt: skip
    """Say whether `prepare` with these arguments would find everything decoded; it decodes and writes nothing.

    Args:
        sources: the videos.
        short_side: as for `prepare`; so are the others.
        middle: frames around the middle.
        folder: of the stores.
        kind: of store.
        quality: of JPEG.
    """
    known = contents.look([source.path for source in sources], folder / MEMO, cores())
    channels = _channels(sources)
    recipes = (_recipe(its, short_side, middle, quality, channels) for its in _in_turn(kind))
    return any(not _Plan(sources, known, recipe, folder).lacking for recipe in recipes)


def outlook(
    sources: Sequence[Source], *, short_side: int, middle: int | None, folder: Path, workers: int, kind: str = "auto",
    quality: int = codecs.QUALITY,
) -> tuple[str, estimate.Estimate | None]:  # fmt: skip
    """Return the kind of store that `prepare` would fill with these arguments, and what that would take.

    It writes nothing but what is remembered of files, and decodes a third of a second's worth.

    Returns:
        The kind, and the estimate; None where nothing is lacking.
    """
    _check_folder(folder)
    known = contents.look([source.path for source in sources], folder / MEMO, workers)
    channels = _channels(sources)
    guess: estimate.Estimate | None = None
    for its in _in_turn(kind):
        plan = _Plan(sources, known, _recipe(its, short_side, middle, quality, channels), folder)
        if not plan.lacking:
            return its, None
        guess = guess or estimate.of([wanted.source for wanted in plan.lacking], short_side, middle, workers)
        if kind != "auto" or its == "none" or guess.fits(its, folder):
            return its, guess
    raise AssertionError("the last kind always fits")


class _Plan:
    """A store of one kind: what it has of some videos, and what it lacks."""

    def __init__(
        self, sources: Sequence[Source], known: Mapping[str, contents.Content], recipe: Recipe, folder: Path
    ) -> None:
        self.sources, self.recipe, self.folder = tuple(sources), recipe, folder / recipe.folder
        self.contents = [known[source.path] for source in sources]
        self.keys = [recipe.key(its.sha256, source) for its, source in zip(self.contents, sources, strict=True)]
        self.kept = read_all(self.folder)
        lacking = {
            key: Wanted(key, its.sha256, source)
            for key, its, source in zip(self.keys, self.contents, sources, strict=True)
            if its.reason is None and key not in self.kept
        }
        self.lacking = list(lacking.values())


class Kept(NamedTuple):
    """A video in a store."""

    entry: Entry
    pack: str  #: its name
    origin: str  #: sha256 of the file it was made from


def read_all(folder: Path) -> dict[str, Kept]:
    """Return all that is in a store, by key. A damaged pack is named, and what was in it is not in the store."""
    kept: dict[str, Kept] = {}
    for file in sorted(folder.glob("[!.]*.json")):
        if file.name == MANIFEST:
            continue
        try:
            listed = packs.read_list(file)
        except FileNotFoundError as error:
            console.say(f"decode: {error.filename} is missing: what was in it is decoded again")
        except packs.DamagedPack as error:
            console.say(f"decode: {error}: what was in it is decoded again")
        except OSError as error:
            raise OsarbenchError(
                f"{file} cannot be read: {error.strerror}. Use another disk with --cache DIR."
            ) from error
        else:
            kept |= {key: Kept(entry, file.stem, listed.origins[key]) for key, entry in listed.entries.items()}
    return kept


def _recipe(kind: str, short_side: int, middle: int | None, quality: int, channels: int) -> Recipe:
    versions = f"{video.decoder_version()}{codecs.encoder_version(kind)}"
    versions += flow.version() if channels == 2 else ""
    return Recipe(kind, short_side, middle, quality if kind == "jpeg" else None, versions, channels)


def _channels(sources: Sequence[Source]) -> int:
    """Return how many channels the frames of all videos have.

    Raises:
        OsarbenchError: some are of colours, some of flow.
    """
    found = {readers.of(source.path).channels for source in sources} or {3}
    if len(found) > 1:
        raise OsarbenchError("Some of the videos are read as flow and some as colours. State `flow` for all data sets.")
    return found.pop()


def _in_turn(kind: str) -> tuple[str, ...]:
    return ("raw", "jpeg", "none") if kind == "auto" else (kind,)


def _chosen(plans: Iterator[_Plan], workers: int, kind: str, folder: Path) -> _Plan:
    """Return the first plan that lacks nothing or fits, after saying what it will take."""
    guess: estimate.Estimate | None = None
    for plan in plans:
        if not plan.lacking:
            return plan
        if guess is None:
            its = [wanted.source for wanted in plan.lacking]
            guess = estimate.of(its, plan.recipe.short_side, plan.recipe.middle, workers)
        its_kind = plan.recipe.kind
        if kind != "auto" or its_kind == "none" or guess.fits(its_kind, folder):
            estimate.announce(guess, its_kind, folder, chosen=kind == "auto")
            return plan
    raise AssertionError("the last kind always fits")


def _finished(plan: _Plan, workers: int) -> ListedStore:
    """Make what a plan lacks, and return its store."""
    kept = dict(plan.kept)
    if plan.lacking:
        making.sweep(plan.folder)
        write_text(plan.folder / MANIFEST, json.dumps(plan.recipe._asdict(), indent=1) + "\n")
        for made in making.make_all(making.plan(plan.folder, plan.recipe, plan.lacking), workers):
            kept |= {key: Kept(entry, made.name, "") for key, entry in (made.entries or {}).items()}
        packs.forget()
    entries, files = [], []
    for key, its in zip(plan.keys, plan.contents, strict=True):
        found = kept.get(key) if its.reason is None else Kept(Entry(0, 0, 0, 0, its.reason), "", "")
        if found is None:
            raise OsarbenchError(f"Packs in {plan.folder} vanished while they were used. Run the same command again.")
        entries.append(found.entry)
        files.append(plan.folder / f"{found.pack}.pack" if found.entry.length else None)
    pruning.mark_used({file.with_suffix(".json") for file in files if file is not None})
    digests = tuple(
        plan.recipe.digest(its.sha256, source) for its, source in zip(plan.contents, plan.sources, strict=True)
    )
    if plan.recipe.kind == "none":
        return DecodingStore(plan.sources, tuple(entries), digests, plan.recipe)
    return PackedStore(plan.sources, tuple(entries), digests, plan.recipe, tuple(files))


def _check_folder(folder: Path) -> None:
    """Make the folder of the stores.

    Raises:
        OsarbenchError: it cannot be made, or a link on the way to it leads nowhere.
    """
    for parent in (folder, *folder.parents):
        if parent.is_symlink() and not parent.exists():
            raise OsarbenchError(
                f"{parent} is a link to {parent.readlink()}, where nothing is. Make that folder, or use --cache DIR."
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise in_words(folder, error) from error
