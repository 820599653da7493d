"""Log messages for problems that return with every frame: said at once, then rarely."""

from __future__ import annotations

import logging
from time import monotonic

_REPEAT_S = 10.0


class ProblemLog:
    """Warns of a problem when it appears or changes, and again every ten seconds while it lasts."""

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
        said, when = self._said.get(kind, ("", 0.0))
        if message != said or monotonic() - when >= _REPEAT_S:
            self._said[kind] = (message, monotonic())
            self._logger.warning("%s", message)

    def clear(self) -> None:
        """Forget what was said, since all is well again."""
        self._said.clear()
