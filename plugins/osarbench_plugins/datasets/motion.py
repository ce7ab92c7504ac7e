"""Motion: sprites that only time tells apart, rendered once and encoded to video files in UCF-101's layout."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from osarbench import console, hookimpl
from osarbench.artifacts import locks, storage
from osarbench.artifacts.code import Code
from osarbench.digests import text_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video

from . import _motion_render as renderer

KNOWN = (
    "MoveLeft",
    "MoveRight",
    "MoveUp",
    "MoveDown",
    "TurnClockwise",
    "TurnCounterclockwise",
    "Grow",
    "Shrink",
)
NEAR = ("Orbit", "Zigzag", "Bounce", "Diagonal", "Pulse", "Swing")
FAR = ("Flicker", "Snow", "Ripple", "Dissolve")
#: The scenes that the known classes prefer, in their order.
SCENES = ("bricks", "checker", "clouds", "columns", "diagonals", "dots", "rings", "stripes")
RATE = 12  # frames a second
#: Split -> its classes.
CLASSES = {"train": KNOWN, "test_matched": KNOWN, "test_swapped": KNOWN, "near": NEAR, "far": FAR}
#: Split -> its list in annotations/; ids of classes are in the training list alone, as in UCF-101.
LISTS = {
    "train": "trainlist01.txt",
    "test_matched": "testlist01.txt",
    "test_swapped": "testlist01_swapped.txt",
    "near": "nearlist01.txt",
    "far": "farlist01.txt",
}


class Motion(Dataset):
    """Eight known motions in pairs of opposites, six near and four far unknown classes, rendered and encoded once.

    Which member of a pair a video shows can be told from the order of its frames alone. The scene tells too, as much
    as `scene_bias` says: that is what ``test_matched`` and ``test_swapped`` measure. Near: other motions of such
    sprites in such scenes. Far: other textures that flicker, ripple and the like, without sprite.

    Args:
        root: a cache folder; videos of other settings or of another version of the renderer are side by side.
        scene_bias: share of a class's training groups that show its preferred scene; the others show every scene
            equally often.
        seed: of everything that is drawn.
        train_per_class: training videos of each known class.
        test_per_class: videos of each known class in each half of the test.
        near_per_class, far_per_class: videos of each unknown class.
        clips_per_group: clips that share scene, sprite and colours and differ in start, speed, distractors and camera.
        size: pixels; side of a frame, even.
        frames: of a video.

    Raises:
        OsarbenchError: a setting is out of its range.
    """

    name = "motion"
    layout = "It makes itself: `videos/<Class>/v_<Class>_gXX_cYY.avi` and lists in `annotations/`, as in UCF-101."
    embedded = True

    def __init__(
        self,
        root: Path,
        *,
        scene_bias: float = 0.7,
        seed: int = 0,
        train_per_class: int = 120,
        test_per_class: int = 32,
        near_per_class: int = 40,
        far_per_class: int = 30,
        clips_per_group: int = 4,
        size: int = 48,
        frames: int = 16,
    ) -> None:
        self.scene_bias, self.seed, self.clips_per_group = scene_bias, seed, clips_per_group
        self.size, self.frames = size, frames
        self.per_class = {
            "train": train_per_class,
            "test_matched": test_per_class,
            "test_swapped": test_per_class,
            "near": near_per_class,
            "far": far_per_class,
        }
        if not 0 <= scene_bias <= 1:
            raise OsarbenchError(f"[data.motion] scene_bias = {scene_bias} is wrong: it is a share, from 0 to 1.")
        if min(*self.per_class.values(), clips_per_group, frames, size) < 1 or size % 2:
            raise OsarbenchError("[data.motion] numbers of videos, clips and frames are at least 1, `size` is even.")
        code = Code((), (Path(__file__), Path(renderer.__file__))).digest
        super().__init__(Path(root) / text_digest([code, vars(self)]))

    @property
    def classes(self) -> Sequence[str]:
        """The known classes, then the near and the far unknown ones."""
        return KNOWN + NEAR + FAR

    @property
    def splits(self) -> Sequence[str]:
        """Training, two halves of the known test, near and far unknown."""
        return tuple(LISTS)

    @property
    def official_counts(self) -> Mapping[str, int]:  # type: ignore[override]
        """What the settings ask for."""
        return {split: len(CLASSES[split]) * count for split, count in self.per_class.items()}

    def prepare(self) -> None:
        """Render and encode what is missing or damaged; a second process waits for the first.

        Raises:
            OsarbenchError: a file cannot be written.
        """
        # A manifest of all files instead of one next to each: a run that is killed starts again, which takes seconds.
        with locks.exclusive_lock(self.root, "the data set 'motion'", console.say):
            record = self.root / "manifest.json"
            digests, plan = _read_digests(record), self._plan()
            made = {name: text.encode() for name, text in _lists(plan).items()}
            made = {name: text for name, text in made.items() if not self._intact(name, digests)}
            todo = [entry for entry in plan if not self._intact(entry.file, digests)]
            for name, text in made.items():
                digests[name] = self._write(name, text)
            for entry in console.counted(todo, "render", len(todo), "videos") if todo else ():
                images = renderer.render(entry.shot, size=self.size, frames=self.frames)
                digests[entry.file] = self._write(entry.file, renderer.encode(images, rate=RATE))
            if made or todo:
                with storage.atomic_write(record) as temporary:
                    temporary.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, in the order of its list.

        Raises:
            OsarbenchError: there is no such split, or `prepare` was not called.
        """
        self.check_split(split)
        file = self.root / "annotations" / LISTS[split]
        if not file.is_file():
            raise OsarbenchError(f"The data set 'motion' has not been made in {self.root} yet: call prepare().")
        return [_video(line.split()[0]) for line in file.read_text(encoding="utf-8").splitlines()]

    def _plan(self) -> list["_Entry"]:
        """Decide what every video shows."""
        plan: list[_Entry] = []
        groups: Counter[str] = Counter()
        for split, label in ((name, label) for name in LISTS for label in CLASSES[name]):
            count = self.per_class[split]
            starts = range(0, count, self.clips_per_group)
            bias = self.scene_bias if split == "train" else 0.0
            scenes = _scenes(split, label, len(starts), bias, random.Random(f"{self.seed} {split} {label}"))
            for start, scene in zip(starts, scenes, strict=True):
                groups[label] += 1
                for clip in range(1, 1 + min(self.clips_per_group, count - start)):
                    plan.append(_entry(split, label, scene, (self.seed, groups[label], clip)))
        return plan

    def _intact(self, name: str, digests: Mapping[str, str]) -> bool:
        file = self.root / name
        return name in digests and file.is_file() and storage.sha256(file) == digests[name]

    def _write(self, name: str, content: bytes) -> str:
        """Write a file and return its digest. Nothing is synced: what a crash leaves is found by its digest."""
        file = self.root / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except OSError as error:
            raise OsarbenchError(
                f"{file} cannot be written: {error.strerror}. Make room there, or choose another cache folder with "
                "OSARBENCH_CACHE, and run the same command again."
            ) from error
        return sha256(content).hexdigest()


