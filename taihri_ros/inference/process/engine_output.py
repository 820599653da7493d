"""The output of an engine process: read, kept and logged within bounds, whatever it is."""

from __future__ import annotations

import collections
import logging
import re
import time
from typing import IO

from taihri_ros.inference.printable import LONGEST, printable
from taihri_ros.inference.process.exit_status import FAULT, FIRST_LINE

_logger = logging.getLogger(__name__)

_KEPT_LINES = 200
_CHUNK_BYTES = 1 << 16
_LONGEST_BYTES = 4 * LONGEST
_LINES_A_SECOND = 500
"""Number of lines that are logged in a second; further ones are counted."""

_LAST_LINES = 5
"""Number of lines that are kept of a piece of output beyond that."""

_MARKS = (FAULT.encode(), FIRST_LINE.encode())
_ENDS = re.compile(rb"[\r\n]+")  # a progress bar ends its lines with a carriage return


class EngineOutput:
    """The last lines of an engine process, and what its first line and its fault say.

    Attributes:
        has_begun: Whether the process has printed `FIRST_LINE`: its interpreter runs this package.
        fault: The reason that it has printed after `FAULT`; empty for none.
    """

    def __init__(self) -> None:
        """Start without output."""
        self.has_begun = False
        self.fault = ""
        self._lines: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._rest = b""
        self._cut = False
        self._second = 0.0
        self._logged = 0
        self._unlogged = 0

    def read(self, stream: IO[bytes]) -> None:
        """Read a stream to its end, and log its lines; a flood of them is counted instead.

        Args:
            stream: The unbuffered output of the process.
        """
        while chunk := stream.read(_CHUNK_BYTES):
            self._take(chunk)
        if self._rest:
            self._end_line(self._rest)
        self._report_unlogged()

    def last(self, count: int) -> list[str]:
        """Return the last lines, at most `count`."""
        return list(self._lines)[-count:]

    def _take(self, chunk: bytes) -> None:
        """Handle the next piece of the output; a line that has not ended is kept, up to a limit."""
        self._begin_second()
        *ended, rest = _ENDS.split(chunk if self._logged < _LINES_A_SECOND else self._end_of(chunk))
        left = max(_LINES_A_SECOND - self._logged, 1)  # the first one is the end of the line before
        if len(ended) > left + _LAST_LINES:
            middle = [line for line in ended[left:-_LAST_LINES] if line.startswith(_MARKS)]
            self._unlogged += len(ended) - left - _LAST_LINES - len(middle)
            ended = ended[:left] + middle + ended[-_LAST_LINES:]
        for line in ended:
            if not self._cut:
                self._end_line(self._rest + line)
            self._rest, self._cut = b"", False
        if not self._cut:
            self._rest += rest
        if len(self._rest) > _LONGEST_BYTES:
            self._end_line(self._rest)
            self._rest, self._cut = b"", True

    def _begin_second(self) -> None:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._report_unlogged()
            self._second, self._logged = now, 0

    def _end_of(self, chunk: bytes) -> bytes:
        """Return the last lines of a piece of a flood, and those that say what is wrong; the others are counted."""
        flood, *last = chunk.rsplit(b"\n", _LAST_LINES)
        if len(last) < _LAST_LINES:
            return chunk
        self._unlogged += flood.count(b"\n") + 1
        has_mark = any(mark in flood for mark in _MARKS)
        marked = [line for line in flood.split(b"\n") if line.startswith(_MARKS)] if has_mark else []
        return b"\n".join([b"", *marked, *last])

    def _end_line(self, line: bytes) -> None:
        text = printable(line)
        if not text:
            return
        self._lines.append(text)
        self.has_begun |= text.startswith(FIRST_LINE)
        if text.startswith(FAULT):
            self.fault = text.removeprefix(FAULT)
        if self._logged < _LINES_A_SECOND:
            self._logged += 1
            _logger.info("%s", text)
        else:
            self._unlogged += 1

    def _report_unlogged(self) -> None:
        if self._unlogged:
            _logger.info("%d further lines of the engine's output were not logged", self._unlogged)
            self._unlogged = 0
