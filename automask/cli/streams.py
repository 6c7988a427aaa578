"""Standard output and error that take whatever is printed, in any terminal and into any pipe."""

from __future__ import annotations

import io
import sys
from typing import TextIO


class _Descriptor(io.FileIO):
    """A file descriptor; once nobody reads it, as after ``| head``, what is written to it is gone.

    Else a command would end at a print, before it has written its files.
    """

    def write(self, content: object) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type]
        except BrokenPipeError:
            return memoryview(content).nbytes  # type: ignore[arg-type]


def prepare_streams() -> None:
    """Let both streams survive a closed pipe, and write what their encoding lacks as escapes."""
    sys.stdout, sys.stderr = _prepared(sys.stdout), _prepared(sys.stderr)


def _prepared(stream: TextIO) -> TextIO:
    """The stream as it should be; one that isn't the process's own, or is closed, stays as it is."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    # Unbuffered, as PYTHONUNBUFFERED has it, there is no buffer around the descriptor.
    raw = getattr(stream.buffer, "raw", stream.buffer)
    if isinstance(raw, io.FileIO) and not stream.isatty():
        lines = io.BufferedWriter(_Descriptor(raw.fileno(), "w", closefd=False))
        stream = io.TextIOWrapper(lines, stream.encoding, line_buffering=True)
    stream.reconfigure(errors="backslashreplace")
    return stream
