"""Data sets of web videos: official lists read, copies found in the layouts in circulation, partial ones counted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from osarbench.audits import datacheck
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset, Video
from osarbench_plugins.datasets.diving48 import Diving48
from osarbench_plugins.datasets.hacs import Hacs
from osarbench_plugins.datasets.kinetics import Kinetics
from osarbench_plugins.datasets.mit import Mit, MitV1
from osarbench_plugins.datasets.ssv2 import SomethingV2

HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"
DRUMS = 'air drumming,-2VXhGGeOWg,33,43,train,0\n"passing American football (in game)",0_9xyz,5,15,train,0\n'


def write(file: Path, content: Any = b"") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def kinetics(root: Path, train: str = DRUMS, header: str = HEADER, **settings: bool) -> Kinetics:
    write(root / "annotations/train.csv", header + train)
    return Kinetics(root, **settings)


def diving48(root: Path, train: Any) -> Diving48:
    write(root / "annotations/Diving48_vocab.json", [["Back", "15som", "05Twis", "FREE"], ["Inward", "25som"]])
    write(root / "annotations/Diving48_V2_train.json", train)
    return Diving48(root)


def ssv2(root: Path, train: Any, names: tuple[str, str] = ("labels.json", "train.json")) -> SomethingV2:
    write(root / "annotations" / names[0], {"Holding something next to something": "1", "Throwing something": "0"})
    write(root / "annotations" / names[1], train)
    return SomethingV2(root)


def hacs(root: Path, database: Any) -> Hacs:
    write(root / "annotations/HACS_segments_v1.1.1.json", {"database": database})
    return Hacs(root)


@pytest.mark.parametrize("count", [400, 600])
def test_the_classes_of_kinetics_are_in_the_order_of_the_official_label_map(
    tmp_path: Path, shared: Path, count: int
) -> None:
    names = (shared / f"data/annotations/kinetics/label_map_k{count}.txt").read_text().splitlines()
    rows = "".join(f'"{name}",id{number},1,11,train,0\n' for number, name in enumerate(reversed(names)))
    assert list(kinetics(tmp_path, rows).classes) == names
    assert len(names) == count


@pytest.mark.parametrize(
    "path",
    [
        "videos/train/air drumming/-2VXhGGeOWg_000033_000043.mp4",
        "train/-2VXhGGeOWg_000033_000043.mp4",
        "videos/air_drumming/-2VXhGGeOWg_000033_000043.mkv",
        "train_256/air_drumming/-2VXhGGeOWg.mp4",
        "videos_train/air drumming/-2VXhGGeOWg_33_43.webm",
    ],
)
def test_a_clip_of_kinetics_is_found_in_every_layout_in_circulation(tmp_path: Path, path: str) -> None:
    dataset = kinetics(tmp_path)
    write(tmp_path / path)
    first, second = dataset.videos("train")
    assert first == Video("air drumming/-2VXhGGeOWg_000033_000043.mp4", "air drumming", "-2VXhGGeOWg")
    assert dataset.path(first) == tmp_path / path
    assert not dataset.path(second).exists()


def test_of_two_clips_of_one_name_the_one_in_the_folder_of_its_class_is_taken(tmp_path: Path) -> None:
    dataset = kinetics(tmp_path)
    for label in ("Air_Drumming", "abseiling"):
        write(tmp_path / "videos" / label / "-2VXhGGeOWg_000033_000043.mp4", label)
    write(tmp_path / "videos/a/0_9xyz.mp4", "1")
    write(tmp_path / "videos/b/0_9xyz.mp4", "2")
    first, second = dataset.videos("train")
    assert dataset.path(first).parent.name == "Air_Drumming"
    assert not dataset.path(second).exists()  # which of the two it is, nobody knows


def test_whole_youtube_videos_are_cut_by_the_seconds_of_the_list(tmp_path: Path) -> None:
    dataset = kinetics(tmp_path, untrimmed=True)
    write(tmp_path / "videos/-2VXhGGeOWg.mp4")
    first = dataset.videos("train")[0]
    assert first.id == "air drumming/-2VXhGGeOWg_000033_000043.mp4#t=33,43"
    assert (first.start, first.end, dataset.path(first)) == (33, 43, tmp_path / "videos/-2VXhGGeOWg.mp4")


def test_a_list_of_kinetics_without_labels_is_no_split(tmp_path: Path) -> None:
    dataset = kinetics(tmp_path)
    write(tmp_path / "annotations/validate.csv", HEADER + "abseiling,abc,0,10,validate,0\n")
    write(tmp_path / "annotations/test.csv", "youtube_id,time_start,time_end,split\nabc,0,10,test\n")
    assert dataset.splits == ("train", "val")


def test_lists_of_two_versions_of_kinetics_are_refused(tmp_path: Path) -> None:
    dataset = kinetics(tmp_path)
    write(tmp_path / "annotations/kinetics-600_train.csv", HEADER + DRUMS)
    with pytest.raises(OsarbenchError, match="are both lists of 'train'"):
        _ = dataset.splits


def test_a_partial_copy_of_kinetics_is_counted(tmp_path: Path) -> None:
    dataset = kinetics(tmp_path)
    write(tmp_path / "videos/air_drumming/-2VXhGGeOWg_000033_000043.mp4")
    (split,) = datacheck.check(dataset, read=False).splits
    assert (split.listed, split.found, len(split.missing)) == (2, 1, 1)


@pytest.mark.parametrize(
    "row",
    ["../x,abc,0,10,train,0", "run,../abc,0,10,train,0", "run,abc,10,10,train,0", "run,abc,x,10,train,0",
     "run,abc,nan,10,train,0", "run,abc,0,10"],
)  # fmt: skip
def test_a_row_of_kinetics_that_cannot_be_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(OsarbenchError, match="train.csv, line 2: "):
        kinetics(tmp_path, row + "\n").videos("train")


def test_a_dive_is_named_by_its_parts_and_grouped_by_its_recording(tmp_path: Path) -> None:
    dataset = diving48(tmp_path, [{"vid_name": "_8Vy3dlHg2w_00003", "label": 1, "start_frame": 0, "end_frame": 95}])
    write(tmp_path / "rgb/_8Vy3dlHg2w_00003.mp4")
    (video,) = dataset.videos("train")
    assert video == Video("_8Vy3dlHg2w_00003.mp4", "Inward, 25som", "_8Vy3dlHg2w")
    assert dataset.path(video).is_file()
    assert dataset.classes == ("Back, 15som, 05Twis, FREE", "Inward, 25som")


def test_version_1_of_the_labels_of_diving48_is_refused(tmp_path: Path) -> None:
    dataset = diving48(tmp_path, [])
    write(tmp_path / "annotations/Diving48_test.json", [])
    with pytest.raises(OsarbenchError, match="is a list of version 1, .* Put Diving48_V2_test.json there"):
        dataset.videos("test")


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_a_class_of_something_v2_is_its_template(tmp_path: Path, prefix: str) -> None:
    entry = {
        "id": "78687",
        "label": "holding potato next to bottle",
        "template": "Holding [something] next to [something]",
    }
    dataset = ssv2(tmp_path, [entry], (f"{prefix}labels.json", f"{prefix}train.json"))
    write(tmp_path / "20bn-something-something-v2/78687.webm")
    (video,) = dataset.videos("train")
    assert video == Video("78687.webm", "Holding something next to something", "78687")
    assert dataset.classes == ("Throwing something", "Holding something next to something")
    assert dataset.path(video).is_file()


def test_segments_of_hacs_are_cut_out_of_their_videos(tmp_path: Path) -> None:
    segments = [{"label": "Dodgeball", "segment": [5.4, 11.6]}, {"label": "Archery", "segment": [12.6, 88.16]}]
    twice = [*segments, segments[0], {"label": "Archery", "segment": [3.0, 3.0]}]
    dataset = hacs(tmp_path, {"--0edU": {"annotations": twice, "subset": "training"},
                              "b": {"annotations": segments[:1], "subset": "validation"},
                              "c": {"annotations": [], "subset": "testing"}})  # fmt: skip
    write(tmp_path / "videos/Dodgeball/v_--0edU.mp4")
    first, second = dataset.videos("train")
    assert first == Video("--0edU.mp4#t=5.4,11.6", "Dodgeball", "--0edU", 5.4, 11.6)
    assert second.group == first.group
    assert dataset.path(second) == tmp_path / "videos/Dodgeball/v_--0edU.mp4"
    assert [video.group for video in dataset.videos("val")] == ["b"]
    assert dataset.classes == ("Archery", "Dodgeball")


@pytest.mark.parametrize(
    ("make", "content"),
    [
        (diving48, [{"vid_name": "a_1", "label": 2}]), (diving48, [{"vid_name": "../a", "label": 1}]),
        (diving48, [{"label": 1}]), (diving48, {"a": 1}), (diving48, "["),
        (ssv2, [{"id": "1", "template": "Eating [something]"}]),
        (ssv2, [{"id": "../1", "template": "Throwing [something]"}]),
        (ssv2, [{"id": "1"}]), (ssv2, [3]),
        (hacs, {"a": {"subset": "training", "annotations": [{"label": "x", "segment": [1]}]}}),
        (hacs, {"../a": {"subset": "training", "annotations": []}}),
        (hacs, {"a": {"subset": "training"}}), (hacs, [1]),
    ],
)  # fmt: skip
def test_an_entry_that_is_not_the_official_lists_is_named(
    tmp_path: Path, make: Callable[[Path, Any], Dataset], content: Any
) -> None:
    with pytest.raises(OsarbenchError, match=r"\.json"):
        make(tmp_path, content).videos("train")


def test_version_1_of_moments_in_time_is_a_data_set_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "annotations/moments_categories.txt", "".join(f"c{number},{number}\n" for number in range(339)))
    write(tmp_path / "annotations/validationSet.csv", "c338/a.mp4,c338,3,1\n")
    assert MitV1(tmp_path).videos("validation")[0].label == "c338"
    with pytest.raises(OsarbenchError, match="That is version 1: the data set 'mit_v1'"):
        _ = Mit(tmp_path).classes


def test_a_class_of_another_version_of_moments_in_time_is_named(tmp_path: Path) -> None:
    write(tmp_path / "annotations/moments_categories.txt", "".join(f"c{number},{number}\n" for number in range(305)))
    write(tmp_path / "annotations/validationSet.csv", "c338/a.mp4,c338,3,1\n")
    with pytest.raises(OsarbenchError, match="line 1: .* Are the lists of one version"):
        Mit(tmp_path).videos("validation")
