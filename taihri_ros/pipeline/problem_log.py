"""Log messages for problems that return with every frame: said at once, then rarely."""

from __future__ import annotations

import logging
from math import inf
from time import monotonic

_REPEAT_S = 10.0
_CHANGE_S = 1.0


class ProblemLog:
    """Warns of a problem when it appears or changes, at most once a second, and every ten seconds while it lasts."""

    def __init__(self, logger: logging.Logger) -> None:
        """Create a log.

        Args:
            logger: Where the warnings go.
        """
        self._logger = logger
        self._said: dict[str, tuple[str, float]] = {}

    def report(self, kind: str, message: str) -> None:
        """Report a problem.

        Args:
            kind: What the message is about; only the last message of a kind counts as said.
            message: One line that says what to do.
        """
        said, when = self._said.get(kind, ("", -inf))
        now = monotonic()
        if now - when >= (_REPEAT_S if message == said else _CHANGE_S):
            self._said[kind] = (message, now)
            self._logger.warning("%s", message)

    def clear(self) -> None:
        """Take all as well again: a problem that returns is new, but still told of at most once a second."""
        self._said = {kind: ("", when) for kind, (_, when) in self._said.copy().items()}
