"""What is in a data set's folder, next to what the data set wants, and the command that leads from one to the other."""

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

MOST = 200_000  #: files that are looked at
SHOWN = 8  #: kinds of places that are shown
PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
_UNPACK = {
    ".rar": "unrar x {file} {folder}/",
    ".zip": "unzip -n {file} -d {folder}",
    ".7z": "7z x {file} -o{folder}",
    ".tar": "tar xf {file} -C {folder}",
    ".tgz": "tar xf {file} -C {folder}",
    ".gz": "tar xf {file} -C {folder}",
    ".bz2": "tar xf {file} -C {folder}",
    ".xz": "tar xf {file} -C {folder}",
}
_NUMBER = re.compile(r"^(?P<before>.*?)(?P<number>\d+)$")


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, sorted, hidden ones left out; a link to a folder above is not followed."""
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place).resolve()
        folders[:] = sorted(
            name for name in folders if not (name.startswith(".") or here.is_relative_to(Path(place, name).resolve()))
        )
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def side_by_side(root: Path, wanted: str) -> str:
    """Return what a data set wants and what is below its root, in lines under one another, and how that is mended.

    Args:
        root: of the data set.
        wanted: its `layout`.
    """
    files = [file.relative_to(root) for file in islice(files_below(root), MOST)]
    places: dict[str, list[Path]] = {}
    for file in files:
        places.setdefault(_place(file), []).append(file)
    most = sorted(places.items(), key=lambda entry: -len(entry[1]))
    lines = [f"{place}  ({len(its):,}: {its[0].as_posix()}{', ...' * (len(its) > 1)})" for place, its in most[:SHOWN]]
    lines += [f"and {len(most) - SHOWN} more kinds of places"] if len(most) > SHOWN else []
    shown = [f"  wanted  {line.strip()}" for line in wanted.splitlines()]
    shown += [f"  found   {line}" for line in lines or ["nothing"]]
    return "\n".join([f"The folder {root}:", *shown, *mend(root, files)])


def mend(root: Path, files: Sequence[Path]) -> list[str]:
    """Return sentences with the commands that make videos, or frames that can be read, of what is below a root.

    Args:
        root: of the data set.
        files: below it, as paths relative to it.
    """
    found = [f"Unpack what is packed:  {command}" for command in unpack(root / file for file in files)]
    picture = next((file for file in files if file.suffix.lower() in PICTURES and len(file.parts) > 2), None)
    numbered = _NUMBER.match(picture.stem) if picture is not None else None
    if picture is not None and numbered is not None:
        *above, label, name, _ = ["", *picture.parts]
        fields = "{id}" if label else "{name}"
        name = f"{numbered['before']}%0{len(numbered['number'])}d{picture.suffix}"
        template = "/".join([*filter(None, above), fields, name])
        found.append(f'Frames are read with this line in [data.NAME] of a protocol:  frames = "{template}"')
    return found


def unpack(files: Iterable[Path]) -> list[str]:
    """Return the commands that unpack archives next to themselves, one for each folder and kind."""
    kinds: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        if (suffix := file.suffix.lower()) in _UNPACK:
            kinds.setdefault((file.parent, suffix), []).append(file)
    commands = []
    for (folder, suffix), its in kinds.items():
        where = shlex.quote(str(folder))
        if len(its) == 1:
            commands.append(_UNPACK[suffix].format(file=shlex.quote(str(its[0])), folder=where))
        else:
            command = _UNPACK[suffix].format(file='"$archive"', folder=where)
            commands.append(f"for archive in {where}/*{its[0].suffix}; do {command}; done")
    return commands


def describe_suffixes(files: Iterable[Path | str], most: int = 4) -> str:
    """Return how many files of which suffix there are, the most frequent first: "3 of .jpg, 1 of no suffix"."""
    kinds = Counter(os.path.splitext(file)[1].lower() or "no suffix" for file in files)
    return ", ".join(f"{count} of {kind}" for kind, count in kinds.most_common(most))


def _place(file: Path) -> str:
    """Return the kind of place of a file: its top folder, a star for each folder below, and its suffix."""
    top, *inner = file.parts[:-1] or ("",)
    return "/".join([*filter(None, [top]), *("*" for _ in inner), f"*{file.suffix}"])
