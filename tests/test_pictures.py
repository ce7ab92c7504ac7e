"""Frames that people have as folders, SQLite and HDF5 files: equal to those of the video they were made from."""

import sqlite3
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
import simplejpeg
import toy
from PIL import Image

from osarbench.data import index, locations, store
from osarbench.data.framed import with_frames
from osarbench.data.store import Source
from osarbench.data.stores import pictures, readers
from osarbench.data.video import UnreadableVideo, read_frames
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol
from osarbench_plugins.datasets.folder import Folder
from osarbench_plugins.datasets.frames_csv import FramesCsv
from osarbench_plugins.datasets.mmaction import MMAction


@pytest.fixture
def frames(tmp_path: Path) -> np.ndarray:
    toy.write(tmp_path / "video.avi", (90, 90, 90), seed=1, frames=7)
    return read_frames(tmp_path / "video.avi")


def as_folder(folder: Path, frames: np.ndarray, template: str = "img_%05d.png", first: int = 1) -> str:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / (template % number))
    return str(folder / template)


def as_sqlite(
    file: Path, frames: np.ndarray, *, columns: str = "ObjId STRING, frames BLOB", stated: str | None = None
) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    connection.execute(f"CREATE TABLE Images({columns})")
    for number, frame in reversed(list(enumerate(frames, start=1))):
        data = simplejpeg.encode_jpeg(frame, quality=100, colorspace="RGB", colorsubsampling="444")
        connection.execute("INSERT INTO Images(ObjId, frames) VALUES (?, ?)", (f"v/frame_{number:05d}", data))
    connection.commit()
    connection.close()
    if stated is not None:
        file.with_name("n_frames").write_text(stated)
    return str(file)


def as_hdf5(file: Path, frames: np.ndarray) -> str:
    with h5py.File(file, "w") as opened:
        opened["video"] = frames
    return str(file)


def read(path: str, indices: list[int], short_side: int = 24) -> np.ndarray:
    return readers.of(path).read(path, indices, short_side, None, None)


@pytest.mark.parametrize("first", [0, 1])
def test_a_folder_of_frames_is_the_video_it_was_made_from(tmp_path: Path, frames: np.ndarray, first: int) -> None:
    path = as_folder(tmp_path / "a", frames, first=first)
    assert readers.of(path).count(path, None, None) == 7
    assert np.array_equal(read(path, [5, 0, 5]), frames[[5, 0, 5]])


def test_the_number_of_the_first_frame_can_be_stated(tmp_path: Path, frames: np.ndarray) -> None:
    path = as_folder(tmp_path / "a", frames, template="frame_%03d.png", first=3)
    with pytest.raises(UnreadableVideo, match="the frame frame_001.png is missing"):
        readers.of(path).count(path, None, None)
    assert np.array_equal(read(f"{path}#3", [1]), frames[[1]])
    assert readers.of(f"{path}#3").count(f"{path}#3", None, None) == 7


def test_a_missing_frame_in_a_folder_is_named(tmp_path: Path, frames: np.ndarray) -> None:
    path = as_folder(tmp_path / "a", frames)
    (tmp_path / "a/img_00004.png").unlink()
    with pytest.raises(UnreadableVideo, match="the frame img_00004.png is missing"):
        readers.of(path).count(path, None, None)


@pytest.mark.parametrize("columns", ["ObjId STRING, frames BLOB", "ObjId STRING, frames BLOB, size INT"])
@pytest.mark.parametrize("stated", ["7", None])
def test_an_sqlite_file_of_frames_is_the_video_up_to_jpeg(
    tmp_path: Path, frames: np.ndarray, columns: str, stated: str | None
) -> None:
    path = as_sqlite(tmp_path / "v/frames.db", frames, columns=columns, stated=stated)
    assert readers.of(path).count(path, None, None) == 7
    assert np.abs(read(path, [6, 0, 6]).astype(int) - frames[[6, 0, 6]]).max() <= 4


def test_the_sample_of_a_published_frame_store_has_its_frames_in_rgb(shared: Path) -> None:
    folder = shared / "data/parity/srtg/sample_db"
    dataset = FramesCsv(folder)
    (video,) = dataset.videos("train")
    assert (video.label, dataset.classes) == ("Archery", ("Archery",))
    path = str(dataset.path(video))
    stored = np.load(folder / "frames_bgr_written.npz")
    written = stored[stored.files[0]][..., ::-1]
    found = readers.of(path).read(path, range(12), min(written.shape[1:3]), None, None)
    assert found.shape == written.shape
    assert np.abs(found.astype(float) - written).mean() < 3
    assert np.abs(found.astype(float) - written[..., ::-1]).mean() > 3


