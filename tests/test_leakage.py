"""`osarbench audit`: planted leaks are found, and videos that only look alike are not."""

import json
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result

from osarbench.audits import frame_hash, hash_cache
from osarbench.audits.hash_cache import Piece
from osarbench.commands import audits
from osarbench.data.video import Cut, read_frames
from osarbench.errors import OsarbenchError

PROTOCOL = """
title = "A made-up one"
[known]
dataset = "folder"
folder = "own"
train = ["train"]
test = ["test"]
calibration = 0.0
[[unknown]]
dataset = "folder"
folder = "own"
splits = ["unknown"]
[training]
epochs = 1
batch_size = 1
learning_rate = 0.1
"""
# path below shared/data/clips or a made file, class, split, group
LISTED = (
    ("v_PullUps_g02_c01.avi", "pull", "train", "pull-2"),
    ("v_BrushingTeeth_g01_c01.avi", "brush", "train", "brush-1"),
    ("v_SoccerJuggling_g23_c01.avi", "pull", "test", "juggling-23"),
    ("v_Lunges_g10_c02.avi", "brush", "test", "lunges-10"),
    ("TrumanShow_wave_f_nm_np1_fr_med_26.avi", "wave", "unknown", "truman"),
)


@pytest.fixture
def own(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder data set of five real clips that share nothing, as the current folder's `own/`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSARBENCH_CACHE", str(tmp_path / "cache"))
    Path("made.toml").write_text(PROTOCOL)
    Path("own/videos").mkdir(parents=True)
    for name, *_ in LISTED:
        shutil.copy(shared / "data/clips" / name, Path("own/videos") / name)
    listed(*LISTED)
    return Path("own/videos")


def listed(*rows: tuple[str, str, str, str]) -> None:
    lines = ["path,label,split,group", *(",".join(row) for row in rows)]
    Path("own/videos.csv").write_text("\n".join(lines) + "\n")


def audit(*arguments: str) -> Result:
    return CliRunner().invoke(audits.audit, ["made.toml", "--data", ".", "--json", "all.json", *arguments])


def report(*arguments: str) -> dict[str, Any]:
    assert audit(*arguments).exception is None or audit(*arguments).exit_code == 1
    return json.loads(Path("all.json").read_text())


def encode(frames: np.ndarray, file: Path, bit_rate: int = 200_000) -> None:
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *frames.shape[1:3], "yuv420p", bit_rate
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def test_clips_that_share_nothing_are_clean(own: Path) -> None:
    result = audit()
    assert result.exit_code == 0
    assert "2 train, 0 calibration, 2 known, 1 unknown videos" in result.output
    assert "Groups: no source group has videos of two roles." in result.output
    assert "Frames: no two videos of two roles" in result.output
    assert result.output.rstrip().endswith("No leak by group or file between training and test.")


def test_a_re_encoded_and_rescaled_copy_is_found(own: Path) -> None:
    encode(read_frames(own / LISTED[0][0], short_side=120)[5:, :, :160], own / "copy.mp4")
    listed(*LISTED, ("copy.mp4", "wave", "unknown", "copy"))
    result = audit()
    assert result.exit_code == 0  # a near copy is for people to judge
    assert "pull-2 (pull, 1 train) and copy (wave, 1 unknown)" in result.output
    (found,) = json.loads(Path("all.json").read_text())["copies"]
    assert found["distance"] <= 20
    assert found["roles"] == ["train", "unknown"]


def test_a_group_in_train_and_test_is_a_leak(own: Path) -> None:
    listed(*LISTED[:2], ("v_SoccerJuggling_g23_c01.avi", "pull", "test", "pull-2"), *LISTED[3:])
    result = audit("--no-frames")
    assert result.exit_code == 1
    assert "pull-2: 1 train, 1 known (pull), for example v_PullUps" in result.output
    assert "LEAK: 1 group or file of the test is in training." in result.output
    assert "Frames: not looked at." in result.output


def test_a_group_that_known_and_unknown_share_is_reported_but_no_leak_of_the_test(own: Path) -> None:
    listed(*LISTED[:4], (LISTED[4][0], "wave", "unknown", "lunges-10"))
    result = audit("--no-frames")
    assert result.exit_code == 0
    assert "lunges-10: 1 known, 1 unknown (brush, wave)" in result.output


def test_the_same_bytes_under_another_name_are_a_leak(own: Path) -> None:
    shutil.copy(own / LISTED[0][0], own / "renamed.avi")
    listed(*LISTED, ("renamed.avi", "pull", "test", "renamed"))
    found = report("--no-frames")
    assert found["leaks"][0]["videos"] == ["v_PullUps_g02_c01.avi", "renamed.avi"]
    assert audit("--no-frames").exit_code == 1


def test_a_training_file_among_the_unknown_videos_is_a_leak(own: Path) -> None:
    shutil.copy(own / LISTED[0][0], own / "renamed.avi")
    listed(*LISTED, ("renamed.avi", "wave", "unknown", "renamed"))
    assert report("--no-frames")["leaks"][0]["roles"] == ["train", "unknown"]
    assert audit("--no-frames").exit_code == 1


def test_one_file_listed_in_train_and_test_is_a_leak(own: Path) -> None:
    rows = [(name, label, split, "") for name, label, split, _ in LISTED]
    listed(*rows, (LISTED[0][0], "pull", "test", ""))
    assert len(report("--no-frames")["leaks"]) == 1


def test_a_title_that_classes_share_is_named(own: Path) -> None:
    listed(*LISTED[:3], (LISTED[3][0], "brush", "test", "brush/FILM"), (LISTED[4][0], "wave", "unknown", "wave/FILM"))
    result = audit("--no-frames")
    assert "Sources: 1 source of two roles and several classes, by title." in result.output
    assert "FILM: 1 known, 1 unknown (brush, wave)" in result.output


def test_a_video_that_does_not_decode_is_listed(own: Path) -> None:
    (own / "broken.avi").write_bytes(b"not a video")
    (own / "cut.avi").write_bytes((own / LISTED[0][0]).read_bytes()[:60_000])
    listed(*LISTED, ("broken.avi", "pull", "train", "b"), ("cut.avi", "pull", "test", "c"))
    result = audit()
    assert result.exit_code == 0
    assert "2 videos cannot be read:" in result.output
    assert "broken.avi: Invalid data" in result.output


def test_black_videos_are_not_like_each_other(own: Path) -> None:
    for name in ("a", "b"):
        encode(np.zeros((20, 48, 64, 3), np.uint8), own / f"{name}.mp4")
    listed(*LISTED, ("a.mp4", "pull", "train", "a"), ("b.mp4", "pull", "test", "b"))
    result = audit()
    assert "Frames: no two videos" in result.output
    assert "2 videos have only flat frames" in result.output


def test_hashes_are_kept_until_a_file_changes(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [Piece(own / name) for name, *_ in LISTED] + [Piece(own / LISTED[0][0], 1.0, 2.0)]
    first = hash_cache.hash_all(pieces, tmp_path / "cache")
    calls: list[str] = []

    def counting(path: Path, cuts: Sequence[Cut]) -> list[frame_hash.Hashes | str]:
        calls.append(path.name)
        return [np.zeros((0, 4), np.uint64) for _ in cuts]

    monkeypatch.setattr(frame_hash, "hash_pieces", counting)
    again = hash_cache.hash_all(pieces, tmp_path / "cache")
    assert all(np.array_equal(first[piece], again[piece]) for piece in pieces)
    (own / LISTED[1][0]).touch()
    hash_cache.hash_all(pieces, tmp_path / "cache")
    assert calls == [LISTED[1][0]]


def test_hashes_of_another_decoder_are_not_used(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = Piece(own / LISTED[0][0])
    hash_cache.hash_all([piece], tmp_path / "cache")
    monkeypatch.setattr(hash_cache, "decoder_version", lambda: "another")
    hash_cache.hash_all([piece], tmp_path / "cache")
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 2


def test_a_damaged_cache_is_made_anew(own: Path, tmp_path: Path) -> None:
    piece = Piece(own / LISTED[0][0])
    first = hash_cache.hash_all([piece], tmp_path / "cache")
    (file,) = (tmp_path / "cache").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    assert np.array_equal(hash_cache.hash_all([piece], tmp_path / "cache")[piece], first[piece])


def test_pre_training_labels_of_the_same_name_are_named(own: Path, shared: Path) -> None:
    Path("labels.txt").write_text("abseiling\nwaving hand\n")
    shown = audit("--no-frames", "--pretrained-labels", "labels.txt").output
    assert "1 other shares words with a label" in shown
    assert "wave (waving hand)" in shown
    listed(*LISTED[:4], (LISTED[4][0], "shake_hands", "unknown", "truman"))
    kinetics = shared / "data/annotations/kinetics/label_map_k400.txt"
    shown = audit("--no-frames", "--pretrained-labels", str(kinetics)).output
    assert "1 unknown class has a label of the same name.\n  shake_hands" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "The data set 'folder' is not at nowhere/own"),
        (["--pretrained-labels", "none.txt"], "There is no file of pre-training labels none.txt"),
        (["--pretrained-labels", "empty.txt"], "empty.txt has no label"),
    ],
)
def test_what_the_user_can_mend_is_said(own: Path, arguments: list[str], message: str) -> None:
    Path("empty.txt").write_text("\n1\n")
    raised = audit(*arguments).exception
    assert isinstance(raised, OsarbenchError)
    assert message in str(raised)


