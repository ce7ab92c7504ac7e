"""Checks of a data set."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from osarbench.checks.check import CheckFailed, CheckSkipped
from osarbench.checks.dataset_case import DatasetCase
from osarbench.checks.score_checks import check_constructor, check_name
from osarbench.data.video import UnreadableVideo, read_frames
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Video

MOST_TRIED = 1000  #: videos of a split among which an existing file is looked for
TEST_SPLITS = ("test", "val", "eval")


def named(case: DatasetCase) -> None:
    """It has a name fit for commands, folders and tables, and a layout that says how its folder must look."""
    check_name(case.cls)
    if not isinstance(getattr(case.cls, "layout", None), str) or not case.cls.layout.strip():
        raise CheckFailed("It has no layout: say where the files come from and how the folder must look.")


def default_construction(case: DatasetCase) -> None:
    """It can be constructed with a root that does not exist; settings are keyword arguments with defaults."""
    check_constructor(case.cls, first="root")
    if isinstance(case.dataset, type):
        case.dataset(Path("no_such_folder"))


def missing_folder_is_explained(case: DatasetCase) -> str:
    """Without its files it raises an OsarbenchError that names the folder or the layout, and nothing else."""
    if case.cls.embedded or not isinstance(case.dataset, type):
        raise CheckSkipped("it is embedded" if case.cls.embedded else "an instance has a root already")
    root = Path("no_such_folder") / case.name
    try:
        case.new(root).prepare()
    except OsarbenchError as error:
        if str(root) not in str(error) and case.cls.layout not in str(error):
            raise CheckFailed(f"The error names neither folder nor layout: {error}") from error
        message = str(error).splitlines()[0]
    else:
        raise CheckFailed("prepare() accepts a folder that does not exist. Leave it to Dataset.prepare.")
    try:
        for split in case.new(root).splits:
            case.new(root).videos(split)
    except OsarbenchError:
        pass
    return message


def classes_are_unique(case: DatasetCase) -> str:
    """Class names are unique non-empty strings in a fixed order."""
    classes = list(case.ready.classes)
    if not classes or any(not isinstance(name, str) or name != name.strip() or not name for name in classes):
        raise CheckFailed(f"Class names are {classes[:5]}...: empty, not strings, or with blanks around them.")
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise CheckFailed(f"The class '{twice[0]}' occurs twice.")
    if classes != list(case.ready.classes):
        raise CheckFailed("The classes come in a different order the second time. Sort them.")
    return f"{len(classes)} classes"


def splits_list_videos(case: DatasetCase) -> str:
    """Splits have unique names and list videos."""
    splits = list(case.ready.splits)
    if not splits or len(set(splits)) < len(splits) or any(not isinstance(name, str) or not name for name in splits):
        raise CheckFailed(f"The splits are {splits}: none, one twice, or one without a name.")
    return ", ".join(f"{split} {len(videos)}" for split, videos in case.listed.items())


def unknown_splits_are_refused(case: DatasetCase) -> None:
    """A split that does not exist is an OsarbenchError."""
    try:
        case.ready.videos("no_such_split")
    except OsarbenchError:
        return
    raise CheckFailed("videos('no_such_split') raises nothing. Call self.check_split(split) first.")


def same_list_each_time(case: DatasetCase) -> None:
    """A split lists the same videos in the same order each time, in a second instance too."""
    other = case.new(case.ready.root if isinstance(case.dataset, type) else None)
    for split, videos in case.listed.items():
        if list(case.ready.videos(split)) != videos:
            raise CheckFailed(f"'{split}' lists different videos the second time. Sort the files of a folder.")
        if isinstance(case.dataset, type) and not case.cls.embedded and list(other.videos(split)) != videos:
            raise CheckFailed(f"'{split}' lists different videos in a second instance. Sort the files of a folder.")


def ids_are_paths_below_the_videos(case: DatasetCase) -> None:
    """A video's id is a relative path with forward slashes that stays below the videos folder."""
    for split, video in _all(case):
        path = PurePosixPath(video.id)
        if not video.id or "\\" in video.id or path.is_absolute() or ".." in path.parts or Path(video.id).is_absolute():
            raise CheckFailed(f"The id '{video.id}' of '{split}' is not a relative path below the videos folder.")


def ids_are_unique(case: DatasetCase) -> None:
    """An id occurs once in a split, and means the same video in every split."""
    met: dict[str, Video] = {}
    for split, videos in case.listed.items():
        twice = [name for name, count in Counter(video.id for video in videos).items() if count > 1]
        if twice:
            raise CheckFailed(f"The video '{twice[0]}' is listed twice in '{split}'.")
        for video in videos:
            if met.setdefault(video.id, video) != video:
                raise CheckFailed(f"'{video.id}' is {met[video.id]} in one split and {video} in another.")


def labels_are_classes(case: DatasetCase) -> None:
    """Every label is one of the classes."""
    classes = set(case.ready.classes)
    for split, video in _all(case):
        if video.label not in classes:
            raise CheckFailed(f"The label '{video.label}' of '{video.id}' in '{split}' is none of the classes.")


