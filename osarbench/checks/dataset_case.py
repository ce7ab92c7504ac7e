"""A data set and its files, if present: what every check of data sets is given."""

import copy
import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path

from osarbench.checks.check import CheckFailed, CheckSkipped, title
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video


class DatasetCase:
    """A data set class, or an instance with a root and settings.

    Args:
        dataset: the class, or an instance; the instance is copied, never used.
        root: of a class: the folder with its files. An embedded data set is written to a temporary one.
    """

    def __init__(self, dataset: type[Dataset] | Dataset, root: Path | None = None) -> None:
        self.dataset = dataset
        self.cls = dataset if isinstance(dataset, type) else type(dataset)
        self.name = title(dataset)
        self.root = root

    def new(self, root: Path | None = None) -> Dataset:
        """Return a fresh instance at its root, or of a class at another one."""
        if not isinstance(self.dataset, type):
            return copy.deepcopy(self.dataset)
        return self.dataset(root or self.root or Path("no_such_folder") / str(self.cls.name))

    @cached_property
    def ready(self) -> Dataset:
        """An instance whose files are present.

        Raises:
            CheckSkipped: they are not, and no root was given.
            OsarbenchError: they are not, although a root was given.
        """
        if not isinstance(self.dataset, type) or self.root is not None:
            dataset = self.new()
        elif self.cls.embedded:
            folder = Path(tempfile.mkdtemp(prefix="osarbench-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            dataset = self.new(folder / str(self.cls.name))
        else:
            dataset = self.new()
            try:
                list(dataset.classes)
                list(dataset.splits)
                _ = [dataset.videos(split) for split in dataset.splits]
            except OsarbenchError as error:
                raise CheckSkipped(
                    "needs its files: say where they are (--data DIR, or check_dataset(Class, root))"
                ) from error
            return dataset
        dataset.prepare()
        return dataset

    @cached_property
    def listed(self) -> dict[str, list[Video]]:
        """The videos of every split."""
        found = {split: list(self.ready.videos(split)) for split in self.ready.splits}
        if not any(found.values()):
            raise CheckFailed("No split lists a video.")
        return found
