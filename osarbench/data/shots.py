"""Few-shot unknowns: which videos of the unknown classes a few-shot method may learn from, and what leaves the test.

Shots are drawn by a hash of the protocol's seed and the names of sources and videos, so that a draw depends on nothing
else: of each class from as many sources as there are, one clip of each before a second of any. Clips of one source are
nearly the same video, so by default all clips of a shot's source leave the test.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Video
from osarbench.protocols.protocol import FewShot, Protocol

#: Role of a shot in an index. A scores table has no such rows.
SHOT = "shot"
Listed = tuple[str, str, Video, Path]  #: role, source, video and path


def assign(protocol: Protocol, there: Sequence[Listed]) -> list[Listed]:
    """Return the videos that are there with shots drawn: of the role `SHOT`, and out of the test where they were in it.

    Args:
        protocol: says how many.
        there: where it names splits to draw from, these videos have the role `SHOT` already.

    Raises:
        OsarbenchError: an unknown class has too few videos, or would have none left to test.
    """
    few = protocol.sections.few_shot
    if not few.shots:
        return list(there)
    pool, tested = ([its for its in there if its[0] == role] for role in (SHOT if few.splits else "unknown", "unknown"))
    others = [its for its in there if its[0] not in (SHOT, "unknown")]
    by_class: dict[str, list[Listed]] = defaultdict(list)
    for its in pool:
        by_class[its[2].label].append(its)
    classes = sorted({its[2].label for its in tested})
    drawn = [its for label in classes for its in _draw(protocol, label, by_class[label])]
    kept = [its for its in tested if _key(its, few) not in {_key(shot, few) for shot in drawn}]
    if few.take_out == "nothing":
        kept = tested
    empty = sorted(set(classes) - {its[2].label for its in kept})
    if empty:
        raise OsarbenchError(
            f"{protocol.file}: [few_shot] shots = {few.shots} leaves no test video of {len(empty)} of {len(classes)} "
            f"unknown classes, the first is {empty[0]}. Draw fewer, or from other splits"
            + (', or take out the shots alone: take_out = "video".' if few.take_out == "source" else ".")
        )
    return [*others, *kept, *((SHOT, *its[1:]) for its in drawn)]


def _draw(protocol: Protocol, label: str, videos: Sequence[Listed]) -> list[Listed]:
    few = protocol.sections.few_shot
    if len(videos) < few.shots:
        raise OsarbenchError(
            f"{protocol.file}: [few_shot] shots = {few.shots}, and the unknown class {label} has {len(videos)} videos "
            "to draw from."
        )
    by_source: dict[str, list[Listed]] = defaultdict(list)
    for its in sorted(videos, key=lambda its: _place(few.seed, its[1], its[2].id)):
        by_source[its[2].group].append(its)
    sources = sorted(by_source, key=lambda group: _place(few.seed, label, group))
    rounds = zip_longest(*(by_source[group] for group in sources))
    return [its for of_round in rounds for its in of_round if its is not None][: few.shots]


def _place(seed: int, *names: str) -> bytes:
    return hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()


def _key(its: Listed, few: FewShot) -> tuple[str, str]:
    """Return what leaves the test together: videos by their name, or by their class and source."""
    _, source, video, _ = its
    return (video.label, video.group) if few.take_out == "source" else (source.partition("/")[0], video.id)
