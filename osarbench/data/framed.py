"""Data sets whose frames are kept in another form than videos: one line of a protocol says where."""

import string
from pathlib import Path
from typing import Any

from osarbench.data.stores import flow, pictures
from osarbench.errors import OsarbenchError, unknown_name
from osarbench.interfaces.dataset import Dataset, Video

FIELDS = ("id", "name", "label", "start", "end")


def with_frames(kind: type[Dataset], template: Any, where: str) -> type[Dataset]:
    """Return a data set whose videos are read from what a template says, below its root.

    ``frames = "jpg/{label}/{name}/frames.db"`` in ``[data.NAME]`` of a protocol; fields are ``{id}`` (the video's id
    without its suffix), ``{name}`` (the last part of it), ``{label}``, and the seconds ``{start:06d}`` and
    ``{end:06d}`` of a piece that was cut before. `osarbench.data.stores.pictures` says what may be there.

    Args:
        kind: the data set.
        template: the value in the protocol.
        where: of it, for messages.

    Raises:
        OsarbenchError: it is no text, has another field, leaves the root, or names a form that is not known.
    """
    wanted = 'Write for example "frames/{id}/img_%05d.jpg", "jpg/{label}/{name}/frames.db" or "h5/{id}.h5".'
    if not isinstance(template, str):
        raise OsarbenchError(f"{where} is no text. {wanted}")
    try:
        shown = Path(template.format(id="i", name="n", label="l", start=0, end=0))
        fields = {field for _, field, _, _ in string.Formatter().parse(template) if field}
    except (KeyError, IndexError, ValueError) as error:
        raise OsarbenchError(f"{where}: '{template}' may have the fields {', '.join(FIELDS)}. {wanted}") from error
    if shown.is_absolute() or ".." in shown.parts or pictures.reader_of(str(shown)) is None or not fields:
        raise OsarbenchError(f"{where}: '{template}' is not a place of frames below the data set's folder. {wanted}")
    return _class(kind, template, cut="start" in fields or "end" in fields)


def with_flow(kind: type[Dataset], key: str, settings: dict[str, Any], where: str) -> type[Dataset]:
    """Return a data set whose videos are read as optical flow; the keys that say how are taken from its settings.

    ``flow = "tvl1/{id}/flow_{axis}_%05d.jpg"`` is where its pictures are, ``flow_bound`` the pixels a frame
    that 0 and 255 stand for in them; ``flow = "dis"`` (the default), "tvl1" or "farneback" says how it is computed.

    Args:
        kind: the data set, with its frames.
        key: "flow", or "warped_flow", which is not computed.
        settings: ``[data.NAME]``.
        where: it is, for messages.

    Raises:
        OsarbenchError: a value is wrong, or warped flow has no place.
    """
    value, bound = settings.pop(key, "dis" if key == "flow" else None), settings.pop("flow_bound", flow.BOUND)
    if isinstance(bound, bool) or not isinstance(bound, int | float) or not bound > 0:
        raise OsarbenchError(f"{where} flow_bound = {bound!r} is wrong: it is pixels a frame, more than 0.")
    example = 'Write for example "tvl1/{id}/flow_{axis}_%05d.jpg".'
    if not isinstance(value, str):
        raise OsarbenchError(f"{where} needs a key '{key}' that says where the pictures of flow are. {example}")
    if flow.is_computed(value):
        if value not in flow.METHODS or key != "flow":
            raise unknown_name("flow", value, flow.METHODS if key == "flow" else ())
        return _added(kind, f"{flow.COMPUTED}{value},{bound:g}")
    if not any(axis in value for axis in ("{axis}", "{uv}")):
        raise OsarbenchError(f"{where} {key} = '{value}' lacks {{axis}}, which stands for x and y. {example}")
    escaped = value.replace("{axis}", "{{axis}}").replace("{uv}", "{{uv}}")
    found = with_frames(kind, escaped, f"{where} {key}")
    return found if bound == flow.BOUND else _added(found, f"#b={bound:g}")


def _added(kind: type[Dataset], more: str) -> type[Dataset]:
    """Return a data set whose paths have something added."""

    class Marked(kind):  # type: ignore[misc, valid-type]  # the class is only known when it runs
        __doc__ = kind.__doc__

        def path(self, video: Video) -> Path:
            return Path(f"{super().path(video)}{more}")

    Marked.__module__ = kind.__module__
    Marked.__name__ = Marked.__qualname__ = kind.__name__
    return Marked


def _class(kind: type[Dataset], template: str, *, cut: bool) -> type[Dataset]:
    class Framed(kind):  # type: ignore[misc, valid-type]  # the class is only known when it runs
        __doc__ = kind.__doc__
        _seconds: dict[str, tuple[float | None, float | None]]

        def videos(self, split: str) -> list[Video]:
            found: list[Video] = super().videos(split)
            if not cut:
                return found
            self.__dict__.setdefault("_seconds", {}).update({its.id: (its.start, its.end) for its in found})
            return [its._replace(start=None, end=None) for its in found]

        def path(self, video: Video) -> Path:
            start, end = self.__dict__.get("_seconds", {}).get(video.id, (None, None))
            plain = video.id.partition("#t=")[0]
            stem = plain.removesuffix(Path(plain).suffix) if Path(plain).suffix[1:].isalnum() else plain
            below = template.format(
                id=stem, name=Path(stem).name, label=video.label, start=int(start or 0), end=int(end or 0)
            )
            return Path(self.root, below)

    Framed.__module__ = kind.__module__
    Framed.__name__ = Framed.__qualname__ = kind.__name__
    return Framed
