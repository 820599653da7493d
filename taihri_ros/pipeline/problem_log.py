"""Rate-limited log of problems that recur with every frame."""

from __future__ import annotations

import logging
from math import inf
from time import monotonic

from taihri_ros.inference.printable import printable

_REPEAT_S = 10.0
"""Period in which an unchanged problem is logged again, seconds."""

_CHANGE_S = 1.0
"""Shortest time between two different messages of a kind, seconds."""

_LONGEST = 2000
"""Number of characters that are logged: a message may name a field of any length, such as an encoding."""


class ProblemLog:
    """A log of recurring problems.

    A problem is logged when it appears or changes, at most once per second, and every ten seconds while it lasts.
    """

    def __init__(self, logger: logging.Logger) -> None:
        """Create a log.

        Args:
            logger: Receives the warnings.
        """
        self._logger = logger
        self._logged: dict[str, tuple[str, float]] = {}

    def report(self, kind: str, message: str, fault: BaseException | None = None) -> None:
        """Log a problem as a warning, unless it was logged recently.

        Args:
            kind: Subject of the message; each kind is rate-limited on its own.
            message: One line that states the problem and what to do; the end of a very long one is cut off.
            fault: A fault of this program, which is logged as an error with its traceback; None for a problem that the
                user can solve.
        """
        message = printable(message, _LONGEST)
        logged, when = self._logged.get(kind, ("", -inf))
        now = monotonic()
        if now - when >= (_REPEAT_S if message == logged else _CHANGE_S):
            self._logged[kind] = (message, now)
            self._logger.log(logging.ERROR if fault else logging.WARNING, "%s", message, exc_info=fault)

    def clear(self) -> None:
        """Mark all problems as solved: one that returns is logged as new, but still at most once per second."""
        self._logged = {kind: ("", when) for kind, (_, when) in self._logged.copy().items()}
