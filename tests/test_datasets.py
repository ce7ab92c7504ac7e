"""The data sets on disk: official lists read whole, malformed ones refused with file and line."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Video
from osarbench_plugins.datasets.folder import Folder
from osarbench_plugins.datasets.hmdb51 import Hmdb51
from osarbench_plugins.datasets.mit import Mit
from osarbench_plugins.datasets.ucf101 import Ucf101


def write(file: Path, text: str | bytes = b"") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def ucf(root: Path, train: str, folder: str = "annotations") -> Ucf101:
    write(root / folder / "classInd.txt", "1 ApplyLipstick\r\n2 YoYo\r\n\r\n")
    write(root / folder / "trainlist01.txt", train)
    return Ucf101(root)


def hmdb(root: Path, line: str) -> Hmdb51:
    for label in Hmdb51.classes:
        write(root / f"annotations/{label}_test_split1.txt", f"A_{label}_f_cm_np1_ba_bad_0.avi 1 \r\n\r\n")
    write(root / "annotations/catch_test_split1.txt", line)
    return Hmdb51(root)


def mit(root: Path, validation: str, classes: int = 305) -> Mit:
    write(root / "annotations/moments_categories.txt", "".join(f"c{n},{n}\r\n" for n in reversed(range(classes))))
    write(root / "annotations/validationSet.csv", validation)
    return Mit(root)


def listed(root: Path, text: str) -> Folder:
    write(root / "videos.csv", text)
    return Folder(root)


def test_the_official_lists_of_ucf101_have_the_official_counts(shared: Path) -> None:
    dataset = Ucf101(shared / "data/mini/ucf101")
    counts = {split: len({video.id for video in dataset.videos(split)}) for split in dataset.splits}
    assert counts == Ucf101.official_counts
    assert (counts["train1"], counts["test1"], len(dataset.classes)) == (9537, 3783, 101)
    assert dataset.classes == tuple((shared / "data/annotations/ucf101_label_map.txt").read_text().split())


def test_the_official_lists_of_hmdb51_have_the_official_counts(shared: Path) -> None:
    dataset = Hmdb51(shared / "data/mini/hmdb51")
    counts = {split: len({video.id for video in dataset.videos(split)}) for split in dataset.splits}
    assert counts == {**Hmdb51.official_counts, "all": 6766}
    assert list(dataset.classes) == (shared / "data/annotations/hmdb51_label_map.txt").read_text().split()


@pytest.mark.parametrize("name", ["ucfTrainTestlist", "annotations/ucfTrainTestlist"])
def test_lists_are_found_in_the_folder_of_their_archive_too(shared: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to(shared / "data/annotations/ucfTrainTestlist")
    (tmp_path / "testTrainMulti_7030_splits").symlink_to(shared / "data/annotations/testTrainMulti_7030_splits")
    assert len(Ucf101(tmp_path).videos("test3")) == 3696
    assert len(Hmdb51(tmp_path).videos("train2")) == 3570


def test_official_splits_of_ucf101_never_divide_a_group(shared: Path) -> None:
    dataset = Ucf101(shared / "data/mini/ucf101")
    groups = [{video.group for video in dataset.videos(split)} for split in ("train1", "test1")]
    assert [len(group) for group in groups] == [1818, 707]  # 18 and 7 of the 25 groups of each class
    assert not groups[0] & groups[1]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_official_splits_of_hmdb51_never_divide_a_group(shared: Path, number: int) -> None:
    dataset = Hmdb51(shared / "data/mini/hmdb51")
    train, test = ({video.group for video in dataset.videos(f"{role}{number}")} for role in ("train", "test"))
    assert not train & test


def test_a_title_that_contains_the_class_is_not_cut_short(tmp_path: Path) -> None:
    name = "Scorpion_catch_and_more_catch_f_cm_np1_ba_bad_0.avi"
    groups = {video.group for video in hmdb(tmp_path, f"{name} 1\n").videos("train1") if video.label == "catch"}
    assert groups == {"catch/Scorpion_catch_and_more"}


def test_the_groups_of_ucf101_and_hmdb51_are_class_and_source(shared: Path) -> None:
    first = Ucf101(shared / "data/mini/ucf101").videos("train1")[0]
    assert first == Video("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", "ApplyEyeMakeup", "ApplyEyeMakeup_g08")
    clip = Hmdb51(shared / "data/mini/hmdb51").videos("all")[0]
    assert clip.id.startswith("brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0")
    assert (clip.label, clip.group) == ("brush_hair", "brush_hair/April_09")


def test_windows_line_ends_blank_lines_and_trailing_blanks_do_not_matter(tmp_path: Path) -> None:
    dataset = ucf(tmp_path / "ucf", "\ufeffYoYo/v_YoYo_g08_c01.avi 2  \r\n\r\nYoYo/v_YoYo_g08_c02.avi\r\n")
    assert [video.id for video in dataset.videos("train1")] == ["YoYo/v_YoYo_g08_c01.avi", "YoYo/v_YoYo_g08_c02.avi"]
    assert dataset.classes == ("ApplyLipstick", "YoYo")
    assert len(hmdb(tmp_path / "hmdb", "A_catch_f.avi 1 \r\n").videos("train1")) == 51


def test_flags_of_hmdb51_choose_and_all_has_every_video(tmp_path: Path) -> None:
    dataset = hmdb(tmp_path, "A_catch_f.avi 1\nB_catch_f.avi 2\nC_catch_f.avi 0\n")
    catch = {split: [v.id for v in dataset.videos(split) if v.label == "catch"] for split in ("train1", "test1", "all")}
    assert catch["train1"] == ["catch/A_catch_f.avi"]
    assert catch["test1"] == ["catch/B_catch_f.avi"]
    assert len(catch["all"]) == 3


@pytest.mark.parametrize(
    ("make", "split", "text"),
    [
        (ucf, "train1", "YoYo/v_YoYo_g08_c01.avi\nYoYo v_YoYo_g08_c02.avi\n"),
        (ucf, "train1", "\nNoYo/v_NoYo_g08_c01.avi\n"),
        (ucf, "train1", "YoYo/v_YoYo_g08_c01.avi 2\nYoYo/v_YoYo_g08_c02.avi 1\n"),
        (hmdb, "train1", "A_catch_f.avi 1\nB_catch_f.avi 3\n"),
        (mit, "validation", "c1/a.mp4,c1,3\nc1/a.mp4\n"),
        (mit, "validation", "c1/a.mp4,c1,3\nd1/a.mp4,d1,3\n"),
        (mit, "validation", 'c1/a.mp4,c1,3\n"c1/a.mp4,c1\n'),
        (listed, "all", "path,label,split\na.mp4,run\n"),
        (listed, "all", "path,label,split\n../a.mp4,run,all\n"),
        (listed, "all", "path,label,split\na.mp4,,all\n"),
        (listed, "all", "path,label,split,start\na.mp4,run,all,soon\n"),
        (listed, "all", "path,label,split,start,end\na.mp4,run,all,4,3.5\n"),
    ],
)
def test_a_malformed_line_is_named_by_file_and_number(
    tmp_path: Path, make: Callable[[Path, str], Ucf101], split: str, text: str
) -> None:
    with pytest.raises(OsarbenchError, match=r"(txt|csv), line 2: "):
        make(tmp_path, text).videos(split)


@pytest.mark.parametrize(("kind", "split"), [(Ucf101, "train1"), (Hmdb51, "all"), (Mit, "train"), (Folder, "all")])
def test_where_lists_or_videos_are_missing_it_says_what_to_put_where(
    tmp_path: Path, kind: type[Ucf101], split: str
) -> None:
    with pytest.raises(OsarbenchError) as caught:
        kind(tmp_path).videos(split)
    assert kind.layout in str(caught.value)


@pytest.mark.parametrize("line", ["² YoYo", "2", "2 YoYo 3", "1 YoYo", "2 ApplyLipstick"])
def test_a_malformed_or_repeated_class_of_ucf101_is_named(tmp_path: Path, line: str) -> None:
    dataset = ucf(tmp_path, "")
    write(tmp_path / "annotations/classInd.txt", f"1\tApplyLipstick\n{line}\n")
    with pytest.raises(OsarbenchError, match="classInd.txt, line 2: "):
        _ = dataset.classes


def test_one_missing_list_among_others_is_named(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"trainlist02.txt is missing.\nUCF-101 wants"):
        ucf(tmp_path, "").videos("train2")


def test_a_wrong_split_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'train1'"):
        ucf(tmp_path, "").videos("trian1")


def test_moments_in_time_reads_paths_with_and_without_the_folder_of_the_split(tmp_path: Path) -> None:
    dataset = mit(tmp_path, "c7/a.mp4,c7,3,1\r\nvalidation/c9/b.mp4,c9,3,1\r\n")
    assert dataset.videos("validation") == [
        Video("validation/c7/a.mp4", "c7", "validation/c7/a.mp4"),
        Video("validation/c9/b.mp4", "c9", "validation/c9/b.mp4"),
    ]
    assert dataset.classes[:2] == ("c0", "c1")  # by number, whatever the order of the lines
    assert dataset.path(dataset.videos("validation")[0]) == tmp_path / "videos/validation/c7/a.mp4"


def test_version_1_of_moments_in_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="339 classes instead of 305. That is version 1."):
        _ = mit(tmp_path, "", classes=339).classes


@pytest.mark.parametrize("base", ["videos", "."])
def test_class_folders_are_the_split_all(tmp_path: Path, base: str) -> None:
    for name in ("run/b.mp4", "run/a.AVI", "jump/c.webm", "jump/._c.webm", "jump/notes.txt"):
        write(tmp_path / base / name)
    dataset = Folder(tmp_path)
    assert (dataset.splits, dataset.classes) == (("all",), ("jump", "run"))
    assert [video.id for video in dataset.videos("all")] == ["jump/c.webm", "run/a.AVI", "run/b.mp4"]
    assert all(dataset.path(video).is_file() for video in dataset.videos("all"))


def test_folders_below_a_class_folder_belong_to_its_class(tmp_path: Path) -> None:
    for name in ("run/a.mp4", "run/more/b.mp4", "jump/more/c.mp4"):
        write(tmp_path / "all" / name)
        write(tmp_path / "split/train" / name)
    assert [(v.id, v.label) for v in Folder(tmp_path / "all").videos("all")] == [
        ("jump/more/c.mp4", "jump"),
        ("run/a.mp4", "run"),
        ("run/more/b.mp4", "run"),
    ]
    assert Folder(tmp_path / "split").classes == ("jump", "run")


@pytest.mark.parametrize("base", ["videos", "."])
def test_folders_that_hold_class_folders_are_splits(tmp_path: Path, base: str) -> None:
    for name in ("train/run/a.mp4", "test/run/b.mp4", "test/jump/c.mp4"):
        write(tmp_path / base / name)
    dataset = Folder(tmp_path)
    assert dataset.splits == ("test", "train")
    assert dataset.videos("train") == [Video("train/run/a.mp4", "run", "train/run/a.mp4")]


def test_a_csv_may_give_times_and_groups(tmp_path: Path) -> None:
    text = "path,label,split,start,end,group\na.mp4,run,train,1.5,3,tape 1\n'b, c'.mp4,run,test,,,\n".replace("'", '"')
    dataset = listed(tmp_path, text.replace('"b, c".mp4', '"b, c.mp4"'))
    assert dataset.videos("train") == [Video("a.mp4#t=1.5,3.0", "run", "tape 1", 1.5, 3.0)]
    assert dataset.videos("test") == [Video("b, c.mp4", "run", "b, c.mp4")]


def test_pieces_of_one_file_have_ids_of_their_own_and_share_file_and_group(tmp_path: Path) -> None:
    rows = "#t=.mp4,run,all,,2\n#t=.mp4,run,all,2,\n#t=.mp4,run,all,,\n"
    dataset = listed(tmp_path, f"path,label,split,start,end\n{rows}")
    videos = dataset.videos("all")
    assert [video.id for video in videos] == ["#t=.mp4#t=,2.0", "#t=.mp4#t=2.0,", "#t=.mp4"]
    assert {dataset.path(video) for video in videos} == {tmp_path / "#t=.mp4"}
    assert {video.group for video in videos} == {"#t=.mp4"}


def test_paths_in_a_csv_may_begin_with_videos_or_not(tmp_path: Path) -> None:
    write(tmp_path / "videos/a.mp4")
    shutil.copy(tmp_path / "videos/a.mp4", tmp_path / "videos/b.mp4")
    write(tmp_path / "mine.csv", "label,path,split\nrun,videos/a.mp4,all\nrun,b.mp4,all\n")
    dataset = Folder(tmp_path, list="mine.csv")
    assert [video.id for video in dataset.videos("all")] == ["a.mp4", "b.mp4"]
    assert all(dataset.path(video).is_file() for video in dataset.videos("all"))


def test_a_misspelt_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="no column 'grop'. Did you mean 'group'"):
        listed(tmp_path, "path,label,split,grop\n").videos("all")
    with pytest.raises(OsarbenchError, match="lacks the column split"):
        listed(tmp_path, "path,label\n").videos("all")


def test_a_stated_list_that_is_not_there_is_an_error_even_beside_class_folders(tmp_path: Path) -> None:
    write(tmp_path / "run/a.mp4")
    with pytest.raises(OsarbenchError, match="mine.csv is missing"):
        Folder(tmp_path, list="mine.csv").videos("all")


@pytest.mark.parametrize("folder", ["videos", "UCF-101", "UCF101", ""])
def test_videos_of_ucf101_are_found_as_their_archive_unpacks(tmp_path: Path, folder: str) -> None:
    dataset = ucf(tmp_path, "YoYo/v_YoYo_g08_c01.avi 2\n", folder="ucfTrainTestlist")
    write(tmp_path / folder / "YoYo/v_YoYo_g08_c01.avi")
    (video,) = dataset.videos("train1")
    assert (video.id, dataset.path(video).is_file()) == ("YoYo/v_YoYo_g08_c01.avi", True)


@pytest.mark.parametrize("folder", ["videos", "hmdb51_org", ""])
def test_videos_of_hmdb51_are_found_as_their_archive_unpacks(tmp_path: Path, folder: str) -> None:
    dataset = hmdb(tmp_path, "A_#1_catch_f.avi 1\n")
    write(tmp_path / folder / "catch/A_@1_catch_f.avi")
    video = next(video for video in dataset.videos("train1") if video.label == "catch")
    assert dataset.path(video) == tmp_path / folder / "catch/A_@1_catch_f.avi"


def test_videos_of_moments_in_time_may_lie_beside_their_lists(tmp_path: Path) -> None:
    dataset = mit(tmp_path, "c7/a.mp4,c7,3,1\n")
    write(tmp_path / "validation/c7/a.mp4")
    assert dataset.path(dataset.videos("validation")[0]).is_file()


def test_a_link_to_a_folder_above_is_not_followed(tmp_path: Path) -> None:
    for name in ("run/a.mp4", "jump/b.mp4"):
        write(tmp_path / name)
    (tmp_path / "run/all").symlink_to(tmp_path)
    (tmp_path / "run/again").symlink_to(tmp_path / "run")
    assert [(video.id, video.label) for video in Folder(tmp_path).videos("all")] == [
        ("jump/b.mp4", "jump"),
        ("run/a.mp4", "run"),
    ]


def test_a_folder_of_frames_named_like_a_video_is_no_video(tmp_path: Path) -> None:
    write(tmp_path / "run/a.mp4")
    write(tmp_path / "run/b.mp4/0001.jpg")
    assert [video.id for video in Folder(tmp_path).videos("all")] == ["run/a.mp4"]


def test_a_stray_video_does_not_make_classes_of_splits(tmp_path: Path) -> None:
    for name in ("train/run/a.mp4", "test/run/b.mp4", "train/c.mp4"):
        write(tmp_path / name)
    with pytest.raises(OsarbenchError, match=r"train/c.mp4 is in no class folder, and 'train' is the name of a split"):
        Folder(tmp_path).videos("train")


def test_a_class_may_be_named_like_a_split(tmp_path: Path) -> None:
    for name in ("train/a.mp4", "ship/b.mp4"):
        write(tmp_path / name)
    assert Folder(tmp_path).classes == ("ship", "train")


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "run/a.mp4")

    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(OsarbenchError, match=f"{tmp_path} cannot be read: Permission denied"):
        Folder(tmp_path).videos("all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;label;split\n", "no column 'path;label;split'. Separate them by commas"),
        ("path,label,split\n/somewhere/a.mp4,run,all\n", "line 2: /somewhere/a.mp4 is absolute. Write paths relative"),
        ("path,label,split\na.mp4,run\n", "'a.mp4,run' has 2 fields, the first line has 3: path,label,split"),
    ],
)
def test_a_csv_of_another_kind_is_answered_with_what_to_change(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(OsarbenchError, match=message):
        listed(tmp_path, text).videos("all")


def test_a_list_in_another_encoding_says_which_to_use(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_bytes("path,label,split\na.mp4,grün,all\n".encode("latin-1"))
    with pytest.raises(OsarbenchError, match="videos.csv is not text in UTF-8.*Save it as UTF-8"):
        Folder(tmp_path).videos("all")


def test_a_root_of_nearly_the_right_name_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "UCF-101").mkdir()
    with pytest.raises(OsarbenchError, match="There is .*UCF-101; is that it"):
        Ucf101(tmp_path / "ucf101").prepare()


NAME = "v_YoYo_g08_c01"


@pytest.mark.parametrize(
    "folder",
    [f"videos/YoYo/{NAME}.mp4", f"videos/YoYo/{NAME}.AVI", f"UCF-101/UCF-101/YoYo/{NAME}.avi", f"videos/{NAME}.avi",
     f"train/YoYo/{NAME}.avi", f"{NAME}.mkv"],
)  # fmt: skip
def test_a_video_of_ucf101_is_found_by_its_name_in_the_layouts_that_circulate(tmp_path: Path, folder: str) -> None:
    dataset = ucf(tmp_path, f"YoYo/{NAME}.avi 2\n")
    write(tmp_path / folder)
    (video,) = dataset.videos("train1")
    assert dataset.path(video) == tmp_path / folder
    assert video.id == f"YoYo/{NAME}.avi"


def test_two_files_of_one_name_are_no_answer_unless_one_is_in_the_folder_of_its_class(tmp_path: Path) -> None:
    dataset = ucf(tmp_path, f"YoYo/{NAME}.avi 2\n")
    for folder in ("train", "test"):
        write(tmp_path / folder / f"{NAME}.avi")
    (video,) = dataset.videos("train1")
    assert not dataset.path(video).exists()
    write(tmp_path / f"all/YoYo/{NAME}.avi")
    again = ucf(tmp_path, f"YoYo/{NAME}.avi 2\n")
    assert again.path(video) == tmp_path / f"all/YoYo/{NAME}.avi"


def test_a_video_of_hmdb51_is_found_by_its_name(tmp_path: Path) -> None:
    dataset = hmdb(tmp_path, "A_#1_catch_f.avi 1\n")
    write(tmp_path / "hmdb/catch/A_@1_catch_f.mp4")
    video = next(video for video in dataset.videos("train1") if video.label == "catch")
    assert dataset.path(video) == tmp_path / "hmdb/catch/A_@1_catch_f.mp4"


@pytest.mark.parametrize("suffix", [".gif", ".ts", ".mpe", ".vob", ".asf", ".qt", ".3g2", ".divx", ".rmvb"])
def test_a_folder_knows_the_suffixes_of_old_videos_too(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"run/a{suffix}")
    assert [video.id for video in Folder(tmp_path).videos("all")] == [f"run/a{suffix}"]


def test_a_folder_without_videos_says_what_it_has(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"run/a/img_{number:05}.jpg")
    write(tmp_path / "run/b")
    with pytest.raises(OsarbenchError, match=r"no video. It has other files: 3 of .jpg, 1 of no suffix.\nFrames of"):
        Folder(tmp_path).videos("all")


def test_the_lists_of_ucf101_may_be_anywhere_below_its_folder_or_next_to_it(tmp_path: Path) -> None:
    for folder in ("ucf101/a/b", "ucf101", "ucfTrainTestlist"):
        root = tmp_path / folder.replace("/", "-") / "ucf101"
        ucf(root.parent, f"YoYo/{NAME}.avi 2\n", folder)
        write(root / f"YoYo/{NAME}.avi")
        assert [video.label for video in Ucf101(root).videos("train1")] == ["YoYo"]


def test_two_different_lists_are_no_answer(tmp_path: Path) -> None:
    ucf(tmp_path, "", "one")
    write(tmp_path / "two/classInd.txt", "1 Other")
    with pytest.raises(OsarbenchError, match=r"one/classInd.txt and .*two/classInd.txt differ. Leave the one"):
        _ = Ucf101(tmp_path).classes


@pytest.mark.parametrize("place", [f"ucf-101/yoyo/{NAME.lower()}.avi", f"train/YOYO/{NAME.upper()}.AVI"])
def test_names_in_another_case_are_found(tmp_path: Path, place: str) -> None:
    dataset = ucf(tmp_path, f"YoYo/{NAME}.avi 2\n")
    write(tmp_path / place)
    (video,) = dataset.videos("train1")
    assert dataset.path(video) == tmp_path / place


def test_of_a_video_and_its_copy_in_another_format_the_one_of_the_listed_name_is_read(tmp_path: Path) -> None:
    dataset = ucf(tmp_path, f"YoYo/{NAME}.avi 2\n")
    for suffix in (".avi", ".mp4", ".webm"):
        write(tmp_path / f"all/{NAME}{suffix}")
    (video,) = dataset.videos("train1")
    assert dataset.path(video) == tmp_path / f"all/{NAME}.avi"


def test_a_folder_around_those_of_splits_is_no_class(tmp_path: Path) -> None:
    for name in ("archive/train/run/a.mp4", "archive/test/run/b.mp4", "notes/readme.txt"):
        write(tmp_path / name)
    folder = Folder(tmp_path)
    assert {split: [video.label for video in folder.videos(split)] for split in folder.splits} == {
        "test": ["run"], "train": ["run"],
    }  # fmt: skip


def test_the_command_that_is_named_for_classes_of_groups_writes_a_list_that_is_read(tmp_path: Path) -> None:
    for name in ("pole vault/g01/a.mp4", "pole vault/g01/b.mp4", "jump/g02/c.mp4"):
        write(tmp_path / "videos" / name)
    with pytest.raises(OsarbenchError, match="This command writes") as caught:
        Folder(tmp_path).videos("all")
    command = str(caught.value).partition("This command writes such a list:\n")[2].splitlines()[0]
    subprocess.run(command, shell=True, check=True)
    videos = Folder(tmp_path).videos("all")
    assert [(its.id, its.label, its.group) for its in videos] == [
        ("jump/g02/c.mp4", "jump", "jump/g02"),
        ("pole vault/g01/a.mp4", "pole vault", "pole vault/g01"),
        ("pole vault/g01/b.mp4", "pole vault", "pole vault/g01"),
    ]


def test_missing_lists_are_shown_next_to_what_is_there(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"UCF-101/YoYo/{NAME}{number}.avi")
    write(tmp_path / "my lists.zip")
    with pytest.raises(OsarbenchError) as caught:
        _ = Ucf101(tmp_path).classes
    assert f"  found   UCF-101/*/*.avi  (3: UCF-101/YoYo/{NAME}0.avi, ...)\n" in str(caught.value)
    assert f"Unpack what is packed:  unzip -n '{tmp_path}/my lists.zip' -d {tmp_path}" in str(caught.value)


def test_a_file_that_two_links_lead_to_is_one_video(tmp_path: Path) -> None:
    write(tmp_path / "run/a.mp4")
    (tmp_path / "run/b.mp4").symlink_to(tmp_path / "run/a.mp4")
    write(tmp_path / "jump/c.mp4")
    (tmp_path / "jump/more").symlink_to(tmp_path / "jump/deep")
    write(tmp_path / "jump/deep/d.mp4")
    assert [video.id for video in Folder(tmp_path).videos("all")] == ["jump/c.mp4", "jump/deep/d.mp4", "run/a.mp4"]


def test_classes_of_groups_are_not_taken_for_splits(tmp_path: Path) -> None:
    for name in ("run/g01/a.mp4", "jump/g01/b.mp4"):
        write(tmp_path / name)
    with pytest.raises(OsarbenchError, match=r"(?s)a split, or a class\?.*<split>/<class>.*jump/g01/b.mp4,jump,all"):
        Folder(tmp_path).videos("all")
