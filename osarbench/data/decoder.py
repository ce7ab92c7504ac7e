"""A file's video stream to decoded frames, each with the second at which FFmpeg and players show it.

FFmpeg decides everywhere: which stream is the video (the best one that is no cover), and when a frame is shown (its
best effort from presentation and decoding time stamps, counted from the file's start, which may be before the video's).
Facts about both are from FFmpeg's documentation and from comparing with what its command line prints.
"""

import os
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.format import Flags
from av.stream import Disposition

#: Titles in some files of HMDB-51 are not UTF-8. From version 19 on, av reads them without being told to.
_LENIENT: dict[str, Any] = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
_PICTURES = Disposition.timed_thumbnails | Disposition.still_image
#: Seconds by which a decoding time stamp may jump forwards and backwards in a stream; beyond, two recordings were
#: joined there. FFmpeg's thresholds.
_GAP, _STEP_BACK = 10, 0.1
_FOREVER = 2**63


class UnreadableVideo(Exception):  # noqa: N818  # it is what it says
    """A video that cannot be used: missing, not a video, without frames, damaged, or shorter than asked for."""

    def __init__(self, path: Path, reason: str) -> None:
        shown = os.fsencode(path).decode(errors="backslashreplace")  # a name need not be UTF-8, a message is
        super().__init__(f"{shown}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        return UnreadableVideo, (self.path, self.reason)  # it crosses process borders


def version() -> str:
    """Return the versions of what decodes: frames and seconds may differ between two of them."""
    libraries = ("libavformat", "libavcodec", "libswscale")
    numbers = (f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in libraries)
    return ", ".join([f"av {av.__version__}", *numbers])


class Decoder:
    """One open video file. Iterate once, inside `with`: it yields (seconds, frame) in the order of display.

    The seconds are the last at which the frame's time stamp may be: stamps are whole ticks, so that where these are
    a millisecond or shorter (Matroska, MP4), half a tick is added. A frame is at or after `start` if seconds >= start.

    Raises:
        UnreadableVideo: on opening and on iterating. A damaged file is unreadable as soon as its damage is met, even
            if the decoder could conceal it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.decoded = path, 0
        if not path.is_file():
            raise UnreadableVideo(path, "no such file")
        if not path.stat().st_size:
            raise UnreadableVideo(path, "an empty file")
        try:
            self.container = _open(path)
            self.stream = _best_stream(self.container, path)
        except (av.FFmpegError, UnicodeDecodeError) as error:
            raise self.unreadable(error) from error
        self.tick = self.stream.time_base or Fraction(1, av.time_base)  # seconds
        self.bare = bool(self.container.format.flags & _bit(Flags.no_timestamps))  # raw elementary streams
        self.stream.thread_count = 1  # several files at once beat several threads on one
        # av asks for presentation time stamps to be made up, which are wrong with packed B-frames.
        self.container.flags &= ~_bit(av.container.Flags.gen_pts)

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.close()

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        clock = _Clock(self)
        try:
            for packet in self._packets():
                if packet is not None and packet.is_corrupt:
                    raise UnreadableVideo(self.path, f"cut short or damaged after frame {self.decoded}")
                for frame in self.stream.decode(packet):
                    if frame.is_corrupt:
                        raise UnreadableVideo(self.path, f"damaged at frame {self.decoded}")
                    self.decoded += 1
                    yield clock(frame), frame
        except (av.FFmpegError, UnicodeDecodeError) as error:
            raise self.unreadable(error) from error

    def unreadable(self, error: Exception) -> UnreadableVideo:
        """Return the report of an error of the library."""
        reason = getattr(error, "strerror", None) or str(error)
        return UnreadableVideo(self.path, f"{reason} after frame {self.decoded}" if self.decoded else reason)

    def stated_length(self, start: float | None, end: float | None) -> int:
        """Return how many frames between two seconds the file's header lets expect; it may be wrong."""
        rate, seconds = self.stream.average_rate or 0, Fraction(self.container.duration or 0, av.time_base)
        total = self.stream.frames or round(seconds * rate)
        last = total if end is None else min(total, ceil(end * rate))
        return max(0, last - max(0, ceil((start or 0) * rate)))

    def _packets(self) -> "Iterator[av.Packet[Any] | None]":
        """Yield the stream's packets; at last None, which fetches the frames that the decoder holds back."""
        joints = _Joints(self.tick) if self.container.format.flags & _bit(Flags.ts_discont) else None
        for packet in self.container.demux(self.stream):
            if not packet.size and not packet.is_corrupt:  # a dropped frame; it would be taken for the end
                continue
            if self.bare:  # what there is was made up, at 25 frames a second
                packet.pts = packet.dts = None
            elif joints:
                joints.mend(packet)
            yield packet
        yield None


def _open(path: Path) -> av.container.InputContainer:
    # With the protocol said, a colon in a relative path does not start another one.
    container: av.container.InputContainer = av.open(f"file:{path}", **_LENIENT)
    return container


def _bit(flag: Any) -> int:
    return int(flag.value)


def _best_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the video stream that FFmpeg picks, among those that are no covers.

    Beside others, a stream of thumbnails or of a single picture is a cover, too, even where it is not marked as one.
    FFmpeg picks the largest, where a mark as default counts as five million pixels.
    """
    streams = [
        its for its in container.streams.video if its.codec_context and not its.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise UnreadableVideo(path, "no video stream")
    if len(streams) > 1:
        several = _of_several_frames(path, streams, container.format.name)
        streams = [its for its in streams if its.index in several and not its.disposition & _PICTURES] or streams
    return max(
        streams, key=lambda its: its.width * its.height + 5_000_000 * bool(its.disposition & Disposition.default)
    )


def _of_several_frames(path: Path, streams: list[av.VideoStream], form: str) -> set[int]:
    """Return the indices of the streams of more than one frame: as their header says, or by looking.

    The header of an AVI file counts the empty packets, too, with which a single picture is drawn out.
    """
    if form != "avi" and all(its.frames for its in streams):
        return {its.index for its in streams if its.frames > 1}
    seen: Counter[int] = Counter()
    with _open(path) as container:
        for packet in container.demux([container.streams[its.index] for its in streams]):
            seen[packet.stream_index] += packet.size > 0
            if all(seen[its.index] > 1 for its in streams):
                break
    return {index for index, packets in seen.items() if packets > 1}


class _Joints:
    """Where recordings were joined (MPEG-TS, DVD): time stamps start again, and are shifted to go on."""

    def __init__(self, tick: Fraction) -> None:
        self.gap, self.step_back = _GAP / tick, _STEP_BACK / tick  # in ticks
        self.shift = 0
        self.last: int | None = None
        self.following = 0

    def mend(self, packet: "av.Packet[Any]") -> None:
        """Shift a packet's time stamps in place."""
        if packet.dts is not None:
            dts = packet.dts + self.shift
            if self.last is not None and (abs(dts - self.following) > self.gap or dts + self.step_back < self.last):
                self.shift += self.following - dts
                dts = self.following
            self.last, self.following = dts, dts + (packet.duration or 0)
            packet.dts = dts
        if packet.pts is not None:
            packet.pts += self.shift


class _Clock:
    """When frames are shown, in seconds from the file's start; called with every frame in order."""

    def __init__(self, decoder: Decoder) -> None:
        self.codec, self.tick, self.bare = decoder.stream.codec_context, decoder.tick, decoder.bare
        self.start = round(Fraction(decoder.container.start_time or 0, av.time_base) / self.tick)  # of the file
        self.half = int(self.tick <= Fraction(1, 1000))
        self.faulty_pts = self.faulty_dts = 0  # presentation and decoding time stamps that do not grow
        self.last_pts = self.last_dts = -_FOREVER
        self.last: int | None = None
        self.since_last = self.duration = 0

    def __call__(self, frame: av.VideoFrame) -> float:
        stamp = self._best_stamp(frame.pts, frame.dts)
        if stamp is None:
            stamp = self.start if self.last is None else self.last + self._step()
        if self.last is not None:
            self.since_last = stamp - self.last
        self.last, self.duration = stamp, frame.duration
        return (2 * (stamp - self.start) + self.half) * self.tick.numerator / (2 * self.tick.denominator)

    def _best_stamp(self, pts: int | None, dts: int | None) -> int | None:
        """Return the presentation time stamp, or the decoding one if this was less often wrong so far."""
        shown, decoded = (pts if pts is not None else dts), (dts if dts is not None else pts)
        if pts is not None:
            self.faulty_pts += pts <= self.last_pts
        if dts is not None:
            self.faulty_dts += dts <= self.last_dts
        if shown is None or decoded is None:
            return None
        self.last_pts, self.last_dts = shown, decoded
        return shown if dts is None or self.faulty_pts <= self.faulty_dts else decoded

    def _step(self) -> int:
        """Return for how many ticks the last frame is shown if the next one has no time stamp."""
        rate = self.codec.framerate
        by_codec = round(1 / (rate * self.tick)) if rate else 0
        if self.bare and by_codec:
            fields = max(2, round(2 * self.duration / by_codec))  # more than two: some are to be repeated
            return by_codec * fields // 2
        made_up = self.duration == 1 and self.since_last > 2
        return (0 if made_up else self.duration) or max(self.since_last, 0) or by_codec or 1
