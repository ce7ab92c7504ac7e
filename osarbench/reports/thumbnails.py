"""Pictures of videos: the middle frame as a small JPEG, where the video is at hand."""

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from osarbench import console
from osarbench.data.locations import Locations
from osarbench.errors import OsarbenchError, missing_library
from osarbench.interfaces.dataset import Dataset, Video
from osarbench.plugins.loading import Plugins
from osarbench.protocols.protocol import Known, Protocol, Unknown

Key = tuple[str, str]  #: source ("motion/test_swapped") and id of a video
_SHORT_SIDE = 112  # pixels


class Located(NamedTuple):
    """Where a video is, and the piece of the file it is, in seconds."""

    path: Path
    start: float | None = None
    end: float | None = None


def thumbnails(wanted: Iterable[Key], located: Mapping[Key, Located]) -> dict[Key, str]:
    """Return the middle frames of videos as data URIs; a video that cannot be read has none.

    Without the library that decodes videos none has one, which is reported: a page does without pictures.
    """
    if not located:
        return {}
    try:
        from osarbench.data import video
    except ModuleNotFoundError as error:
        missing = missing_library(error)
        if missing is None:
            raise
        console.say(f"osarbench: the page has no pictures of videos. {missing}")
        return {}
    found = {}
    for key in dict.fromkeys(wanted):
        one = located.get(key)
        if one is None:
            continue
        try:
            found[key] = f"data:image/jpeg;base64,{base64.b64encode(_middle(one)).decode()}"
        except video.UnreadableVideo:
            continue
    return found


def locate(wanted: Iterable[Key], datasets: Mapping[str, Dataset], data: Path | None) -> dict[Key, Located]:
    """Return where the wanted videos are, those that exist; nothing is made or downloaded.

    Args:
        wanted: sources and ids.
        datasets: by name, to be asked first.
        data: the folder of all data sets, in whose usual places videos of other data sets are looked for.
    """
    keys = list(dict.fromkeys(wanted))
    found: dict[Key, Located] = {}
    for source in dict.fromkeys(source for source, _ in keys):
        name, _, split = source.partition("/")
        listed = _listed(datasets[name], split) if name in datasets else {}
        for id_ in (id_ for other, id_ in keys if other == source):
            located = listed.get(id_) or _guess(data, name, id_)
            if located is not None and located.path.is_file():
                found[source, id_] = located
    return found


def datasets(protocol: Protocol, plugins: Plugins, locations: Locations) -> dict[str, Dataset]:
    """Return the data sets of a protocol by name, those whose plugin and folder are known."""
    found = {}
    used: list[Known | Unknown] = [protocol.sections.known, *protocol.sections.unknown]
    for part in used:
        try:
            kind = plugins.dataset(part.dataset)
            root = locations.dataset(part.dataset, part.folder, embedded=kind.embedded)
            found[part.dataset] = kind(root, **protocol.sections.data.get(part.dataset, {}))
        except OsarbenchError:  # pictures are optional: a report without them says so
            continue
    return found


def _listed(dataset: Dataset, split: str) -> dict[str, Located]:
    try:
        return {one.id: _located(dataset, one) for one in dataset.videos(split)}
    except OsarbenchError:
        return {}


def _located(dataset: Dataset, one: Video) -> Located:
    return Located(dataset.path(one), one.start, one.end)


def _guess(data: Path | None, name: str, id_: str) -> Located | None:
    """Look in the usual places: DATA/<data set>/videos, DATA/<data set>, DATA/videos, DATA."""
    folders = [] if data is None else [data / name / "videos", data / name, data / "videos", data]
    return next((Located(folder / id_) for folder in folders if _below(folder, folder / id_)), None)


def _below(folder: Path, file: Path) -> bool:
    """Return whether a file exists below the folder; its name comes from a scores table and is not trusted."""
    return ".." not in file.relative_to(folder).parts and file.is_file() if file.is_relative_to(folder) else False


def _middle(located: Located) -> bytes:
    """Return the middle frame of a video as JPEG.

    Raises:
        UnreadableVideo: with path and reason.
    """
    import av
    from av.video.stream import VideoStream

    from osarbench.data import video

    count = video.count_frames(located.path, start=located.start, end=located.end)
    frames = video.read_frames(
        located.path, [max(count, 1) // 2], short_side=_SHORT_SIDE, start=located.start, end=located.end
    )
    image = av.VideoFrame.from_ndarray(frames[0], format="rgb24")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as container:
        stream = container.add_stream("mjpeg", options={"flags": "+bitexact", "qmin": "4", "qmax": "6"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = image.width, image.height, "yuvj420p"
        for packet in (*stream.encode(image), *stream.encode()):
            container.mux(packet)
    return buffer.getvalue()
