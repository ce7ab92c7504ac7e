"""The files of a data set that its lists do not name, and those that are one file by several names."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from osarbench.interfaces.dataset import VIDEO_SUFFIXES, Dataset

#: Suffixes of files that nobody takes for videos.
TEXTS = frozenset({".txt", ".csv", ".json", ".md", ".toml", ".xml", ".yaml", ".html", ".pdf"})


def below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones left out."""
    for folder_path, folders, names in os.walk(folder, followlinks=True):
        # A link to a folder above has no end.
        here = Path(folder_path).resolve()
        folders[:] = [name for name in folders if not here.is_relative_to(Path(folder_path, name).resolve())]
        yield from (Path(folder_path, name) for name in names if not name.startswith("."))


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


def unpack(names: Sequence[str]) -> str:
    """Return how the first archive among some files is unpacked; nothing if there is none."""
    archive = next((name for name in names if name.lower().endswith((".rar", ".zip", ".tar", ".gz", ".7z"))), None)
    commands = {".rar": "unrar x", ".zip": "unzip", ".7z": "7z x"}
    if archive is None:
        return ""
    return f" Unpack what is packed: {commands.get(os.path.splitext(archive)[1].lower(), 'tar xf')} '{archive}'"


def describe_unknown(names: Sequence[str], shown: int) -> str:
    """Return a sentence on files that are no videos by their names: counts, the first of them, and what to do."""
    kinds = Counter(os.path.splitext(name)[1].lower() or "no suffix" for name in names)
    counts = ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(shown))
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return (
        f"Not taken for videos are {len(names)} files ({counts}): {', '.join(names[:shown])}{more}. If they are, give "
        f"them one of the suffixes {', '.join(sorted(VIDEO_SUFFIXES))}.{unpack(names)}"
    )