def test_an_hdf5_file_of_frames_is_the_video(tmp_path: Path, frames: np.ndarray) -> None:
    path = as_hdf5(tmp_path / "v.h5", frames)
    assert readers.of(path).count(path, None, None) == 7
    assert np.array_equal(read(path, [5, 0, 5]), frames[[5, 0, 5]])


def test_all_forms_are_scaled_as_videos_are(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "video.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        slope = np.broadcast_to(np.linspace(20, 220, 64, dtype=np.uint8)[None, :, None], (48, 64, 3))
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(slope), format="rgb24")))
        container.mux(stream.encode())
    frames = read_frames(tmp_path / "video.avi")
    direct = read_frames(tmp_path / "video.avi", [0], short_side=12)
    for path in (as_folder(tmp_path / "a", frames), as_hdf5(tmp_path / "v.h5", frames)):
        small = read(path, [0], short_side=12)
        assert small.shape == direct.shape
        assert np.abs(small.astype(int) - direct).max() <= 4  # one scales RGB, the other YUV


@pytest.mark.parametrize("damage", ["empty", "no database", "cut", "no table", "n_frames"])
def test_a_damaged_sqlite_file_is_unreadable_with_a_reason(tmp_path: Path, frames: np.ndarray, damage: str) -> None:
    path = as_sqlite(tmp_path / "v/frames.db", frames, stated="9" if damage == "n_frames" else None)
    whole = Path(path).read_bytes()
    changed = {"empty": b"", "no database": b"x" * 5000, "cut": whole[: len(whole) // 2]}
    Path(path).write_bytes(changed.get(damage, whole))
    if damage == "no table":
        connection = sqlite3.connect(path)
        connection.execute("DROP TABLE Images")
        connection.commit()
        connection.close()
    with pytest.raises(UnreadableVideo, match="no SQLite file of frames|n_frames says 9"):
        readers.of(path).count(path, None, None)
        list(readers.of(path).each(path, 24, None, None))


def test_a_damaged_picture_is_unreadable(tmp_path: Path, frames: np.ndarray) -> None:
    path = as_folder(tmp_path / "a", frames)
    jpg = as_folder(tmp_path / "b", frames, template="img_%05d.jpg")
    (tmp_path / "a/img_00002.png").write_bytes(b"no picture")
    (tmp_path / "b/img_00002.jpg").write_bytes(b"no picture")
    for its in (path, jpg):
        with pytest.raises(UnreadableVideo, match="cannot|decode"):
            read(its, [1])


@pytest.mark.parametrize("kind", ["none", "raw", "jpeg"])
def test_every_store_is_made_of_every_form(tmp_path: Path, frames: np.ndarray, kind: str) -> None:
    paths = [
        str(tmp_path / "video.avi"), as_folder(tmp_path / "a", frames), as_hdf5(tmp_path / "v.h5", frames),
        as_sqlite(tmp_path / "v/frames.db", frames),
    ]  # fmt: skip
    made = store.prepare(
        [Source(path, path) for path in paths], short_side=24, middle=4, folder=tmp_path / "clips", workers=1, kind=kind
    )
    assert [made.length(position) for position in range(4)] == [4] * 4
    wanted = np.array([3, 0, 1])
    for position in range(4):
        difference = made.frames(position, wanted).astype(int) - frames[1 + wanted]
        assert np.abs(difference).mean() < (40 if kind == "jpeg" else 2)  # the toy's noise is no picture
    assert len(set(made.digests)) == 4


def test_a_changed_frame_in_a_folder_is_another_video(tmp_path: Path, frames: np.ndarray) -> None:
    path = as_folder(tmp_path / "a", frames)
    before = readers.content(path)
    Image.fromarray(frames[0]).save(tmp_path / "a/img_00003.png")
    assert readers.content(path) != before


def test_one_line_of_a_protocol_reads_frames_instead_of_videos(tmp_path: Path) -> None:
    names = [(split, label) for split in ("train", "test", "unknown") for label in "ab"]
    root = tmp_path / "folder"
    for split, label in names:
        (root / "h5").mkdir(parents=True, exist_ok=True)
        as_hdf5(root / f"h5/{split}_{label}.h5", np.zeros((2, 4, 4, 3), np.uint8))
    kind = {"unknown": "c"}
    rows = [f"{split}_{label}.mp4,{kind.get(split, label)},{split}" for split, label in names]
    (root / "videos.csv").write_text("\n".join(["path,label,split", *rows]))
    file = tmp_path / "own.toml"
    file.write_text(
        'title = "x"\n[known]\ndataset = "folder"\ntrain = ["train"]\ntest = ["test"]\n[[unknown]]\n'
        'dataset = "folder"\nsplits = ["unknown"]\n[training]\nepochs = 1\nbatch_size = 1\nlearning_rate = 1.0\n'
        '[data.folder]\nframes = "h5/{id}.h5"\n'
    )
    found = locations.Locations(data=tmp_path, datasets={}, cache=tmp_path / "cache", weights=None)
    built = index.build(protocol.read(str(file)), plugins.load(kinds=("datasets",)), found)
    assert list(built.rows["path"]) == [str(root / f"h5/{split}_{label}.h5") for split, label in names]
    assert built.rows["video"].iloc[0] == "train_a.mp4"


@pytest.mark.parametrize("value", [3, "frames/{video}/img_%05d.jpg", "../{id}.h5", "{id}.mp4", "all/img_%05d.jpg", "{"])
def test_a_place_of_frames_that_cannot_be_is_refused(value: Any) -> None:
    with pytest.raises(OsarbenchError, match=r"p.toml: \[data.folder\] frames.* Write for example"):
        with_frames(Folder, value, "p.toml: [data.folder] frames")


def test_pieces_may_be_named_by_their_seconds(tmp_path: Path) -> None:
    (tmp_path / "videos.csv").write_text("path,label,split,start,end\na/b.mp4,run,all,2,12.5\n")
    framed = with_frames(Folder, "jpg/{label}/{name}_{start:06d}_{end:06d}/frames.db", "x")(tmp_path)
    (video,) = framed.videos("all")
    assert (video.start, video.end) == (None, None)
    assert framed.path(video) == tmp_path / "jpg/run/b_000002_000012/frames.db"


def test_a_csv_of_frames_with_times_names_folders_by_them(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "label, youtube_id, time_start, time_end, split\nrun,abc,3,13,train\nrun,abc,20,30,train\njump,d,,,val\n"
    )
    dataset = FramesCsv(tmp_path)
    assert (dataset.splits, dataset.classes) == (("train", "val"), ("run", "jump"))
    first, second = dataset.videos("train")
    assert dataset.path(first) == tmp_path / "jpg/run/abc_000003_000013/frames.db"
    assert first.group == second.group
    assert dataset.path(dataset.videos("val")[0]) == tmp_path / "jpg/jump/d/frames.db"


@pytest.mark.parametrize("row", ["run,../x,train", "run,a/b,train", "run,,train", "../run,x,train"])
def test_a_csv_of_frames_that_leaves_its_folder_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "list.csv").write_text(f"label,id,split\n{row}\n")
    with pytest.raises(OsarbenchError, match="list.csv, line 2: "):
        FramesCsv(tmp_path).videos("train")


def mmaction(root: Path, train: str, **settings: Any) -> MMAction:
    (root / "train.txt").write_text(train)
    return MMAction(root, **settings)


@pytest.mark.parametrize("header", ["", "path label\n"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_list_of_videos_may_have_a_header_and_count_from_0_or_1(tmp_path: Path, header: str, first: int) -> None:
    (tmp_path / "names.txt").write_text("run\njump\n")
    text = f"{header}a b/c.mp4 {first}\nd.mp4 {first + 1}\n"
    dataset = mmaction(tmp_path, text, classes="names.txt", folder="videos", lists={"train": "train.txt"})
    assert [(video.id, video.label) for video in dataset.videos("train")] == [("a b/c.mp4", "run"), ("d.mp4", "jump")]
    assert dataset.path(dataset.videos("train")[1]) == tmp_path / "videos/d.mp4"


def test_a_list_of_folders_of_frames_reads_them(tmp_path: Path, frames: np.ndarray) -> None:
    as_folder(tmp_path / "rawframes/run/v", frames, template="img_%05d.jpg")
    dataset = mmaction(tmp_path, "run/v 7 0\n", folder="rawframes")
    path = dataset.path(dataset.videos("train")[0])
    assert readers.is_there(path)
    assert readers.of(str(path)).count(str(path), None, None) == 7
    assert not readers.is_there(tmp_path / "rawframes/none/img_%05d.jpg")


@pytest.mark.parametrize("line", ["/etc/passwd 0", "../a.mp4 0"])
def test_a_list_that_leaves_its_folder_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(OsarbenchError, match="line 1: .* is not below"):
        mmaction(tmp_path, f"{line}\n").videos("train")


def test_a_line_without_a_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="line 2: 'b.mp4' is not '<path> <label>"):
        mmaction(tmp_path, "a.mp4 0\nb.mp4\n").videos("train")


def test_the_form_of_frames_is_told_by_the_path() -> None:
    forms = {"a/img_%05d.jpg": pictures.FrameFolder, "a/%d.png": pictures.FrameFolder, "a/frames.db": pictures.Sqlite,
             "a.hdf5": pictures.Hdf5}  # fmt: skip
    assert {path: type(readers.of(path)) for path in forms} == forms
    assert type(readers.of("100%.mp4")) is readers.Reader
