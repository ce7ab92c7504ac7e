"""Which videos a protocol uses, and what is said when the data sets do not fit it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from osarbench.data import index, locations
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Video, is_there
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol

HERE = Path(__file__).parent


def build(folder: Path, change: tuple[str, str] = ("", "")) -> index.Index:
    file = folder / "toy-x.toml"
    text = (HERE / "toy.toml").read_text()
    file.write_text(text.replace(*change, 1) if change[0] else text)
    found = locations.Locations(data=None, datasets={}, cache=folder / "cache", weights=None)
    return index.build(protocol.read(str(file)), plugins.load(kinds=("datasets",), files=[HERE / "toy.py"]), found)


def test_calibration_videos_are_whole_groups_of_the_training_split(tmp_path: Path) -> None:
    rows = build(tmp_path).rows
    groups = {role: set(part["group"]) for role, part in rows.groupby("role")}
    assert groups["train"].isdisjoint(groups["calibration"])
    assert Counter(rows[rows["role"] == "calibration"]["label"]) == {"red": 4, "green": 4, "blue": 4}


def test_rows_are_ordered_by_role_and_classes_as_in_the_data_set(tmp_path: Path) -> None:
    built = build(tmp_path)
    assert list(dict.fromkeys(built.rows["role"])) == ["train", "calibration", "known", "unknown"]
    assert built.classes == ("red", "green", "blue")


def test_a_class_that_is_known_and_unknown_is_an_error_that_says_where_to_exclude_it(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"'red' is known and unknown at once .*unknown\.exclude"):
        build(tmp_path, ('splits = ["unknown"]', 'splits = ["test"]'))


def test_a_misspelt_class_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="no class 'gray'. Did you mean 'grey'"):
        build(tmp_path, ('splits = ["unknown"]', 'splits = ["unknown"]\nexclude = { gray = "why" }'))


def test_a_misspelt_split_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'unknown'"):
        build(tmp_path, ('splits = ["unknown"]', 'splits = ["unknwon"]'))


def test_a_missing_video_stops_a_protocol_that_must_be_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path)
    next((tmp_path / "cache").rglob("*.avi")).unlink()
    toy = plugins.load(kinds=("datasets",), files=[HERE / "toy.py"]).dataset("toy")
    monkeypatch.setattr(toy, "prepare", lambda self: None)
    found = locations.Locations(data=None, datasets={}, cache=tmp_path / "cache", weights=None)
    read = protocol.read(str(tmp_path / "toy-x.toml"))
    with pytest.raises(OsarbenchError, match=r"1 of \d+ videos of the protocol 'toy-x' are missing"):
        index.build(read, plugins.Plugins({"toy": toy}, {}, {}), found)
    partial = protocol.Protocol("p", "0", read.file, replace(read.sections, complete=False))
    assert len(index.build(partial, plugins.Plugins({"toy": toy}, {}, {}), found).missing) == 1


def test_held_out_groups_depend_on_nothing_but_their_names() -> None:
    names = [(label, f"{label}{group}", clip) for label in "ab" for group in range(10) for clip in range(3)]
    videos = [Video(f"{group}/{clip}", label, group) for label, group, clip in names]
    held_out = index.hold_out(videos, 0.2)
    assert index.hold_out(videos[::-1], 0.2) == held_out
    assert Counter(group[0] for group in held_out) == {"a": 2, "b": 2}


def test_a_class_of_one_group_keeps_it_for_training() -> None:
    assert index.hold_out([Video("v", "a", "g")], 0.5) == set()


def test_a_data_root_that_lacks_the_data_set_says_what_to_put_where(tmp_path: Path) -> None:
    found = locations.Locations(data=tmp_path, datasets={}, cache=tmp_path, weights=None)
    with pytest.raises(OsarbenchError, match=r"(?s)'ucf101' is not at .*ucf101: there is no such folder.*--data"):
        index.build(protocol.read("ucf12-hmdb20"), plugins.load(kinds=("datasets",)), found)


def test_without_a_data_root_the_error_says_how_to_name_one(tmp_path: Path) -> None:
    found = locations.Locations(data=None, datasets={}, cache=tmp_path, weights=None)
    with pytest.raises(OsarbenchError, match="Where is the data set 'ucf101'?.*--data DIR"):
        index.build(protocol.read("ucf12-hmdb20"), plugins.load(kinds=("datasets",)), found)


def test_a_file_in_training_and_test_stops_a_run(tmp_path: Path) -> None:
    built = build(tmp_path)
    again = built.rows[built.rows["role"] == "train"].head(1).assign(role="known", source="toy/test")
    with pytest.raises(OsarbenchError, match=r"2 rows .* is train \(toy/train, red\) and .* is known \(toy/test"):
        index.check_apart(built._replace(rows=pd.concat([built.rows, again])))
    index.check_apart(built)


def test_a_data_set_that_is_known_and_unknown_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    whole = index.open_dataset

    def noted(*arguments: Any) -> Any:
        opened.append(arguments[3].dataset)
        return whole(*arguments)

    monkeypatch.setattr(index, "open_dataset", noted)
    build(tmp_path)
    assert opened == ["toy"]


def test_a_data_set_without_videos_is_told_with_what_is_there_instead(tmp_path: Path) -> None:
    lists = tmp_path / "ucf101/annotations"
    lists.mkdir(parents=True)
    (lists / "classInd.txt").write_text("1 YoYo\n")
    (lists / "trainlist01.txt").write_text("YoYo/v_YoYo_g08_c01.avi 1\n")
    (lists / "testlist01.txt").write_text("YoYo/v_YoYo_g01_c01.avi\n")
    (tmp_path / "own.toml").write_text(
        'title = "x"\nunknown = []\ncomplete = false\n[known]\ndataset = "ucf101"\ntrain = ["train1"]\n'
        'test = ["test1"]\n[training]\nepochs = 1\nbatch_size = 1\nlearning_rate = 1.0\n'
    )
    found = locations.Locations(data=tmp_path, datasets={}, cache=tmp_path, weights=None)
    with pytest.raises(OsarbenchError, match=r"(?s)No video of .*'ucf101' is there.*wanted .*found   annotations"):
        index.build(protocol.read(str(tmp_path / "own.toml")), plugins.load(kinds=("datasets",)), found)


def test_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(OsarbenchError, match="a cannot be read: Permission denied"):
        is_there(Path("a/b.mp4"))


def test_a_file_that_is_linked_into_the_test_is_in_training_and_test(tmp_path: Path) -> None:
    built = build(tmp_path)
    again = built.rows[built.rows["role"] == "train"].head(1).assign(role="known", source="toy/test")
    for link in (Path.symlink_to, Path.hardlink_to):
        name = tmp_path / f"{link.__name__}.avi"
        link(name, again["path"].iloc[0])
        linked = again.assign(path=str(name))
        with pytest.raises(OsarbenchError, match=r"is train .* and .*_to.avi is known"):
            index.check_apart(built._replace(rows=pd.concat([built.rows, linked])))


@pytest.mark.parametrize("name", ["index.csv", "missing.json"])
def test_whichever_file_of_the_index_is_missing_is_made_again(tmp_path: Path, name: str) -> None:
    built, read = build(tmp_path), protocol.read(str(tmp_path / "toy-x.toml"))
    index.write(built, tmp_path / "index.csv", read)
    before = {file: (tmp_path / file).read_bytes() for file in ("index.csv", "missing.json")}
    (tmp_path / name).unlink()
    index.write(built, tmp_path / "index.csv", read)
    assert {file: (tmp_path / file).read_bytes() for file in before} == before
