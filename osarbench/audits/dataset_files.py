"""The files of a data set that its lists do not name, and those that are one file by several names."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from osarbench.interfaces import layout
from osarbench.interfaces.dataset import VIDEO_SUFFIXES, Dataset

#: Suffixes of files that nobody takes for videos.
TEXTS = frozenset({".txt", ".csv", ".json", ".md", ".toml", ".xml", ".yaml", ".html", ".pdf"})


def surplus(dataset: Dataset, below: Sequence[Path], listed: Iterable[Path]) -> tuple[str, ...]:
    """Return the video files that no list names, as paths below the videos folder."""
    known = {str(path) for path in listed}
    videos = (file for file in below if file.suffix.lower() in VIDEO_SUFFIXES and str(file) not in known)
    return tuple(sorted(file.relative_to(dataset.videos_folder).as_posix() for file in videos))


def unknown(dataset: Dataset, below: Sequence[Path]) -> tuple[str, ...]:
    """Return the files that are no videos by their names and no lists either, as paths below the videos folder."""
    others = (file for file in below if file.suffix.lower() not in VIDEO_SUFFIXES | TEXTS)
    return tuple(sorted(file.relative_to(dataset.videos_folder).as_posix() for file in others))


def linked(files: Mapping[str, Path]) -> tuple[tuple[str, str], ...]:
    """Return (first id, other id) of videos whose files are one file. Pieces of a file have one path, and are none."""
    first: dict[tuple[int, int], tuple[str, Path]] = {}
    found = []
    for name, path in files.items():
        stat = path.stat()
        its, where = first.setdefault((stat.st_dev, stat.st_ino), (name, path))
        if where != path:
            found.append((its, name))
    return tuple(found)


def ambiguous(missing: Iterable[str], surplus: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    """Return (id, file, file) of missing videos of which several files have the name."""
    named: dict[str, list[str]] = {}
    for file in surplus:
        named.setdefault(Path(file).stem.casefold(), []).append(file)
    found = ((name, named.get(Path(name).stem.casefold(), [])) for name in missing)
    return tuple((name, files[0], files[1]) for name, files in found if len(files) > 1)


def describe_unknown(folder: Path, names: Sequence[str], shown: int) -> str:
    """Return a sentence on files that are no videos by their names: counts, the first of them, and what to do."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    some = f"Not taken for videos are {len(names)} files ({layout.describe_suffixes(names, shown)}): "
    commands = layout.unpack(folder / name for name in names)
    remedy = f"If they are, give them one of the suffixes {', '.join(sorted(VIDEO_SUFFIXES))}."
    unpack = [f"Unpack what is packed:  {command}" for command in commands]
    return "\n".join([f"{some}{', '.join(names[:shown])}{more}. {'' if unpack else remedy}".strip(), *unpack])
