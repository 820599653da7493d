"""The messages that Cyclone DDS writes to stderr: the binding's exceptions do not contain them.

They are captured in memory, because there may be no directory for temporary files. Where stderr cannot be written to,
as after the end of a pipe, what was captured is lost, and nothing else happens.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from taihri_ros.node.unread_log import write_unless_full

_MESSAGE = re.compile(r" *\d+\.\d{6} \[\d*\] [^:]*: (?P<text>.*)")
"""A line of Cyclone's log: time, domain, thread and message."""


@contextmanager
def captured_messages(*, show: bool) -> Iterator[list[str]]:
    """Capture Cyclone's messages; whatever else is written to stderr meanwhile, by any thread, is written afterwards.

    Args:
        show: Write the messages to stderr afterwards, too, unless the body of the context fails.

    Yields:
        The messages, one line each; filled at the end of the context.
    """
    messages: list[str] = []
    try:
        stderr = os.dup(2)
    except OSError:  # stderr is closed
        yield messages
        return
    failed = True
    with _memory() as file:
        _flush()
        os.dup2(file.fileno(), 2)
        try:
            yield messages
            failed = False
        finally:
            _flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            for line in file.read().splitlines(keepends=True):
                found = _MESSAGE.match(line.decode(errors="replace"))
                if found:
                    messages.append(found["text"].strip())
                if not found or (show and not failed):
                    with suppress(OSError):
                        write_unless_full(2, line)


def _memory() -> IO[bytes]:
    """Return an empty file in memory; on disk where the system has none in memory (macOS)."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("cyclone"), "w+b")
    return tempfile.TemporaryFile()


def _flush() -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.flush()
