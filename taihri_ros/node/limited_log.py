"""A log of what may come in a flood: a line a second of each kind, after a few at once."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic

_BURST = 5
"""Number of lines of a kind that are written at once before they are limited."""


class LimitedLog:
    """A log that writes at most one line a second of each kind on average, and how many it has left out before it.

    It may be used from several threads.
    """

    def __init__(self, logger: logging.Logger) -> None:
        """Create a log that writes to a logger."""
        self._logger = logger
        self._lock = Lock()
        self._allowed: dict[str, tuple[float, float]] = {}
        self._left_out: dict[str, int] = {}

    def write(self, level: int, kind: str, message: str) -> None:
        """Write a line, unless too many of its kind were written lately.

        Args:
            level: Level of the logging module.
            kind: Kind of the line; there are few kinds.
            message: The line.
        """
        now = monotonic()
        with self._lock:
            allowed, when = self._allowed.get(kind, (float(_BURST), now))
            allowed = min(allowed + now - when, _BURST)
            if allowed < 1.0:
                self._allowed[kind] = allowed, now
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._allowed[kind] = allowed - 1.0, now
            left_out = self._left_out.pop(kind, 0)
        more = f" ({left_out} more since the last line of this kind)" if left_out else ""
        self._logger.log(level, "%s%s", message, more, stacklevel=2)
