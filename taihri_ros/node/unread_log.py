"""A log that never waits for whoever reads it.

A write to a pipe or terminal waits while it is full: a paused `less`, a stopped terminal, a service that hangs. A node
must go on, and end, without its reader. Standard library only.
"""

from __future__ import annotations

import logging
import os
import select
import stat
from contextlib import suppress


def write_unless_full(descriptor: int, data: bytes) -> int:
    """Write to a file, pipe, socket or terminal as long as it takes data at once.

    Args:
        descriptor: Its file descriptor.
        data: The data.

    Returns:
        Number of bytes that were written.

    Raises:
        OSError: They cannot be written, as to a pipe that is closed at its other end.
    """
    ready, written = select.poll(), 0
    ready.register(descriptor, select.POLLOUT)
    while written < len(data) and ready.poll(0):
        written += os.write(descriptor, data[written : written + select.PIPE_BUF])  # for so much there is room
    return written


def refuse_when_full(descriptor: int) -> None:
    """Let a write to a full pipe or terminal fail from now on, instead of waiting.

    It is for what libraries in C write there, whose lines are lost meanwhile. The pipe or terminal is opened once more,
    because other processes write to it through the same opening, and may want to wait.

    Args:
        descriptor: Its file descriptor. That of anything else stays as it is, and so does one that cannot be opened.
    """
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
            opened = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.dup2(opened, descriptor)
            os.close(opened)


class UnreadLog(logging.Handler):
    """A handler that leaves out the lines for which there is no room, and writes afterwards how many these were."""

    def __init__(self, descriptor: int) -> None:
        """Create the handler.

        Args:
            descriptor: File descriptor to write to.
        """
        super().__init__()
        self._descriptor = descriptor
        self._left_out = 0
        self._is_torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        begin = "\n" if self._is_torn else ""
        if self._left_out:
            begin += f"[{self._left_out} lines of the log were left out: nobody read it]\n"
        data = f"{begin}{self.format(record)}\n".encode("utf-8", "backslashreplace")
        with suppress(OSError):
            if written := write_unless_full(self._descriptor, data):
                self._left_out, self._is_torn = 0, written < len(data)
            else:
                self._left_out += 1
