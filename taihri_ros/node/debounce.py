"""Debouncing: the latest of many values is applied, in time, and each one that is applied has time to take effect."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from threading import Lock, Timer
from time import monotonic
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


_WINDOW_S = 1.0
"""Time in s within which more than a burst of values is a flood, which ends when none comes for so long."""

_CHECK_S = 0.2
"""Period in s in which it is checked whether the latest value of a flood may be applied."""


class Debounce(Generic[_Value]):
    """Applies values at once as long as they are few. In a flood, the latest value is applied after each dwell time.

    It may be used from several threads.
    """

    def __init__(self, apply: Callable[[_Value], None], *, burst: int, dwell_s: Callable[[], float]) -> None:
        """Create it.

        Args:
            apply: Applies a value.
            burst: Number of values that are applied at once within a second.
            dwell_s: Returns the time that a value has before another one of a flood replaces it, in s.
        """
        self._apply = apply
        self._dwell_s = dwell_s
        self._lock = Lock()
        self._applied: deque[float] = deque([-inf] * burst, burst)
        self._last_put = -inf
        self._is_flood = False
        self._latest: list[_Value] = []
        self._timer: Timer | None = None

    def put(self, value: _Value) -> None:
        """Apply a value, at once or, if it is still the latest, after the dwell time."""
        with self._lock:
            now = monotonic()
            self._is_flood &= now - self._last_put < _WINDOW_S
            self._is_flood |= now - self._applied[0] < _WINDOW_S
            self._last_put = now
            self._latest = [value]
            if self._timer is None:
                self._apply_if_due()

    def put_now(self, value: _Value) -> None:
        """Apply a value at once, and forget the one that waits."""
        with self._lock:
            self._latest = []
            self._apply(value)

    def cancel(self) -> None:
        """Forget the value that waits."""
        with self._lock:
            self._latest = []

    def settle(self) -> None:
        """Apply the value that waits, if there is one."""
        with self._lock:
            self._apply_latest()

    def _apply_if_due(self) -> None:
        """Apply the latest value if the one before has had its time; else look again soon."""
        wait_s = self._applied[-1] + self._dwell_s() - monotonic() if self._is_flood else 0.0
        if wait_s <= 0:
            self._apply_latest()
            return
        self._timer = Timer(min(wait_s, _CHECK_S), self._look_again)
        self._timer.daemon = True
        self._timer.start()

    def _look_again(self) -> None:
        with self._lock:
            self._timer = None
            if self._latest:
                self._apply_if_due()

    def _apply_latest(self) -> None:
        waiting, self._latest = self._latest, []
        for value in waiting:
            self._applied.append(monotonic())
            self._apply(value)
