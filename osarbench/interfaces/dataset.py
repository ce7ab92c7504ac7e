"""The data set interface: which videos exist in which split. It knows no tensors."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from osarbench.errors import OsarbenchError, did_you_mean

VIDEO_SUFFIXES = frozenset(
    {
        ".3g2", ".3gp", ".asf", ".avi", ".divx", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpe",
        ".mpeg", ".mpg", ".mts", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv",
    }
)  # fmt: skip


class Video(NamedTuple):
    """One video as its data set lists it, whether or not its file is there."""

    id: str  #: unique in its data set and stable for ever (tables are keyed by it): the path below the videos folder
    label: str  #: a class name of the data set
    group: str  #: clips cut from one source share it; unique across classes
    start: float | None = None  #: seconds into the file at which the action starts; None: the file's start
    end: float | None = None  #: seconds into the file at which it ends; None: the file's end


class Dataset(ABC):
    """A data set on disk, or one that makes itself.

    A subclass sets the class attributes and lists its videos. Settings are keyword arguments of its constructor, with
    defaults; a protocol sets them in its ``[data.NAME]`` section.

    Args:
        root: the folder that holds the data set (``videos/``, ``annotations/`` ...). It need not exist yet.
    """

    name: ClassVar[str]
    #: What to cite, as entries of BibTeX with a field a line: `osarbench cite`. Empty: nothing.
    bibtex: ClassVar[str] = ""
    #: Where the files come from and how the folder must look; printed when something is missing.
    layout: ClassVar[str]
    #: Split name -> number of videos in the official lists; empty where the data set has no official lists.
    official_counts: ClassVar[Mapping[str, int]] = {}
    #: ``owner/name`` of a copy on the Hugging Face Hub that `osarbench data get` downloads; empty: there is none.
    hub: ClassVar[str] = ""
    #: What to download from where, one step a line, for `osarbench data get`; `layout` is shown after it.
    steps: ClassVar[Sequence[str]] = ()
    #: Under which terms the videos are given.
    terms: ClassVar[str] = ""
    #: True if `prepare` makes the files, so that no folder has to be given.
    embedded: ClassVar[bool] = False

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]:
        """The class names, in the data set's official order."""

    @property
    @abstractmethod
    def splits(self) -> Sequence[str]:
        """The names that `videos` takes."""

    @abstractmethod
    def videos(self, split: str) -> list[Video]:
        """Return the videos listed in a split, in a fixed order, whether or not their files are there.

        Raises:
            OsarbenchError: there is no such split, or its list file is missing or malformed.
        """

    @property
    def videos_folder(self) -> Path:
        """The folder that holds every video file, at any depth."""
        return self.root / "videos"

    def path(self, video: Video) -> Path:
        """Return the path of a video's file."""
        return self.videos_folder / video.id

    def prepare(self) -> None:
        """Make the files, for a data set that makes itself (`embedded`); elsewhere only check that the root is there.

        Raises:
            OsarbenchError: the root is not there; the message says what to put where.
        """
        if not self.root.is_dir():
            raise OsarbenchError(
                f"The data set '{self.name}' is not at {self.root}: there is no such folder.{_hint(self.root)}\n"
                f"{self.layout}\nThe data folder (--data DIR, OSARBENCH_DATA, or `data` in the config file) must "
                f"contain '{self.root.name}/'."
            )

    def check_split(self, split: str) -> None:
        """Raise an `OsarbenchError` that names the nearest split if there is none of this name."""
        if split not in self.splits:
            raise OsarbenchError(
                f"The data set '{self.name}' has no split '{split}'.{did_you_mean(split, self.splits)} It has: "
                f"{', '.join(self.splits)}."
            )


def is_there(file: Path) -> bool:
    """Return whether a file is there.

    Raises:
        OsarbenchError: nobody can tell, for a folder above it may not be entered.
    """
    try:
        return file.is_file()
    except OSError as error:
        raise cannot_be_read(file.parent, error) from error


def cannot_be_read(path: Path, error: OSError) -> OsarbenchError:
    """Return the error for a folder or file that is there and may not be read."""
    return OsarbenchError(f"{path} cannot be read: {error.strerror}. Check its permissions and run this again.")


def _hint(root: Path) -> str:
    """Return what was probably meant by a root that is not there: the folder above, or one of nearly its name."""
    above = root.parent
    if (above / "videos").is_dir() or (above / "annotations").is_dir():
        return f" Did you mean the folder above, {above.parent}?"
    plain = {re.sub(r"[^a-z0-9]", "", folder.name.lower()): folder for folder in above.glob("*/")}
    near = plain.get(re.sub(r"[^a-z0-9]", "", root.name.lower()))
    return f" There is {near}; is that it? Then rename it, or make a link to it." if near else ""
