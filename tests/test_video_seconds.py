"""Seconds of a video are those at which FFmpeg and players show its frames, counted from the file's start.

Every list of numbers here is what FFmpeg 8 and 9 answer for the same file.
"""

from fractions import Fraction
from pathlib import Path

import filming
import numpy as np
import pytest
from filming import film, seen

from osarbench.data.video import UnreadableVideo, count_frames, read_frames


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts"])
def test_a_video_that_begins_after_its_sound_keeps_the_files_clock(tmp_path: Path, suffix: str) -> None:
    late = film(tmp_path / f"late.{suffix}", {number: 1.5 + number / 10 for number in range(30)}, sound_from=0.0)
    assert seen(late, 2.0, 2.5) == [5, 6, 7, 8, 9]
    assert seen(late, 0.0, 1.8)[:2] == [0, 1]
    assert len(seen(late)) == 30
    with pytest.raises(UnreadableVideo, match="no frame"):
        seen(late, 0.0, 1.5)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_what_a_cut_by_stream_copy_hides_does_not_exist(tmp_path: Path, suffix: str) -> None:
    whole = film(tmp_path / f"whole.{suffix}", codec="libx264", options={"g": "12", "bf": "2"}, sound_from=0.0)
    piece = filming.remux(whole, tmp_path / f"piece.{suffix}", begin=1.7)
    assert seen(piece) == list(range(17, 30))
    assert seen(piece, 0.5, 1.0) == [22, 23, 24, 25, 26]


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_a_cut_by_stream_copy_without_an_edit_list_begins_at_its_key_frame(tmp_path: Path, suffix: str) -> None:
    whole = film(tmp_path / f"whole.{suffix}", codec="libx264", options={"g": "12", "bf": "2"}, sound_from=0.0)
    piece = filming.remux(whole, tmp_path / f"piece.{suffix}", begin=1.7)
    assert seen(piece, 0.5, 1.0) == [17, 18, 19, 20, 21]


def test_frames_dropped_from_an_avi_keep_their_time(tmp_path: Path) -> None:
    path = film(
        tmp_path / "dropped.avi", {number: (number if number < 12 else number + 5) / 10 for number in range(25)}
    )
    assert seen(path, 1.0, 2.0) == [10, 11, 12, 13, 14]
    assert seen(path, 1.2, 1.7 + 1e-9) == [12]
    assert count_frames(path) == 25


def test_the_decoders_delay_counts_in_an_avi_with_b_frames_as_in_ffmpeg(tmp_path: Path) -> None:
    path = film(tmp_path / "b.avi", options={"bf": "2"})
    assert seen(path, 1.0, 1.5) == [9, 10, 11, 12, 13]
    assert seen(path, 2.5) == list(range(24, 30))


def test_packed_b_frames_are_one_after_another(tmp_path: Path) -> None:
    path = filming.pack(film(tmp_path / "b.avi", 29, options={"bf": "1"}), tmp_path / "packed.avi")
    assert seen(path) == list(range(29))
    assert seen(path, 1.0, 1.5) == [9, 10, 11, 12, 13]
    assert seen(path, 2.85) == [28]  # the last one has no time stamp at all


@pytest.mark.parametrize(
    ("codec", "muxer", "rate"),
    [
        ("libx264", "h264", 10), ("libx264", "h264", Fraction(30000, 1001)), ("libx265", "hevc", 50),
        ("mpeg4", "m4v", 10), ("mpeg2video", "mpeg2video", 50), ("mpeg1video", "mpeg1video", 24),
    ],
)  # fmt: skip
def test_a_raw_stream_runs_at_the_rate_it_states(tmp_path: Path, codec: str, muxer: str, rate: int) -> None:
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = film(tmp_path / "raw", 30, codec=codec, muxer=muxer, rate=rate, options={"bf": "2", **quiet})
    assert seen(path, float(10 / rate), float(14.5 / rate)) == [10, 11, 12, 13, 14]


def test_recordings_joined_to_one_file_are_shown_one_after_another(tmp_path: Path) -> None:
    one = film(tmp_path / "one.mpg", 25, codec="mpeg2video", rate=25)
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(one.read_bytes() * 2)
    assert seen(joined, 0.2, 0.6) == list(range(5, 15))
    assert seen(joined, 1.2, 1.6) == list(range(4, 14))  # the second begins at 1.04


def test_a_time_stamp_rounded_to_milliseconds_still_is_its_frames(tmp_path: Path) -> None:
    path = film(tmp_path / "ms.mkv", 30, rate=30)
    for number in range(1, 29):
        assert seen(path, number / 30, (number + 1) / 30) == [number]


def test_a_frame_rate_that_changes_moves_frames(tmp_path: Path) -> None:
    shown = {number: number / 10 if number < 10 else 1 + (number - 10) / 2 for number in range(16)}
    assert seen(film(tmp_path / "vfr.mp4", shown), 0.8, 2.1) == [8, 9, 10, 11, 12]


@pytest.mark.parametrize(
    ("name", "first_frame_at_1_s"),
    [
        ("Anna_Rawson_Driver_Practice_golf_f_nm_np1_ri_bad_0.avi", 25),  # of 48 frames, 8 were dropped
        ("RATRACE_wave_f_nm_np1_fr_goo_37.avi", 28),  # packed B-frames
        ("TrumanShow_wave_f_nm_np1_fr_med_26.avi", 28),
        ("v_BrushingTeeth_g01_c01.avi", 25),
        ("SOX5yA1l24A.mp4", 30),
    ],
)
def test_published_clips_are_cut_where_ffmpeg_cuts_them(shared: Path, name: str, first_frame_at_1_s: int) -> None:
    path = shared / "data/clips" / name
    every = read_frames(path, short_side=32)
    pieces = [read_frames(path, short_side=32, start=second, end=second + 1) for second in range(len(every) // 31 + 1)]
    assert len(every) - first_frame_at_1_s == count_frames(path, start=1.0)
    assert np.array_equal(pieces[1], every[first_frame_at_1_s:][: len(pieces[1])])
