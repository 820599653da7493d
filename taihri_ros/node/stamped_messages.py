"""Buffers recent messages and finds the one that belongs to an image by its stamp."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Any

from taihri_ros.node.messages import stamp_ns

_MOST_BYTES = 512 << 20
"""Most memory that the messages of a buffer take, bytes: 30 depth images of 1920x1080 in 32FC1 take half of it."""

_DETECTION_BYTES = 4096
"""About what a detection takes in memory, bytes."""


class StampedMessages:
    """Thread-safe buffer of messages that belong to images. It is bounded in number and in memory."""

    def __init__(self, *, tolerance_s: float, capacity: int = 30) -> None:
        """Create an empty buffer.

        Args:
            tolerance_s: Largest difference between the stamps of an image and its message, seconds.
            capacity: Largest number of stored messages; they must cover the time from an image to its answer.
        """
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._added = Condition()
        self._capacity = capacity
        self._messages: deque[tuple[int, Any]] = deque()
        self._bytes = 0

    def add(self, message: Any) -> None:
        """Store a message with a header; the oldest ones go when the buffer is full."""
        with self._added:
            self._messages.appendleft((stamp_ns(message.header), message))
            self._bytes += _size(message)
            while len(self._messages) > self._capacity or self._bytes > _MOST_BYTES:
                self._bytes -= _size(self._messages.pop()[1])
            self._added.notify_all()

    def nearest(self, stamp: int) -> Any | None:
        """Return the message that matches an image.

        Args:
            stamp: Time stamp of the image, nanoseconds.

        Returns:
            The message with the nearest stamp; if two are equally near, the one received last. None if none
            is within the tolerance.
        """
        with self._added:
            messages = tuple(self._messages)
        nearest, message = min(messages, key=lambda entry: abs(entry[0] - stamp), default=(stamp, None))
        return message if abs(nearest - stamp) <= self._tolerance_ns else None


def _size(message: Any) -> int:
    """Return about how much memory a message takes, bytes: a picture's data, or its detections."""
    return len(getattr(message, "data", ())) + _DETECTION_BYTES * len(getattr(message, "detections", ()))
