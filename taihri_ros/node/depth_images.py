"""The depth images of the last moments, to be found by the stamp of a colour image."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any

from taihri_ros.node.messages import stamp_ns


class DepthImages:
    """Keeps depth images as they were received; only those that are used are decoded. Used from any thread."""

    def __init__(self, *, tolerance_s: float, kept: int = 30) -> None:
        """Create an empty store.

        Args:
            tolerance_s: Longest time between the stamps of an image and its depth image, seconds.
            kept: How many of the last messages are kept: those of the time from an image to its answer at least.
        """
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._lock = Lock()
        self._messages: deque[tuple[int, Any]] = deque(maxlen=kept)

    def add(self, message: Any) -> None:
        """Keep a sensor_msgs/Image, in place of the oldest where there is no more room."""
        with self._lock:
            self._messages.appendleft((stamp_ns(message.header), message))

    def nearest(self, stamp: int) -> Any | None:
        """Find the depth image of a colour image.

        Args:
            stamp: Stamp of the colour image, nanoseconds.

        Returns:
            The sensor_msgs/Image with the nearest stamp, of equally near ones the last received; None where none is
            near enough.
        """
        with self._lock:
            kept = tuple(self._messages)
        there, message = min(kept, key=lambda entry: abs(entry[0] - stamp), default=(stamp, None))
        return message if abs(there - stamp) <= self._tolerance_ns else None
