"""Decoding: the frames that were asked for, and clear words about files that cannot be used."""

import os
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
import toy
from av.stream import Disposition

from osarbench.data.video import UnreadableVideo, count_frames, each_frame, read_frames

CLIPS = [
    "Anna_Rawson_Driver_Practice_golf_f_nm_np1_ri_bad_0.avi",
    "RATRACE_wave_f_nm_np1_fr_goo_37.avi",
    "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi",
    "TrumanShow_wave_f_nm_np1_fr_med_26.avi",
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi",
    "v_PullUps_g02_c01.avi",
    "SOX5yA1l24A.mp4",
]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    toy.write(tmp_path / "video.avi", (90, 60, 200), seed=0, frames=30)
    return tmp_path / "video.avi"


@pytest.mark.parametrize("name", CLIPS)
def test_a_frame_is_the_same_whatever_else_is_asked_for(shared: Path, name: str) -> None:
    path = shared / "data/clips" / name
    every = read_frames(path, short_side=48)
    assert len(every) == count_frames(path)
    wanted = np.random.default_rng(0).permutation(len(every))[:7].tolist()
    for indices in (wanted, wanted[::-1], [wanted[0], wanted[0]], [len(every) - 1]):
        assert np.array_equal(read_frames(path, indices, short_side=48), every[indices])


def test_frames_are_those_of_a_plain_decode_by_the_library(shared: Path) -> None:
    path = shared / "data/clips/v_PullUps_g02_c01.avi"
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(read_frames(path, [0, 50, 121]), np.stack([plain[position] for position in (0, 50, 121)]))


def test_the_clip_with_broken_metadata_opens(shared: Path) -> None:
    path = shared / "data/clips/hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi"
    assert read_frames(path, [40]).shape == (1, 240, 320, 3)


def test_the_short_side_is_scaled_and_the_aspect_kept(video: Path) -> None:
    assert read_frames(video, [0], short_side=12).shape == (1, 12, 16, 3)
    assert read_frames(video, [0]).shape == (1, 24, 32, 3)


def test_colours_survive(video: Path) -> None:
    assert read_frames(video).mean(axis=(0, 1, 2)) == pytest.approx((90, 60, 200), abs=12)


def test_seconds_cut_the_video(video: Path) -> None:
    every = read_frames(video)
    assert np.array_equal(read_frames(video, start=0.5, end=1.0), every[5:10])
    assert np.array_equal(read_frames(video, [0], start=2.0), every[[20]])
    assert count_frames(video, start=0.5) == 25


def test_a_sideways_phone_video_is_turned_upright(tmp_path: Path, video: Path) -> None:
    turned = tmp_path / "turned.mp4"
    with av.open(str(video)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this version of PyAV cannot write a rotation")
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert read_frames(turned, [0]).shape == (1, 32, 24, 3)


@pytest.mark.parametrize("share", [0.5, 0.7])
def test_a_truncated_file_is_reported_with_its_path(video: Path, share: float) -> None:
    video.write_bytes(video.read_bytes()[: int(video.stat().st_size * share)])
    with pytest.raises(UnreadableVideo) as caught:
        count_frames(video)
    assert caught.value.path == video
    assert "cut short or damaged after frame" in caught.value.reason


def test_a_file_damaged_in_the_middle_is_reported(shared: Path, tmp_path: Path) -> None:
    content = bytearray((shared / "data/clips/v_PullUps_g02_c01.avi").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = np.random.default_rng(0).bytes(2000)
    (tmp_path / "damaged.avi").write_bytes(content)
    with pytest.raises(UnreadableVideo, match="damaged at frame"):
        count_frames(tmp_path / "damaged.avi")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "an empty file"), (b"not a video" * 99, "Invalid data"), (None, "no such file")]
)
def test_what_is_no_video_is_reported(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "x.avi"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableVideo, match=reason):
        read_frames(path)


@pytest.mark.parametrize(
    "name",
    [
        "12:30:05.avi",
        "http:x.avi",
        "concat:a|b.avi",
        "data:,x.avi",
        "pipe:0",
        " leading.avi",
        "a\u2028b\f.avi",
        "%d.avi",
    ],
)
def test_a_file_is_opened_whatever_it_is_called(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "2024:05").mkdir()
    for path in (Path(name), Path("2024:05") / name, Path("./2024:05", name)):
        (tmp_path / path).write_bytes(video.read_bytes())
        monkeypatch.chdir(tmp_path)
        assert count_frames(path) == 30
        assert len(read_frames(tmp_path / path, [3])) == 1


def test_a_name_that_is_not_utf_8_is_read_and_can_be_printed(tmp_path: Path, video: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.avi")
    try:
        path.write_bytes(video.read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert count_frames(path) == 30
    path.write_bytes(b"not a video" * 99)
    with pytest.raises(UnreadableVideo) as caught:
        count_frames(path)
    assert caught.value.path == path
    assert f"{tmp_path}/caf\\xe9.avi: Invalid data" in str(caught.value).encode().decode()


def test_a_file_with_sound_alone_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UnreadableVideo, match="no video stream"):
        count_frames(path)


def test_the_picture_of_a_records_cover_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuvj420p"
        stream.disposition = Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.zeros((24, 32, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    with pytest.raises(UnreadableVideo, match="no video stream"):
        count_frames(path)


def test_frames_one_by_one_are_all_frames(video: Path) -> None:
    one_by_one = list(each_frame(video, short_side=12, start=0.5))
    assert np.array_equal(np.stack(one_by_one), read_frames(video, short_side=12, start=0.5))
    with pytest.raises(UnreadableVideo, match="no frame"):
        list(each_frame(video, start=100.0))


def test_a_file_without_frames_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "none.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        container.start_encoding()
    with pytest.raises(UnreadableVideo):
        count_frames(path)


def test_an_index_beyond_the_end_is_reported(video: Path) -> None:
    with pytest.raises(UnreadableVideo, match="no frame 30: it has 30"):
        read_frames(video, [3, 30])


def test_the_report_crosses_process_borders() -> None:
    error = pickle.loads(pickle.dumps(UnreadableVideo(Path("a.avi"), "why")))
    assert (error.path, error.reason) == (Path("a.avi"), "why")