class _Entry(NamedTuple):
    """One video to be made."""

    split: str
    id: str
    shot: renderer.Shot

    @property
    def file(self) -> str:
        return f"videos/{self.id}"


def _entry(split: str, label: str, scene: str, position: tuple[int, int, int]) -> _Entry:
    """Return the entry of (seed, group, clip). Clips of a group draw their look from the same seed."""
    seed, group, clip = position
    kind = (KNOWN + NEAR + FAR).index(label)
    shot = renderer.Shot(motion=label, scene=scene, look=(seed, kind, group), take=(seed, kind, group, clip))
    return _Entry(split, f"{label}/v_{label}_g{group:02}_c{clip:02}.avi", shot)


def _scenes(split: str, label: str, count: int, bias: float, generator: random.Random) -> list[str]:
    """Return the scenes of so many groups, spread as evenly as numbers allow, so that the bias is exact."""
    preferred = SCENES[KNOWN.index(label)] if label in KNOWN else ""
    if split == "test_matched":
        return [preferred] * count
    some = [scene for scene in SCENES if scene != preferred or split != "test_swapped"]
    generator.shuffle(some)
    biased = round(bias * count)
    scenes = [preferred] * biased + [some[position % len(some)] for position in range(count - biased)]
    generator.shuffle(scenes)
    return scenes


def _lists(plan: Sequence[_Entry]) -> dict[str, str]:
    """Return path below the root and text of each list file."""
    ids = {label: position for position, label in enumerate(KNOWN + NEAR + FAR, start=1)}
    texts = {"annotations/classInd.txt": "".join(f"{position} {label}\n" for label, position in ids.items())}
    for split, name in LISTS.items():
        listed = [entry for entry in plan if entry.split == split]
        ends = [f" {ids[entry.shot.motion]}" if split == "train" else "" for entry in listed]
        texts[f"annotations/{name}"] = "".join(f"{entry.id}{end}\n" for entry, end in zip(listed, ends, strict=True))
    return texts


def _video(path: str) -> Video:
    """Return the video of ``<Class>/v_<Class>_gXX_cYY.avi``."""
    label, file = path.split("/")
    return Video(id=path, label=label, group=file.removeprefix("v_").rpartition("_")[0])


def _read_digests(file: Path) -> dict[str, str]:
    """Return the digests of the files that are there; none if they were never made to the end."""
    try:
        digests = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer motion."""
    return [Motion]