def groups_belong_to_one_class(case: DatasetCase) -> str:
    """Every video has a group, a string that belongs to one class only."""
    owner: dict[str, str] = {}
    for _, video in _all(case):
        if not isinstance(video.group, str) or not video.group:
            raise CheckFailed(f"The video '{video.id}' has no group. If sources are not known, use its id.")
        if owner.setdefault(video.group, video.label) != video.label:
            raise CheckFailed(
                f"The group '{video.group}' is of '{owner[video.group]}' and of '{video.label}', so that holding out "
                "one would hold out the other. Put the class in front: f'{label}/{group}'."
            )
    return f"{len(owner)} groups"


def training_and_test_are_disjoint(case: DatasetCase) -> str:
    """No training split lists a video of the test split that belongs to it; shared groups are reported."""
    shared = []
    for train, test in _pairs(list(case.listed)):
        ids = {video.id for video in case.listed[train]} & {video.id for video in case.listed[test]}
        if ids:
            raise CheckFailed(f"{len(ids)} videos are in '{train}' and in '{test}', the first: {min(ids)}.")
        groups = {video.group for video in case.listed[train]} & {video.group for video in case.listed[test]}
        if groups:
            shared.append(f"{train} and {test} share {len(groups)} groups ({min(groups)} ...)")
    return "; ".join(shared)


def times_are_in_order(case: DatasetCase) -> None:
    """A video that is a part of its file starts at 0 or later and ends after its start."""
    for split, video in _all(case):
        start = 0.0 if video.start is None else video.start
        if start < 0 or (video.end is not None and video.end <= start):
            raise CheckFailed(f"'{video.id}' of '{split}' lasts from {video.start} to {video.end} seconds.")


def official_counts_are_kept(case: DatasetCase) -> str:
    """official_counts, if any, are of splits that it has; an embedded data set has as many videos."""
    counts = case.ready.official_counts
    stray = [split for split in counts if split not in case.ready.splits]
    if stray:
        raise CheckFailed(f"official_counts names the split '{stray[0]}', which does not exist.")
    other = [f"{split} {len(case.listed[split])} of {count}" for split, count in counts.items()
             if len(case.listed[split]) != count]  # fmt: skip
    if other and case.cls.embedded:
        raise CheckFailed(f"Its numbers of videos differ from official_counts: {', '.join(other)}.")
    return f"different from the official ones: {', '.join(other)}" if other else ""


def files_are_videos(case: DatasetCase) -> str:
    """Files are below the videos folder, and the first of each split can be decoded."""
    for split, video in _all(case):
        path = case.ready.path(video)
        if not path.is_relative_to(case.ready.videos_folder):
            raise CheckFailed(f"The file of '{video.id}' in '{split}' is {path}, not below its videos folder.")
        if case.cls.embedded and not path.is_file():
            raise CheckFailed(f"prepare() did not write {path}.")
    decoded = 0
    for split, videos in case.listed.items():
        found = next((video for video in videos[:MOST_TRIED] if case.ready.path(video).is_file()), None)
        if found is not None:
            try:
                read_frames(case.ready.path(found), [0], start=found.start, end=found.end)
            except UnreadableVideo as error:
                raise CheckFailed(f"The first video of '{split}' cannot be read: {error}") from error
            decoded += 1
    if not decoded:
        raise CheckSkipped("none of its files is present")
    return f"{decoded} decoded"


def preparing_again_changes_nothing(case: DatasetCase) -> None:
    """An embedded data set leaves files that exist as they are."""
    if not case.cls.embedded:
        raise CheckSkipped("it is not embedded")
    files = [case.ready.path(videos[0]) for videos in case.listed.values() if videos]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    case.ready.prepare()
    for file, old in zip(files, before, strict=True):
        if (file.read_bytes(), file.stat().st_mtime_ns) != old:
            raise CheckFailed(f"A second prepare() writes {file.name} again.")


def _all(case: DatasetCase) -> Iterator[tuple[str, Video]]:
    for split, videos in case.listed.items():
        for video in videos:
            yield split, video


def _pairs(splits: list[str]) -> Iterator[tuple[str, str]]:
    """Yield training and test splits that belong together: of the same number, where they are numbered."""

    def number(split: str) -> str:
        return "".join(letter for letter in split if letter.isdigit())

    for train in splits:
        for test in splits:
            if "train" in train and any(part in test for part in TEST_SPLITS) and number(train) == number(test):
                yield train, test


CHECKS = (
    named,
    missing_folder_is_explained,
    classes_are_unique,
    unknown_splits_are_refused,
    same_list_each_time,
    ids_are_paths_below_the_videos,
    ids_are_unique,
    labels_are_classes,
    groups_belong_to_one_class,
    training_and_test_are_disjoint,
    times_are_in_order,
    official_counts_are_kept,
    files_are_videos,
    preparing_again_changes_nothing,
)
