"""Decodes depth images, and finds the one that matches a colour image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.node.compressed_depth import decode_compressed_depth
from taihri_ros.node.image_encodings import canonical
from taihri_ros.node.images import pixels_of
from taihri_ros.node.stamped_messages import StampedMessages
from taihri_ros.pipeline.frames import ImageError, is_same_frame

_METRES: dict[str, tuple[type[np.uint16] | type[np.float32], float]] = {
    "16uc1": (np.uint16, 1e-3),
    "mono16": (np.uint16, 1e-3),
    "32fc1": (np.float32, 1.0),
}
"""Number type and unit (metres) of the depth encodings of REP 118, in small letters. Some drivers call 16UC1 mono16."""


def decode_depth(message: Any) -> NDArray[np.float32]:
    """Return the depths of a message of either depth topic (parameter `depth.transport`).

    Args:
        message: A sensor_msgs/Image as defined by REP 118, 16UC1 (or mono16) in millimetres or 32FC1 in metres; or a
            sensor_msgs/CompressedImage of the transport compressedDepth.

    Returns:
        float32 (height, width) metres along the camera's z axis; NaN where the message holds zero, a negative number,
        infinity or NaN.

    Raises:
        ImageError: The message is inconsistent, damaged or not of depth.
    """
    metres = _decode_raw(message) if hasattr(message, "encoding") else decode_compressed_depth(message)
    return np.where(np.isfinite(metres) & (metres > 0.0), metres, np.float32(np.nan))


def check_depth_frame(message: Any, frame_id: str) -> None:
    """Check that a depth image is registered to a colour image: its pixels are then those of the colour camera.

    Args:
        message: The message of either depth topic.
        frame_id: The frame_id of the colour image.

    Raises:
        ImageError: The depth image has another frame_id.
    """
    if not is_same_frame(message.header.frame_id, frame_id):
        raise ImageError(
            f"the depth image has the frame_id {message.header.frame_id!r}, but the colour image has {frame_id!r}: use "
            "the depth topic that is registered (aligned) to the colour image, or set camera_info_frame:=any if it is"
        )


def _decode_raw(message: Any) -> NDArray[np.float32]:
    encoding = canonical(message.encoding)
    if encoding not in _METRES:
        raise ImageError(
            f"depth image encoding {message.encoding!r} cannot be used: publish 16UC1 (millimetres) or 32FC1 (metres)"
        )
    dtype, unit = _METRES[encoding]
    return np.asarray(pixels_of(message, 1, dtype) * np.float32(unit))


class DepthImages(StampedMessages):
    """Thread-safe buffer of undecoded depth images."""

    def __init__(self, *, tolerance_s: float, any_frame: bool = False, capacity: int = 30) -> None:
        """Create an empty buffer.

        Args:
            tolerance_s: Largest difference between the stamps of an image and its depth image, seconds.
            any_frame: Whether a depth image may have another frame_id than the colour image.
            capacity: Largest number of stored messages; they must cover the time from an image to its answer.
        """
        super().__init__(tolerance_s=tolerance_s, capacity=capacity)
        self._any_frame = any_frame

    def depth_at(self, stamp: int, frame_id: str) -> NDArray[np.float32] | None:
        """Return the depths that match a colour image.

        Args:
            stamp: Time stamp of the colour image, nanoseconds.
            frame_id: Frame id of the colour image.

        Returns:
            float32 (height, width) metres as `decode_depth`, or None if no message is within the tolerance.

        Raises:
            ImageError: The matching message has another frame_id, or cannot be decoded.
        """
        message = self.nearest(stamp)
        if message is None:
            return None
        if not self._any_frame:
            check_depth_frame(message, frame_id)
        return decode_depth(message)
