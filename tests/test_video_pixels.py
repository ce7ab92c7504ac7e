"""The right pixels: of the right stream, in the right colours, the right way up, and not torn into fields."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import filming
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace

from osarbench.data import video
from osarbench.data.video import Frames, read_frames

NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
MOVING = [np.roll(NOISE, 5 * step, axis=1) for step in range(6)]


def encode(
    path: Path,
    pictures: list[Frames],
    options: Mapping[str, str] | None = None,
    *,
    codec: str = "libx264",
    colours: Colorspace = Colorspace.DEFAULT,
    light: ColorRange = ColorRange.MPEG,
) -> Path:
    """Write pictures, without loss by default."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"qp": "0", **(options or {})})
        stream.width, stream.height, stream.pix_fmt = *filming.SIZE, "yuv420p"
        stream.colorspace, stream.color_range = colours, light
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=colours, dst_color_range=light
            )
            container.mux(stream.encode(frame))  # type: ignore[arg-type]
        container.mux(stream.encode())
    return path


def flags(path: Path) -> list[bool]:
    with av.open(str(path)) as container:
        return [frame.interlaced_frame for frame in container.decode(video=0)]


@pytest.mark.parametrize("short_side", [24, None])
@pytest.mark.parametrize("suffix", ["mp4", "mts"])
@pytest.mark.parametrize(
    ("colours", "light"),
    [(Colorspace.DEFAULT, ColorRange.MPEG), (Colorspace.ITU709, ColorRange.MPEG), (Colorspace.ITU709, ColorRange.JPEG)],
)
def test_an_interlaced_video_equals_its_progressive_twin(
    tmp_path: Path, suffix: str, colours: Colorspace, light: ColorRange, short_side: int | None
) -> None:
    of: dict[str, Any] = {"colours": colours, "light": light}
    twin = encode(tmp_path / f"twin.{suffix}", MOVING, **of)
    torn = encode(tmp_path / f"torn.{suffix}", MOVING, {"x264-params": "interlaced=1"}, **of)
    assert all(flags(torn))
    assert not any(flags(twin))
    assert np.array_equal(read_frames(torn, short_side=short_side), read_frames(twin, short_side=short_side))


@pytest.mark.parametrize("short_side", [24, None])
def test_interlaced_mpeg_2_equals_the_very_same_pixels_flagged_progressive(
    tmp_path: Path, short_side: int | None
) -> None:
    torn = encode(tmp_path / "torn.mpg", MOVING, {"flags": "+ilme+ildct", "b": "8M"}, codec="mpeg2video")
    content, extension = bytearray(torn.read_bytes()), 0
    while (extension := content.find(b"\0\0\1\xb5", extension + 1)) > 0:
        if content[extension + 4] >> 4 == 8:  # of a picture
            content[extension + 8] |= 0x80
    twin = tmp_path / "twin.mpg"
    twin.write_bytes(content)
    assert all(flags(torn))
    assert not any(flags(twin))
    assert np.array_equal(read_frames(torn, short_side=short_side), read_frames(twin, short_side=short_side))


