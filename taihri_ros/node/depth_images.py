"""Buffers recent depth images and finds the one that matches a colour image."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any

from taihri_ros.node.messages import stamp_ns


class DepthImages:
    """Thread-safe buffer of undecoded depth images."""

    def __init__(self, *, tolerance_s: float, capacity: int = 30) -> None:
        """Create an empty buffer.

        Args:
            tolerance_s: Largest difference between the stamps of an image and its depth image, seconds.
            capacity: Largest number of stored messages; they must cover the time from an image to its answer.
        """
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._lock = Lock()
        self._messages: deque[tuple[int, Any]] = deque(maxlen=capacity)

    def add(self, message: Any) -> None:
        """Store a sensor_msgs/Image; it replaces the oldest one when the buffer is full."""
        with self._lock:
            self._messages.appendleft((stamp_ns(message.header), message))

    def nearest(self, stamp: int) -> Any | None:
        """Return the depth image that matches a colour image.

        Args:
            stamp: Time stamp of the colour image, nanoseconds.

        Returns:
            The sensor_msgs/Image with the nearest stamp; if two are equally near, the one received last. None if none
            is within the tolerance.
        """
        with self._lock:
            messages = tuple(self._messages)
        nearest, message = min(messages, key=lambda entry: abs(entry[0] - stamp), default=(stamp, None))
        return message if abs(nearest - stamp) <= self._tolerance_ns else None
