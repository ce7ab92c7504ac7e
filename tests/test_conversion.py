"""Videos in other forms: written whole, equal in frames to the video, read back by one line of a protocol."""

from pathlib import Path

import numpy as np
import pytest
import toy
from click.testing import CliRunner

from osarbench.cli import cli
from osarbench.data import conversion
from osarbench.data.framed import with_frames
from osarbench.data.stores import readers, writing
from osarbench.data.video import read_frames
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset
from osarbench_plugins.datasets.folder import Folder
from osarbench_plugins.datasets.frames_csv import FramesCsv


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("run/a.avi", "jump/b.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True)
        toy.write(tmp_path / "videos" / name, (200, 60, 90), seed=len(name), frames=5)
    return tmp_path


def convert(root: Path, form: str) -> conversion.Report:
    planned = conversion.plan(Folder(root), form, root, short_side=24, quality=100)
    return conversion.run(planned, root, workers=1)


def read(dataset: Dataset, video: int) -> np.ndarray:
    path = str(dataset.path(dataset.videos("all")[video]))
    return np.stack(list(readers.of(path).each(path, 24, None, None)))


@pytest.mark.parametrize("form", ["folder", "sqlite", "hdf5", "png/{id}/%03d.png"])
def test_what_is_written_is_read_as_the_video_it_came_from(root: Path, form: str) -> None:
    report = convert(root, form)
    assert (report.videos, report.frames) == (2, 10)
    dataset = with_frames(Folder, writing.FORMS.get(form, form), "here")(root)
    for number, name in enumerate(("jump/b.avi", "run/a.avi")):
        original = read_frames(root / "videos" / name)
        difference = np.abs(read(dataset, number).astype(int) - original)
        assert difference.mean() < (12 if form in ("folder", "sqlite") else 1e-9)  # noise, with halved chroma


def test_frames_are_converted_from_one_form_to_another_without_the_video(root: Path) -> None:
    convert(root, "png/{id}/%03d.png")
    dataset = with_frames(Folder, "png/{id}/%03d.png", "here")(root)
    conversion.run(conversion.plan(dataset, "hdf5", root / "new", short_side=24, quality=90), root / "new", workers=1)
    (root / "new/videos").symlink_to(root / "videos")
    moved = with_frames(Folder, writing.FORMS["hdf5"], "here")(root / "new")
    assert np.array_equal(read(moved, 1), read_frames(root / "videos/run/a.avi"))


def test_sqlite_files_come_with_the_csv_that_their_readers_want(root: Path) -> None:
    convert(root, "sqlite")
    dataset = FramesCsv(root)
    assert [(video.id, video.label) for video in dataset.videos("all")] == [("jump/b", "jump"), ("run/a", "run")]
    assert all(readers.is_there(dataset.path(video)) for video in dataset.videos("all"))
    assert (root / "jpg/run/a/n_frames").read_text() == "5"


def test_a_conversion_that_was_interrupted_writes_what_is_lacking(root: Path) -> None:
    convert(root, "folder")
    (root / "frames/run/a/img_00001.jpg").unlink()
    for file in (root / "frames/run/a").iterdir():
        file.unlink()
    (root / "frames/run/a").rmdir()
    report = convert(root, "folder")
    assert (report.videos, report.there) == (1, 1)
    assert not list((root / "frames").rglob(".*"))


def test_an_unreadable_video_is_named_and_leaves_nothing(root: Path) -> None:
    (root / "videos/run/a.avi").write_bytes(b"no video")
    report = convert(root, "sqlite")
    assert [(Path(path).name, bool(reason)) for path, reason in report.unreadable] == [("a.avi", True)]
    assert not list((root / "jpg/run").rglob("*.db"))


def test_pieces_of_one_video_need_a_place_that_names_their_seconds(root: Path) -> None:
    (root / "videos.csv").write_text("path,label,split,start,end\nrun/a.avi,run,all,0,0.2\nrun/a.avi,run,all,0.2,0.4\n")
    with pytest.raises(OsarbenchError, match="would both be .* Put their seconds into the place"):
        convert(root, "folder")


def test_the_command_says_the_line_of_the_protocol(root: Path) -> None:
    found = CliRunner().invoke(cli, ["data", "convert", "folder", str(root), "--to", "hdf5", "--workers", "1"])
    assert found.exit_code == 0
    assert "2 videos, 10 frames written." in found.output
    assert '[data.folder]\nframes = "h5/{id}.h5"' in found.output


def test_a_form_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(OsarbenchError, match="--to sqlit: 'sqlit' is not a place of frames"):
        convert(root, "sqlit")