@pytest.mark.parametrize("short_side", [24, None])
@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((1, 0, 0, 1), lambda its: its),
        ((-1, 0, 0, 1), lambda its: its[:, ::-1]),
        ((1, 0, 0, -1), lambda its: its[::-1]),
        ((-1, 0, 0, -1), lambda its: its[::-1, ::-1]),
        ((0, 1, 1, 0), lambda its: its.swapaxes(0, 1)),
        ((0, 1, -1, 0), lambda its: its.swapaxes(0, 1)[:, ::-1]),
        ((0, -1, 1, 0), lambda its: its.swapaxes(0, 1)[::-1]),
        ((0, -1, -1, 0), lambda its: its.swapaxes(0, 1)[::-1, ::-1]),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_each_of_the_eight_display_matrices_turns_and_mirrors(
    tmp_path: Path, matrix: tuple[int, int, int, int], upright: Any, short_side: int | None
) -> None:
    plain = encode(tmp_path / "plain.mp4", MOVING)
    content = bytearray(plain.read_bytes())
    header = content.index(b"tkhd")
    position = header + 44  # version 0: 40 bytes between the name and the matrix
    a, b, c, d = (value << 16 for value in matrix)
    content[position : position + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(content)
    expected = np.stack([upright(its) for its in read_frames(plain, short_side=short_side)])
    assert np.array_equal(read_frames(turned, short_side=short_side), expected)


@pytest.mark.parametrize(
    ("colours", "red_and_blue"),
    [(Colorspace.ITU709, (0.2126, 0.0722)), (Colorspace.ITU601, (0.299, 0.114)), (Colorspace.BT2020, (0.2627, 0.0593))],
)
@pytest.mark.parametrize("light", [ColorRange.MPEG, ColorRange.JPEG])
def test_colours_are_those_of_the_matrix_that_the_video_names(
    tmp_path: Path, colours: Colorspace, red_and_blue: tuple[float, float], light: ColorRange
) -> None:
    source = np.array([32, 192, 64])
    red, blue = red_and_blue
    luma = float(source @ [red, 1 - red - blue, blue])
    chroma = (source[2] - luma) / (2 - 2 * blue), (source[0] - luma) / (2 - 2 * red)
    scale, offset = ((219 / 255, 224 / 255), 16) if light == ColorRange.MPEG else ((1, 1), 0)
    levels = [offset + luma * scale[0], *(128 + its * scale[1] for its in chroma)]
    path = tmp_path / "colours.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = *filming.SIZE, "yuv444p"
        stream.colorspace, stream.color_range = colours, light
        planes = np.stack([np.full((48, 64), round(level), np.uint8) for level in levels])
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        frame.colorspace, frame.color_range = colours, light
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for frames in (read_frames(path), read_frames(path, short_side=24)):
        assert np.abs(frames.astype(int) - source).max() <= 2


def test_the_decoder_tells_all_its_versions() -> None:
    for name in ("libavformat", "libavcodec", "libswscale"):
        assert f"{name} {'.'.join(map(str, av.library_versions[name]))}" in video.decoder_version()
    assert video.decoder_version().startswith(f"av {av.__version__}")


def two_streams(path: Path, first: Disposition | None, second: Disposition | None, thumbnails: int = 1) -> Path:
    """Write thumbnails of 32 x 24 before a video of 64 x 48."""
    with av.open(str(path), "w") as container:
        codec = "mpeg4" if path.suffix in (".avi", ".ts") else "mjpeg"
        small = container.add_stream(codec, rate=10)
        small.width, small.height, small.pix_fmt = 32, 24, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        large = container.add_stream("mpeg4", rate=10)
        large.width, large.height, large.pix_fmt = *filming.SIZE, "yuv420p"
        for stream, disposition in ((small, first), (large, second)):
            if disposition is not None:
                stream.disposition = disposition
        for stream, pictures in ((small, [NOISE[::2, ::2]] * thumbnails), (large, MOVING)):
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))  # type: ignore[arg-type]
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi", "ts"])
@pytest.mark.parametrize("first", [None, Disposition.timed_thumbnails, Disposition.attached_pic, Disposition(0)])
def test_a_thumbnail_before_the_video_does_not_stand_for_it(
    tmp_path: Path, suffix: str, first: Disposition | None
) -> None:
    second = None if first is None else Disposition.default
    path = two_streams(tmp_path / f"two.{suffix}", first, second)
    assert read_frames(path).shape == (6, 48, 64, 3)


def test_a_large_picture_that_an_avi_draws_out_does_not_stand_for_the_video(tmp_path: Path) -> None:
    path = tmp_path / "two.avi"
    with av.open(str(path), "w") as container:
        large, small = container.add_stream("mjpeg", rate=10), container.add_stream("mpeg4", rate=10)
        large.width, large.height, large.pix_fmt = 320, 240, "yuvj420p"
        small.width, small.height, small.pix_fmt = *filming.SIZE, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="rgb24")
        container.mux([*large.encode(picture), *large.encode()])
        nothing = av.Packet(b"")
        nothing.stream, nothing.time_base, nothing.pts, nothing.dts = large, Fraction(1, 10), 1, 1
        container.mux(nothing)
        for frame in MOVING:
            container.mux(small.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(small.encode())
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 2
    assert read_frames(path).shape == (6, 48, 64, 3)


def test_of_two_videos_the_one_marked_as_default_is_read(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "two.mkv", Disposition.default, Disposition(0), thumbnails=4)
    assert read_frames(path).shape == (4, 24, 32, 3)


def test_of_two_videos_the_larger_one_is_read(tmp_path: Path) -> None:
    assert read_frames(two_streams(tmp_path / "two.mkv", None, None, thumbnails=9)).shape == (6, 48, 64, 3)


def test_a_cover_marked_as_default_is_still_a_cover(tmp_path: Path) -> None:
    path = two_streams(tmp_path / "two.mkv", Disposition.attached_pic | Disposition.default, Disposition(0))
    assert read_frames(path).shape == (6, 48, 64, 3)


def test_colours_that_nothing_converts_are_reported(tmp_path: Path) -> None:
    path = encode(tmp_path / "constant.mp4", MOVING, {"x264-params": "colormatrix=bt2020c"})
    with pytest.raises(video.UnreadableVideo, match="colours"):
        read_frames(path)
