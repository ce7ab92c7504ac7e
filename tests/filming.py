"""Small videos for tests of decoding: picture n is grey of level 8 n, so that a decoded frame tells its number."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from osarbench.data.video import Frames, read_frames

RATE = 10  #: pictures a second
SIZE = (64, 48)  #: width and height


def grey(number: int) -> Frames:
    return np.full((SIZE[1], SIZE[0], 3), 8 * (number % 32), np.uint8)


def numbers(frames: Frames) -> list[int]:
    """Return which pictures were decoded."""
    return [round(float(frame.mean()) / 8) for frame in frames]


def seen(path: Path, start: float | None = None, end: float | None = None) -> list[int]:
    """Return the numbers of the pictures between two seconds."""
    return numbers(read_frames(path, start=start, end=end))


def film(
    path: Path,
    shown: Mapping[int, float] | int = 30,
    *,
    codec: str = "mpeg4",
    rate: int | Fraction = RATE,
    options: Mapping[str, str] | None = None,
    sound_from: float | None = None,
    muxer: str | None = None,
    pictures: Sequence[Frames] | None = None,
) -> Path:
    """Write pictures as a video.

    Args:
        path: the file.
        shown: the second at which each picture is shown; a number: so many, one after another.
        codec: of the video.
        rate: pictures a second; stamps are whole multiples of its inverse.
        options: of the codec.
        sound_from: the second at which two seconds of silence begin; None: no sound.
        pictures: of `SIZE`, instead of grey ones.
        muxer: of the container, where the suffix does not tell.
    """
    if isinstance(shown, int):
        shown = {number: float(number / rate) for number in range(shown)}
    with av.open(str(path), "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=rate, options={"b": "4M", "qmax": "2", **(options or {})})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        sound = None if sound_from is None else container.add_stream("mp2", rate=32000)
        packets: list[Any] = []
        for number, second in shown.items():
            frame = av.VideoFrame.from_ndarray(grey(number) if pictures is None else pictures[number], format="rgb24")
            frame.pts, frame.time_base = round(second * rate), Fraction(1) / rate
            packets += stream.encode(frame)  # type: ignore[arg-type]
        packets += stream.encode()
        if sound is not None and sound_from is not None:
            packets += _silence(sound, sound_from)
        for packet in sorted(packets, key=lambda its: its.dts * its.time_base):
            container.mux(packet)
    return path


def _silence(stream: av.AudioStream, begin: float) -> Iterable["av.Packet[av.AudioStream]"]:
    for block in range(56):  # of 1152 samples
        samples = np.zeros((1, 1152), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = 32000, int(begin * 32000) + 1152 * block, Fraction(1, 32000)
        yield from stream.encode(frame)
    yield from stream.encode()


def remux(source: Path, target: Path, *, begin: float) -> Path:
    """Copy the packets from the last key frame before a second on, as ``ffmpeg -ss BEGIN -i SOURCE -c copy`` does."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copies = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        packets = [packet for packet in old.demux() if packet.dts is not None]
        video = old.streams.video[0].index
        key = max(
            position for position, its in enumerate(packets)
            if its.stream_index == video and its.is_keyframe and its.pts * its.time_base <= begin  # type: ignore[operator]
        )  # fmt: skip
        for position, packet in enumerate(packets):
            time = packet.pts * packet.time_base  # type: ignore[operator]
            if position >= key if packet.stream_index == video else time >= begin:
                shift = round(Fraction(begin) / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift  # type: ignore[operator]
                packet.stream = copies[packet.stream_index]
                new.mux(packet)
    return target


def pack(source: Path, target: Path) -> Path:
    """Rewrite an AVI of MPEG-4 with B-frames as DivX packs it: a P-frame with its B-frame, then a placeholder."""
    with av.open(str(source)) as old:
        packets = [bytes(its) for its in old.demux(video=0) if its.size]
    first = packets[0].index(b"\0\0\1\xb6")
    packed = [packets[0][:first] + b"\0\0\1\xb2DivX503b1393p" + packets[0][first:]]
    for reference, between in zip(packets[1::2], packets[2::2], strict=False):
        packed += [reference + between, b"\x7f"]
    with av.open(str(target), "w") as new:
        stream = new.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for position, data in enumerate(packed):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, RATE), position == 0
            packet.pts = packet.dts = position
            new.mux(packet)
    return target
