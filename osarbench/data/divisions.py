"""How the videos of a data set are divided: a recording is on one side only, and a draw leaves no class untested."""

from collections.abc import Collection, Sequence
from pathlib import Path

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.protocols.protocol import Protocol

Listed = tuple[str, str, Video, Path]  #: role, source, video and path
TRAINED = ("train", "calibration")


def recording(video: Video) -> str:
    """Return what a video was cut from, whatever it shows: its group without the class, where it begins with that.

    HMDB-51 has clips of one film in many classes; UCF-101's groups are of one class each.

    >>> recording(Video("sit/Glory_sit_f_nm_np1_le_med_0.avi", "sit", "sit/Glory"))
    'Glory'
    """
    return video.group.removeprefix(f"{video.label}/")


def check_drawn(protocol: Protocol) -> None:
    """Raise an `OsarbenchError` if a protocol has draws of classes, and none of them was chosen."""
    count = len(protocol.sections.draws)
    if count and protocol.draw is None:
        raise OsarbenchError(
            f"The protocol '{protocol.name}' has {count} draws of classes; name one of them with --draws."
        )


def checked(protocol: Protocol, listed: Sequence[Listed], classes: Sequence[str], known: Dataset) -> list[Listed]:
    """Return the videos that a protocol keeps, its draw checked.

    Args:
        protocol: of one draw, if it has draws.
        listed: the videos of all roles.
        classes: the known ones.
        known: the data set of the known videos.

    Raises:
        OsarbenchError: no test video of a class is left.
    """
    kept = recordings_apart(protocol, listed) if protocol.sections.recordings_apart else list(listed)
    if protocol.draw is not None:
        trained = {video.label for split in protocol.sections.known.train for video in known.videos(split)}
        check_draw(protocol, kept, classes, trained)
    return kept


def recordings_apart(protocol: Protocol, listed: Sequence[Listed]) -> list[Listed]:
    """Leave out test videos that were cut from a recording of which training, or calibration, has a part.

    Args:
        protocol: for messages.
        listed: the videos of all roles.

    Raises:
        OsarbenchError: no test video of a class is left.
    """
    trained = {_recorded(entry) for entry in listed if entry[0] in TRAINED}
    kept = [entry for entry in listed if entry[0] in TRAINED or _recorded(entry) not in trained]
    for role in ("known", "unknown"):
        lost = sorted(set(_labels(listed, role)) - set(_labels(kept, role)))
        if lost:
            raise OsarbenchError(
                f"{protocol.file}: without recordings that training has too (recordings_apart), no {role} test video "
                f"of {len(lost)} classes is left: {', '.join(lost[:5])}. Leave these classes out, or take other splits."
            )
    return kept


def check_draw(protocol: Protocol, listed: Sequence[Listed], classes: Sequence[str], trained: Collection[str]) -> None:
    """Refuse a draw that leaves a class without test videos, or nothing unknown.

    Args:
        protocol: of one draw.
        listed: the videos of all roles, whether or not their files are there.
        classes: the known ones.
        trained: all classes that could have been drawn: those with training videos.

    Raises:
        OsarbenchError: with the first such class.
    """
    excluded = {name for part in protocol.sections.unknown for name in part.exclude}
    stated = {name for part in protocol.sections.unknown for name in part.classes}
    left = {name for name in trained if name not in excluded and (not stated or name in stated)}
    known, unknown = set(_labels(listed, "known")), set(_labels(listed, "unknown"))
    lost = [("known", name) for name in classes if name not in known]
    lost += [("unknown", name) for name in sorted(left - unknown)]
    if lost or not unknown:
        what = f"the {lost[0][0]} class '{lost[0][1]}' without test videos" if lost else "no class unknown"
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise OsarbenchError(f"{protocol.file}: [[draws]] number {protocol.draw}, counted from 0, leaves {what}{more}.")


def _recorded(entry: Listed) -> tuple[str, str]:
    """Return the data set and the recording of a video."""
    return entry[1].partition("/")[0], recording(entry[2])


def _labels(listed: Sequence[Listed], role: str) -> list[str]:
    return [video.label for its, _, video, _ in listed if its == role]
