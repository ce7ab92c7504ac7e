"""Standard output and error that may fail: a reader that leaves, a full disk. No command ends before its work does."""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Set by commands whose results are files: that they could not be shown is no failure.
shown_only = False


class _Tolerant(io.RawIOBase):
    """A file descriptor that takes everything, and remembers why it no longer passes it on."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.fault: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if self.fault is None:
            try:
                return os.write(self.descriptor, view)
            except BlockingIOError:
                return 0
            except OSError as error:
                self.fault = error
                # what child processes and libraries write must not fail either
                with contextlib.suppress(OSError), open(os.devnull, "wb") as nothing:
                    os.dup2(nothing.fileno(), self.descriptor)
        return view.nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)


@contextmanager
def tolerated() -> Iterator[None]:
    """Let standard output and error fail without an exception while this lasts.

    Raises:
        OSError: at the end, if what a command printed is its result and could not be written; not if the reader left.
    """
    global shown_only
    shown_only = False
    for descriptor in range(3):  # one that is closed would be the next file that is opened
        with contextlib.suppress(OSError):
            try:
                os.fstat(descriptor)
            except OSError:
                os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    out, err = _replaced(sys.stdout, sys.__stdout__), _replaced(sys.stderr, sys.__stderr__)
    sys.stdout = out or sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = err or sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        yield
        if out is not None:
            out.flush()
            fault = _raw(out).fault
            if fault is not None and fault.errno != errno.EPIPE:
                if not shown_only:
                    raise fault
                sys.stderr.write(
                    f"osarbench: what was to be shown could not be written: {fault.strerror}. The results are in their "
                    "files.\n"
                )
    finally:
        for stream in (out, err):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


def _replaced(stream: Any, original: Any) -> io.TextIOWrapper | None:
    """Return a tolerant stream for a real one; None for one that a test has put there."""
    if stream is None or stream is not original or not isinstance(stream, io.TextIOWrapper):
        return None
    try:
        stream.flush()
        raw = _Tolerant(stream.fileno())
    except (OSError, ValueError):
        return None
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors,
        line_buffering=stream.line_buffering or raw.isatty(),
    )  # fmt: skip


def _raw(stream: io.TextIOWrapper) -> _Tolerant:
    raw: Any = stream.buffer.raw  # type: ignore[attr-defined]
    assert isinstance(raw, _Tolerant)
    return raw
