"""Draws of classes: frozen ones are those of their rule, nothing is on both sides, and wrong ones are named."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from toy import Toy

from osarbench.data import index
from osarbench.data.divisions import Listed, recording
from osarbench.data.locations import Locations
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading
from osarbench.plugins.loading import Plugins
from osarbench.protocols import draws, protocol
from osarbench_plugins.datasets.hmdb51 import CLASSES as HMDB
from osarbench_plugins.datasets.hmdb51 import Hmdb51
from osarbench_plugins.datasets.ucf101 import Ucf101

DRAWN = ("leave-out-ucf101", "near-ood-hmdb51", "near-ood-ucf101")
TOY = Path(__file__).with_name("toy.toml").read_text()


def of_rule(classes: list[str], number: int, count: int) -> set[str]:
    return set(sorted(classes, key=lambda name: sha256(f"{number} {name}".encode()).digest())[:count])


def drawn(name: str) -> list[set[str]]:
    return [set(draw.known) for draw in protocol.read(name).sections.draws]


def test_nobody_chose_the_classes_that_are_left_out() -> None:
    found = drawn("leave-out-ucf101")
    classes = sorted(set.union(*found))
    assert len(classes) == 101
    assert found == [of_rule(classes, number, 76) for number in range(5)]


def test_the_first_halves_are_those_of_the_alphabet_and_nobody_chose_the_others() -> None:
    ucf, hmdb = drawn("near-ood-ucf101"), drawn("near-ood-hmdb51")
    classes = sorted(set.union(*drawn("leave-out-ucf101")))
    assert ucf == [set(classes[:50]), *(of_rule(classes, number, 50) for number in range(1, 5))]
    names = HMDB.split()
    assert hmdb == [set(sorted(names)[:25]), *(of_rule(names, number, 25) for number in (4, 5, 15, 16))]


@pytest.fixture(scope="module", name="official")
def _official(shared: Path) -> Path:
    return shared / "data/mini"


def listed(name: str, number: int, data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Listed]:
    """Return the videos of a draw as the official lists have them, whether or not they are there."""
    found: list[Listed] = []
    monkeypatch.setattr(index, "_present", lambda _, its, *more: found.extend(its))
    plugins = Plugins({"ucf101": Ucf101, "hmdb51": Hmdb51}, {}, {})
    index.build(
        draws.of(protocol.read(name), number), plugins, Locations(data=data, datasets={}, cache=data, weights=None)
    )
    monkeypatch.undo()
    return found


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("number", range(5))
def test_no_recording_is_on_both_sides(name: str, number: int, official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = listed(name, number, official, monkeypatch)
    trained = {recording(video) for role, _, video, _ in videos if role in ("train", "calibration")}
    tested = {recording(video) for role, _, video, _ in videos if role in ("known", "unknown")}
    assert trained
    assert not trained & tested


@pytest.mark.parametrize(
    ("name", "classes", "least"),
    [("leave-out-ucf101", 101, 28), ("near-ood-hmdb51", 51, 5), ("near-ood-ucf101", 101, 28)],
)
def test_every_class_is_tested(
    name: str, classes: int, least: int, official: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        videos = listed(name, number, official, monkeypatch)
        counts = Counter(video.label for role, _, video, _ in videos if role in ("known", "unknown"))
        assert len(counts) == classes
        few = [label for label, count in counts.items() if count < least]
        assert len(few) == (2 if (name, number) == ("near-ood-hmdb51", 0) else 0)


def test_the_numbers_in_the_comments_are_those_of_the_lists(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roles = Counter(role for role, *_ in listed("near-ood-hmdb51", 0, official, monkeypatch))
    assert (roles["known"], roles["unknown"]) == (610, 2204)
    text = protocol.read("near-ood-hmdb51").file.read_text()
    assert "610 of 750 known and 2,204 of 3,777" in text


def with_draws(folder: Path, *known: str, splits: str = '"test", "unknown"', more: str = "") -> protocol.Protocol:
    text = more + TOY.replace('splits = ["unknown"]', f"splits = [{splits}]")
    file = folder / "drawn.toml"
    file.write_text(text + "".join(f"[[draws]]\nknown = [{names}]\n" for names in known))
    return protocol.read(str(file))


def build(drawn_protocol: protocol.Protocol, number: int | None, folder: Path) -> index.Index:
    plugins = loading.load(files=[Path(__file__).with_name("toy.py")])
    return index.build(
        draws.of(drawn_protocol, number), plugins, Locations(data=None, datasets={}, cache=folder, weights=None)
    )


def test_what_a_draw_does_not_name_is_unknown(tmp_path: Path) -> None:
    two = with_draws(tmp_path, '"red", "green"', '"blue", "green"')
    for number, (known, unknown) in enumerate([("red", "blue"), ("blue", "red")]):
        rows = build(two, number, tmp_path).rows
        assert set(rows[rows["role"] == "known"]["label"]) == {known, "green"}
        assert set(rows[rows["role"] == "train"]["label"]) == {known, "green"}
        assert set(rows[rows["role"] == "unknown"]["label"]) == {unknown, "grey"}


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (['"red", "red", "green"'], "number 0, counted from 0, names 'red' twice"),
        (['"red"'], "has 1 known classes; two are the least"),
        (['"red", "green"', '"green", "red"'], "number 0 and number 1 are of the same classes"),
    ],
)
def test_a_draw_that_is_none_is_refused(tmp_path: Path, known: list[str], message: str) -> None:
    with pytest.raises(OsarbenchError, match=message):
        with_draws(tmp_path, *known)


def test_known_classes_are_named_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "twice.toml"
    stated = TOY.replace('dataset = "toy"\ntrain', 'classes = ["red", "green"]\ndataset = "toy"\ntrain')
    file.write_text(stated + '[[draws]]\nknown = ["red", "blue"]\n')
    with pytest.raises(OsarbenchError, match=r"named twice, in \[known\] classes and in \[\[draws\]\]"):
        protocol.read(str(file))


@pytest.mark.parametrize("number", [-1, 2])
def test_a_draw_out_of_range_says_which_there_are(tmp_path: Path, number: int) -> None:
    two = with_draws(tmp_path, '"red", "green"', '"blue", "green"')
    with pytest.raises(
        OsarbenchError, match=f"There is no draw {number} of the protocol 'drawn': it has 2 draws, 0 to 1"
    ):
        draws.of(two, number)


def test_a_protocol_without_draws_says_so() -> None:
    with pytest.raises(OsarbenchError, match="The protocol 'motion' has no draws of classes"):
        draws.of(protocol.read("motion"), 0)


def test_videos_of_no_draw_are_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="has 1 draws of classes; name one of them"):
        build(with_draws(tmp_path, '"red", "green"'), None, tmp_path)


def test_a_class_that_a_draw_misspells_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        OsarbenchError, match=r"a draw's: the data set 'toy' has no class 'gren'. Did you mean 'green'\?"
    ):
        build(with_draws(tmp_path, '"red", "gren"'), 0, tmp_path)


def test_a_draw_that_leaves_a_class_without_test_videos_is_refused(tmp_path: Path) -> None:
    only_grey = with_draws(tmp_path, '"red", "green"', splits='"unknown"')
    with pytest.raises(
        OsarbenchError, match="number 0, counted from 0, leaves the unknown class 'blue' without test videos"
    ):
        build(only_grey, 0, tmp_path)


def test_a_draw_of_all_classes_leaves_nothing_unknown(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="leaves no class unknown"):
        build(with_draws(tmp_path, '"red", "green", "blue"', splits='"test"'), 0, tmp_path)


def test_a_recording_in_training_leaves_the_test_and_an_emptied_class_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def videos(self: Toy, split: str) -> list[object]:
        return [its._replace(group=f"{its.label}/{its.group[-2:]}") for its in original(self, split)]

    apart = with_draws(tmp_path, '"red", "green"', more="recordings_apart = true\n")
    assert len(build(apart, 0, tmp_path).rows.query("role == 'unknown'")) == 16
    original = Toy.videos  # groups g0 to g3 are trained on, g4 and g5 tested
    plugins = loading.load(files=[Path(__file__).with_name("toy.py")])
    monkeypatch.setattr(plugins.dataset("toy"), "videos", videos)
    rows = index.build(
        draws.of(apart, 0), plugins, Locations(data=None, datasets={}, cache=tmp_path, weights=None)
    ).rows
    assert len(rows.query("role == 'unknown'")) == 16
    monkeypatch.setattr(
        plugins.dataset("toy"),
        "videos",
        lambda self, split: [its._replace(group="film") for its in original(self, split)],
    )
    with pytest.raises(OsarbenchError, match="no known test video of 2 classes is left: green, red"):
        index.build(draws.of(apart, 0), plugins, Locations(data=None, datasets={}, cache=tmp_path, weights=None))
