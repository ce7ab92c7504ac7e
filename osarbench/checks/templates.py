"""The templates of `osarbench new`: working plugins, to be edited. Placeholders look like ``$name``."""

from typing import NamedTuple

METHOD = '''\
"""$title (Author et al., VENUE YEAR, arXiv:NUMBER): say in one line what it is."""

$imports


class $cls(Method):
    """Say how a video is scored; the defaults of the settings are the published values.

    Args:
        temperature: of the logits.
    """

    name = "$name"
    posthoc = True  # it needs no training of its own; delete this line if you set a head

    def __init__(self, *, temperature: float = 1.0) -> None:
        self.temperature = temperature

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return minus the log-sum-exp of the logits [N]; put your own score here, higher for unknown videos."""
        logits = outputs.logits.double() / self.temperature  # [N, K]
        return -self.temperature * logits.logsumexp(dim=1)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer $name."""
    return [$cls]
'''

METHOD_TEST = '''\
"""$title: the checks of every method, and its formula."""

$imports


@pytest.mark.parametrize("check", osarbench.testing.checks("method"), ids=str)
def test_it_passes_every_check(check: osarbench.testing.Check) -> None:
    check($cls)


def test_the_score_of_a_hand_made_video() -> None:
    logits = torch.tensor([[[0.0, 0.0]]])  # one video, one view, two classes
    outputs = Outputs(torch.zeros(1, 1, 4), logits, LinearHead(4, 4, 2))
    found = $cls().uncertainty(outputs)
    torch.testing.assert_close(found, -torch.tensor([2.0]).double().log())
'''

BACKBONE = '''\
"""$title (Author et al., VENUE YEAR, arXiv:NUMBER): say in one line what it is."""

$imports


class $cls(Backbone):
    """Three 3D convolutions; put your own network here.

    Args:
        width: channels of the first one.
    """

    name = "$name"
    clip = ClipSpec(frames=8, stride=2, short_side=128, size=112, test_size=112)

    def __init__(self, *, width: int = 32) -> None:
        super().__init__()
        self.dim = self.map_dim = 4 * width
        self.layers = nn.Sequential(_layer(3, width), _layer(width, 2 * width), _layer(2 * width, 4 * width))

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to maps [N, C, T, H / 8, W / 8] and their mean [N, C]."""
        maps = self.layers(clips)
        return Features(maps.mean(dim=(2, 3, 4)), maps)


def _layer(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, 3, stride=(1, 2, 2), padding=1, bias=False),
        nn.BatchNorm3d(outputs),
        nn.ReLU(),
    )


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer $name."""
    return [$cls]
'''

BACKBONE_TEST = '''\
"""$title: the checks of every backbone, and its size."""

$imports


@pytest.mark.parametrize("check", osarbench.testing.checks("backbone"), ids=str)
def test_it_passes_every_check(check: osarbench.testing.Check) -> None:
    check($cls(width=8))


def test_it_has_as_many_parameters_as_published() -> None:
    assert sum(parameter.numel() for parameter in $cls().parameters()) == 279_520
'''

DATASET = '''\
"""$title (Author et al., VENUE YEAR, arXiv:NUMBER): say in one line what it is."""

$imports


class $cls(Dataset):
    """Say what its classes, splits and groups are. Lists are the official ones, read as they are."""

    name = "$name"
    layout = "It wants videos/<class>/* and annotations/{train,test}.txt, of which each line is <class>/<video>."
    splits = ("train", "test")

    @cached_property
    def classes(self) -> Sequence[str]:
        """The class names in alphabetical order."""
        return tuple(sorted({line.split("/")[0] for split in self.splits for line in self._lines(split)}))

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a list, in its order; each is its own group, as the lists name no sources."""
        self.check_split(split)
        return [Video(id=line, label=line.split("/")[0], group=line) for line in self._lines(split)]

    def _lines(self, split: str) -> list[str]:
        file: Path = self.root / "annotations" / f"{split}.txt"
        if not file.is_file():
            raise OsarbenchError(f"The list file {file} is missing.\\n{self.layout}")
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


@hookimpl
def osarbench_datasets() -> list[type[Dataset]]:
    """Offer $name."""
    return [$cls]
'''

DATASET_TEST = '''\
"""$title: the checks of every data set, and the videos of its lists."""

$imports

LISTS = {"train": "jump/a.mp4\\nrun/b.mp4\\n", "test": "run/c.mp4\\n"}


@pytest.fixture
def dataset(tmp_path: Path) -> $cls:
    (tmp_path / "annotations").mkdir()
    for split, text in LISTS.items():
        (tmp_path / "annotations" / f"{split}.txt").write_text(text, encoding="utf-8")
    return $cls(tmp_path)


@pytest.mark.parametrize("check", osarbench.testing.checks("dataset"), ids=str)
def test_it_passes_every_check(check: osarbench.testing.Check, dataset: $cls) -> None:
    check(dataset)


def test_its_videos_are_those_of_the_lists(dataset: $cls) -> None:
    assert [video.id for video in dataset.videos("train")] == ["jump/a.mp4", "run/b.mp4"]
    assert dataset.classes == ("jump", "run")
'''

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "osarbench-$dashed"
version = "0.1.0"
description = "The $kind $name for osarbench, the benchmark suite of open-set action recognition."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["osarbench[run]"]

[project.entry-points.osarbench]
$name = "osarbench_$name"

[tool.setuptools]
py-modules = ["osarbench_$name"]

[tool.ruff]
line-length = 120
"""

README = """\
# osarbench-$dashed

The $kind `$name` for [osarbench](https://pypi.org/project/osarbench/), the benchmark suite of open-set action
recognition. Say here what it is and who published it.

```sh
pip install .
osarbench list ${kind}s
osarbench check $name
$run
```
"""


class Imports(NamedTuple):
    """What a file imports, other than the plugin under test."""

    standard: str
    third_party: str
    ours: str


PLUGIN_IMPORTS = {
    "method": Imports("", "from torch import Tensor", "from osarbench import Method, Outputs, hookimpl"),
    "backbone": Imports(
        "", "from torch import Tensor, nn", "from osarbench import Backbone, ClipSpec, Features, hookimpl"
    ),
    "dataset": Imports(
        "from collections.abc import Sequence\nfrom functools import cached_property\nfrom pathlib import Path",
        "",
        "from osarbench import Dataset, OsarbenchError, Video, hookimpl",
    ),
}
TEST_IMPORTS = {
    "method": Imports(
        "", "import pytest\nimport torch", "import osarbench.testing\nfrom osarbench import LinearHead, Outputs"
    ),
    "backbone": Imports("", "import pytest", "import osarbench.testing"),
    "dataset": Imports("from pathlib import Path", "import pytest", "import osarbench.testing"),
}
PLUGINS = {"method": METHOD, "backbone": BACKBONE, "dataset": DATASET}
TESTS = {"method": METHOD_TEST, "backbone": BACKBONE_TEST, "dataset": DATASET_TEST}
#: Kind -> the first command to try, of a plugin file (``$option`` is "--plugin FILE", ``$target`` FILE) or a
#: package (``$option`` is empty, ``$target`` the name).
RUNS = {
    "method": "osarbench run$option --method $name,dnn --backbone tsm",
    "backbone": "osarbench run$option --method dnn --backbone $name",
    "dataset": "osarbench check $target --data DATA",
}
