"""`osarbench data check`: what is found, and what makes a run wrong."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from filming import film

from osarbench.audits import datacheck
from osarbench.audits.unreadable import Unreadable
from osarbench.data.decoder import Decoder
from osarbench.interfaces.dataset import Dataset, Video
from osarbench_plugins.datasets.folder import Folder
from osarbench_plugins.datasets.hmdb51 import Hmdb51
from osarbench_plugins.datasets.ucf101 import Ucf101

RUN, JUMP = "run/a.mp4", "jump/b.mp4"


class Small(Dataset):
    """Lists given as text: split -> ids; a group is a file name without its suffix."""

    name = "small"
    layout = "It is made by the tests."
    classes = ("run", "jump", "swim")

    def __init__(self, root: Path, lists: Mapping[str, str], official: Mapping[str, int] | None = None) -> None:
        super().__init__(root)
        self.lists = lists
        self.official_counts = official or {}  # type: ignore[misc]

    @property
    def splits(self) -> Sequence[str]:
        return tuple(self.lists)

    def videos(self, split: str) -> list[Video]:
        self.check_split(split)
        return [Video(name, name.split("/")[0], Path(name).stem) for name in self.lists[split].split()]


def small(root: Path, lists: Mapping[str, str], there: str = f"{RUN} {JUMP}", **official: int) -> Small:
    for name in there.split():
        (root / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "videos" / name).write_bytes(b"not a video")
    return Small(root, lists, official)


def checked(dataset: Dataset, **options: Any) -> datacheck.Report:
    return datacheck.check(dataset, read=False, **options)


def test_a_whole_copy_has_no_problem(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train": RUN, "test": JUMP}, train=1, test=1), complete=True)
    assert (report.problems, report.ok, report.surplus) == ([], True, ())
    assert "No problem found" in datacheck.render(report)
    assert "partial" not in datacheck.render(report)


def test_a_partial_copy_is_right_but_said_and_wrong_if_it_must_be_complete(tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": f"{RUN} run/c.mp4", "test": JUMP})
    assert checked(dataset).ok
    assert "A partial copy: 2 of 3 videos are there" in datacheck.render(checked(dataset))
    assert checked(dataset, complete=True).problems == ["train: 1 of 2 videos are missing: run/c.mp4."]


def test_missing_videos_are_counted_by_split_and_class(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train": f"{RUN} run/c.mp4 swim/d.mp4", "test": JUMP}))
    assert [(split.listed, split.found, split.missing) for split in report.splits] == [
        (3, 1, ("run/c.mp4", "swim/d.mp4")),
        (1, 1, ()),
    ]
    assert [(label.name, label.listed, label.found) for label in report.classes] == [
        ("run", 2, 1),
        ("jump", 1, 1),
        ("swim", 1, 0),
    ]
    assert report.absent == ("swim",)


def test_a_split_without_any_video_is_a_problem(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train": RUN, "test": "swim/d.mp4"}))
    assert [problem.partition(":")[0] for problem in report.problems] == ["test"]
    assert datacheck.check(small(tmp_path, {"train": RUN, "test": "swim/d.mp4"}), splits=["train"], read=False).ok


def test_where_nothing_is_there_it_says_once_where_it_looked(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train": "swim/c.mp4", "test": "swim/d.mp4"}))
    assert report.problems == [
        f"None of the listed videos is below {tmp_path / 'videos'}, where the first would be swim/c.mp4."
    ]


def test_a_link_to_a_folder_above_makes_no_surplus(tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": RUN, "test": JUMP}, there=f"{RUN} {JUMP} swim/new.mp4")
    (tmp_path / "videos/swim/loop").symlink_to(tmp_path / "videos")
    assert checked(dataset).surplus == ("swim/new.mp4",)


def test_lists_of_another_length_than_the_official_ones_are_a_problem(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train": RUN, "test": JUMP}, train=2, test=1))
    assert report.problems == ["train: 1 videos are listed, 2 in the official list."]


def test_a_video_in_training_and_test_is_a_problem(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train2": f"{RUN} {JUMP}", "test2": JUMP, "test1": RUN}))
    assert report.problems == [f"In train2 and in test2: {JUMP}."]  # test1 belongs to another training split


@pytest.mark.parametrize("test", ["test", "testing", "val", "validation", "test_swapped"])
def test_a_group_in_training_and_test_is_a_problem(tmp_path: Path, test: str) -> None:
    report = checked(small(tmp_path, {"training": RUN, test: "jump/a.mp4"}, there=f"{RUN} jump/a.mp4"))
    assert report.problems == [f"training and {test} share 1 groups: a."]


def test_a_group_that_official_lists_share_is_said_but_no_problem(tmp_path: Path) -> None:
    there = f"{RUN} jump/a.mp4"
    report = checked(small(tmp_path, {"train": RUN, "test": "jump/a.mp4"}, there=there, train=1, test=1))
    assert [both.groups for both in report.shared] == [("a",)]
    assert report.ok
    assert "share the groups a." in datacheck.render(report)


def test_a_video_listed_twice_is_a_problem(tmp_path: Path) -> None:
    report = checked(small(tmp_path, {"train": f"{RUN} {RUN}", "test": JUMP}))
    assert report.problems == [f"train: listed twice: {RUN}."]


def test_files_in_no_list_are_surplus_and_no_problem(tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": RUN, "test": JUMP}, there=f"{RUN} {JUMP} swim/new.MP4 swim/notes.txt")
    assert checked(dataset).surplus == ("swim/new.MP4",)
    assert checked(dataset).ok
    assert datacheck.check(dataset, splits=["train"], read=False).surplus is None


def test_no_file_is_surplus_if_the_root_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / RUN).touch()
    monkeypatch.chdir(tmp_path)
    assert checked(Folder(Path("."))).surplus == ()


def test_pieces_of_one_file_in_training_and_test_share_their_group(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    rows = "a.mp4,run,train,0,2\na.mp4,run,train,2,4\na.mp4,run,test,4,6\n"
    (tmp_path / "videos.csv").write_text(f"path,label,split,start,end\n{rows}")
    report = checked(Folder(tmp_path))
    assert [(split.found, split.twice) for split in report.splits] == [(2, ()), (1, ())]
    assert report.problems == ["train and test share 1 groups: a.mp4."]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_file_is_reported_with_path_and_reason(shared: Path, tmp_path: Path, workers: int) -> None:
    dataset = small(tmp_path, {"train": f"{RUN} run/good.avi", "test": JUMP})
    clip = (shared / "data/clips/TrumanShow_wave_f_nm_np1_fr_med_26.avi").read_bytes()
    (tmp_path / "videos/run/good.avi").write_bytes(clip)
    (tmp_path / "videos" / JUMP).write_bytes(b"")
    report = datacheck.check(dataset, workers=workers)
    assert [Path(file.path).name for file in report.unreadable or ()] == ["a.mp4", "b.mp4"]
    assert [file.reason for file in report.unreadable or ()][1] == "an empty file"
    assert "2 files cannot be read" in report.problems[0]
    assert "b.mp4: an empty file" in datacheck.render(report)


def test_a_truncated_file_is_unreadable(shared: Path, tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": RUN}, there=RUN)
    clip = (shared / "data/clips/v_SoccerJuggling_g23_c01.avi").read_bytes()
    (tmp_path / "videos" / RUN).write_bytes(clip[: len(clip) // 2])
    assert not datacheck.check(dataset, workers=0).ok


def test_the_sample_of_ucf101_is_right_and_partial(shared: Path) -> None:
    report = checked(Ucf101(shared / "data/mini/ucf101"))
    assert report.ok
    assert [(split.listed, split.official) for split in report.splits[:2]] == [(9537, 9537), (3783, 3783)]
    assert (len(report.absent), report.surplus) == (89, ())


def test_real_files_with_number_signs_are_not_surplus_under_their_other_name(tmp_path: Path, shared: Path) -> None:
    shutil.copytree(shared / "data/mini/hmdb51/annotations", tmp_path / "annotations")
    name = "golf/Golf_Swing_@6Iron_golf_f_cm_np1_fr_med_0.avi"
    (tmp_path / "videos/golf").mkdir(parents=True)
    (tmp_path / "videos" / name).touch()
    report = checked(Hmdb51(tmp_path))
    assert report.surplus == ()
    assert report.splits[-1].found == 1


def test_long_lists_are_cut_and_the_json_has_all(tmp_path: Path) -> None:
    names = [f"run/{number:02}.mp4" for number in range(9)]
    report = checked(small(tmp_path, {"train": " ".join([RUN, *names]), "test": JUMP}), complete=True)
    assert "... and 4 more (--json FILE has all)" in datacheck.render(report)
    content = json.loads(datacheck.to_json(report))
    assert content["splits"][0]["missing"] == names
    assert (content["ok"], content["problems"]) == (False, report.problems)


def test_files_of_other_suffixes_are_counted_and_named(tmp_path: Path) -> None:
    dataset = small(
        tmp_path, {"train": RUN, "test": JUMP}, there=f"{RUN} {JUMP} run/c.xyz run/d run/e.rar run/notes.txt"
    )
    report = checked(dataset)
    assert report.unknown == ("run/c.xyz", "run/d", "run/e.rar")
    assert "Not taken for videos are 3 files (1 of .xyz, 1 of no suffix, 1 of .rar)" in (
        text := datacheck.render(report).replace("1 of .rar, 1 of no suffix", "1 of no suffix, 1 of .rar")
    )
    assert f"unrar x {tmp_path}/videos/run/e.rar {tmp_path}/videos/run/" in text
    assert report.ok


def test_links_to_one_file_are_a_problem(tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": RUN, "test": JUMP}, there=RUN)
    (tmp_path / "videos/jump").mkdir()
    (tmp_path / "videos" / JUMP).symlink_to(tmp_path / "videos" / RUN)
    (problem,) = checked(dataset).problems
    assert problem.startswith(f"One file by two names: {JUMP} is {RUN}.")


def test_where_nothing_is_there_the_layout_that_is_wanted_and_what_is_there_are_shown(tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": "swim/c.mp4", "test": "swim/d.mp4"}, there="swim.rar run.rar")
    videos = tmp_path / "videos"
    assert (
        f"The folder {tmp_path}:\n  wanted  It is made by the tests.\n"
        "  found   videos/*.rar  (2: videos/run.rar, ...)\n"
        f'Unpack what is packed:  for archive in {videos}/*.rar; do unrar x "$archive" {videos}/; done'
    ) in datacheck.render(checked(dataset))


def test_several_files_of_a_missing_videos_name_are_named(tmp_path: Path) -> None:
    dataset = small(tmp_path, {"train": RUN, "test": JUMP}, there=f"{RUN} x/b.mp4 y/b.mkv")
    report = checked(dataset)
    assert JUMP == "jump/b.mp4"
    assert report.ambiguous == (("jump/b.mp4", "x/b.mp4", "y/b.mkv"),)
    assert "Of 1 missing videos there are several files: jump/b.mp4 (x/b.mp4 or y/b.mkv). Take" in datacheck.render(
        report
    )


def test_pieces_of_one_recording_are_read_in_one_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film(tmp_path / "long.avi", 30)
    lines = [f"long.avi,{'run' if n % 2 else 'jump'},all,{n / 4},{(n + 1) / 4}" for n in range(14)]
    (tmp_path / "videos.csv").write_text("\n".join(["path,label,split,start,end", *lines]))
    used: list[Decoder] = []
    opened = Decoder.__enter__

    def noted(self: Decoder) -> Decoder:
        used.append(self)
        return opened(self)

    monkeypatch.setattr(Decoder, "__enter__", noted)
    report = datacheck.check(Folder(tmp_path), workers=0)
    assert [decoder.decoded for decoder in used] == [30]
    assert report.unreadable == (
        Unreadable(f"{tmp_path}/long.avi from second 3 to 3.25", "no frame"),
        Unreadable(f"{tmp_path}/long.avi from second 3.25 to 3.5", "no frame"),
    )


def test_a_file_that_cannot_be_read_is_named_once_whatever_its_pieces(tmp_path: Path) -> None:
    (tmp_path / "long.avi").write_bytes(b"no video")
    lines = [f"long.avi,run,all,{n},{n + 1}" for n in range(5)]
    (tmp_path / "videos.csv").write_text("\n".join(["path,label,split,start,end", *lines]))
    (fault,) = datacheck.check(Folder(tmp_path), workers=0).unreadable or ()
    assert fault.path == f"{tmp_path}/long.avi"
