"""Motion: an embedded data set of moving sprites that only time tells apart, as real video files in UCF-101's layout."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from osarbench import hookimpl, manifest
from osarbench.dataset import Dataset, Video
from osarbench.errors import OsarbenchError

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
#: Split -> its list in annotations/; ids of classes stand in the training list alone, as in UCF-101.
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
        root: a cache folder; videos of other settings or of another version of the renderer lie beside each other.
        scene_bias: the share of a class's training groups that show its preferred scene; the others show any scene.
        seed: of everything drawn.
        train_per_class: training videos of each known class.
        test_per_class: videos of each known class in each half of the test.
        near_per_class, far_per_class: videos of each unknown class.
        clips_per_group: clips that share scene, sprite and colours.
        size: pixels; side of a frame.
        frames: of a video.
    """

    name = "motion"
    layout = "It makes itself: `videos/<Class>/v_<Class>_gXX_cYY.avi` and lists in `annotations/`, as in UCF-101."
    embedded = True

    def __init__(
        self,
        root: Path,
        *,
        scene_bias: float = 0.5,
        seed: int = 0,
        train_per_class: int = 80,
        test_per_class: int = 24,
        near_per_class: int = 40,
        far_per_class: int = 40,
        clips_per_group: int = 4,
        size: int = 36,
        frames: int = 16,
    ) -> None:
        if not 0 <= scene_bias <= 1:
            raise OsarbenchError(f"[data.motion] scene_bias = {scene_bias} is wrong: it is a share, from 0 to 1.")
        self.scene_bias, self.seed, self.clips_per_group, self.size, self.frames = (
            scene_bias, seed, clips_per_group, size, frames
        )  # fmt: skip
        self.per_class = {
            "train": train_per_class,
            "test_matched": test_per_class,
            "test_swapped": test_per_class,
            "near": near_per_class,
            "far": far_per_class,
        }
        code = manifest.code_digest([Path(__file__), Path(renderer.__file__)])
        super().__init__(Path(root) / manifest.text_digest([code, vars(self)]))

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
        """Render and encode what is missing or damaged; a second process waits for the first."""
        with manifest.only_one(self.root, "the data set 'motion'"):
            digests = _read_digests(self.root / "manifest.json")
            made = dict(self._make(digests))
            if made:
                with manifest.replacing(self.root / "manifest.json") as temporary:
                    temporary.write_text(json.dumps(digests | made, indent=1) + "\n", encoding="utf-8")

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, in the order of its list."""
        self.check_split(split)
        file = self.root / "annotations" / LISTS[split]
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise OsarbenchError(f"{file} cannot be read: {error.strerror}. `prepare` makes it.") from error
        return [_video(line.split()[0]) for line in lines]

    def _make(self, digests: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Make each file that is not what its digest says; yield their paths below the root and digests."""
        plan = list(self._plan())
        for name, text in _lists(plan):
            if not _intact(self.root / name, digests.get(name)):
                yield name, _write(self.root / name, text.encode())
        for entry in plan:
            name = f"videos/{entry.id}"
            if not _intact(self.root / name, digests.get(name)):
                images = renderer.render(entry.shot, size=self.size, frames=self.frames)
                yield name, _write(self.root / name, renderer.encode(images, rate=RATE))

    def _plan(self) -> Iterator["_Entry"]:
        """Decide what every video shows."""
        for place, label in enumerate(self.classes):
            group = 0
            for split in LISTS:
                if label in CLASSES[split]:
                    for first, scene in self._scenes(split, label):
                        group += 1
                        for clip in range(1, 1 + min(self.clips_per_group, self.per_class[split] - first)):
                            shot = renderer.Shot(
                                motion=label,
                                scene=scene,
                                look=(self.seed, place, group),
                                take=(self.seed, place, group, clip),
                            )
                            yield _Entry(split, f"{label}/v_{label}_g{group:02}_c{clip:02}.avi", shot)

    def _scenes(self, split: str, label: str) -> Iterator[tuple[int, str]]:
        """Yield, for each group of a class in a split, the number of its first video and its scene."""
        starts = range(0, self.per_class[split], self.clips_per_group)
        generator = random.Random(f"{self.seed} {split} {label}")
        preferred = SCENES[KNOWN.index(label)] if label in KNOWN else ""
        others = [scene for scene in SCENES if scene != preferred]
        generator.shuffle(others)
        if split == "test_matched":
            scenes = [preferred] * len(starts)
        elif split == "test_swapped":
            scenes = others
        else:
            # As evenly as numbers allow, so that the bias is what it says in small data sets too.
            biased = round(self.scene_bias * len(starts)) if split == "train" else 0
            every = generator.sample(SCENES, len(SCENES))
            scenes = [preferred] * biased + [every[place % len(every)] for place in range(len(starts) - biased)]
            generator.shuffle(scenes)
        for place, first in enumerate(starts):
            yield first, scenes[place % len(scenes)]


class _Entry(NamedTuple):
    split: str
    id: str
    shot: renderer.Shot


def _lists(plan: Iterable[_Entry]) -> Iterator[tuple[str, str]]:
    """Yield path below the root and text of each list file."""
    ids = {label: place for place, label in enumerate(KNOWN + NEAR + FAR, start=1)}
    yield "annotations/classInd.txt", "".join(f"{place} {label}\n" for label, place in ids.items())
    plan = list(plan)
    for split, name in LISTS.items():
        listed = [entry for entry in plan if entry.split == split]
        ends = [f" {ids[entry.shot.motion]}" if split == "train" else "" for entry in listed]
        yield f"annotations/{name}", "".join(f"{entry.id}{end}\n" for entry, end in zip(listed, ends, strict=True))


def _video(path: str) -> Video:
    """Return the video of ``<Class>/v_<Class>_gXX_cYY.avi``."""
    label, file = path.split("/")
    return Video(id=path, label=label, group=file.removeprefix("v_").rpartition("_")[0])


def _read_digests(file: Path) -> dict[str, str]:
    """Return the digests of the files that were made; none if `prepare` was killed, and all are made again."""
    try:
        digests = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _intact(file: Path, digest: str | None) -> bool:
    try:
        return digest is not None and sha256(file.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _write(file: Path, content: bytes) -> str:
    """Write a file whole or not at all and return its digest."""
    with manifest.replacing(file) as temporary:
        temporary.write_bytes(content)
    return sha256(content).hexdigest()


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer motion."""
    return [Motion]