def test_a_hash_is_that_of_a_slow_transform() -> None:
    from scipy.fft import dctn

    picture = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 1), np.uint8).repeat(3, axis=3)
    waves = dctn(picture[0, :, :, 0].astype(np.float64))
    square = [(row, column) for size in range(17) for row in range(32) for column in range(32)
              if max(row, column) == size]  # fmt: skip
    low = np.array([waves[position] for position in square[1:257]])
    bits = np.unpackbits(frame_hash.hash_frames(picture).view(np.uint8))
    assert np.array_equal(bits, low > np.median(low))


def test_the_search_finds_what_comparing_all_finds_in_seconds() -> None:
    generator = np.random.default_rng(0)
    first = list(generator.integers(0, 2**63, (3000, 8, 4), np.uint64))
    second = list(generator.integers(0, 2**63, (1500, 8, 4), np.uint64))
    first[7], second[1] = first[7][:0], second[1][:0]  # videos of flat frames only
    second[40][3] = first[2000][5] ^ np.uint64(0b1011)
    start = time.perf_counter()
    assert frame_hash.search(first, second) == [frame_hash.Pair(2000, 40, 12)]
    assert time.perf_counter() - start < 20
    assert frame_hash.search(first[7:8], second) == frame_hash.search([], second) == []


@pytest.mark.slow
def test_of_a_million_real_pairs_only_one_recording_is_found(shared: Path, tmp_path: Path) -> None:
    """HMDB-51's "30 (dead-hang) pull-ups" is group 16 of UCF-101's PullUps; UCF-101's lists divide three recordings."""
    pieces = [Piece(file) for file in sorted((shared / "data/mini").rglob("*.avi"))]
    hashed = hash_cache.hash_all(pieces, tmp_path)
    ucf, hmdb = ([piece.path for piece in pieces if name in piece.path.parts] for name in ("ucf101", "hmdb51"))
    of = {piece.path: its for piece, its in hashed.items()}
    found = frame_hash.search([of[path] for path in ucf], [of[path] for path in hmdb])  # type: ignore[misc]
    assert {re.sub(r"_c\d+$", "", ucf[pair.first].stem) for pair in found} == {"v_PullUps_g16"}
    assert all("30_(dead-hang)_pull-ups" in hmdb[pair.second].name for pair in found)
    assert len(found) == 6
    groups = [re.sub(r"_c\d+$", "", path.stem)[2:] for path in ucf]
    own = frame_hash.search([of[path] for path in ucf], [of[path] for path in ucf])  # type: ignore[misc]
    crossing = {(groups[pair.first], groups[pair.second]) for pair in own if groups[pair.first] < groups[pair.second]}
    jumping = {("g03", "g11"), ("g04", "g13"), ("g08", "g12"), ("g14", "g17")}
    assert crossing == {tuple(f"TrampolineJumping_{group}" for group in pair) for pair in jumping}
