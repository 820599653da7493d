"""Converts images with planes of luma and chroma to RGB: ITU-R BT.601, Y from 16 to 235, as OpenCV does."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_BT601 = np.array([[1.164384, 0.0, 1.596027], [1.164384, -0.391762, -0.812968], [1.164384, 2.017232, 0.0]], np.float32)
"""Matrix from (Y - 16, U - 128, V - 128) to RGB."""

_TO_RGB = np.column_stack([_BT601, _BT601 @ np.array([-16.0, -128.0, -128.0], np.float32)])


class Planes(NamedTuple):
    """How an encoding stores chroma behind the plane of luma.

    Attributes:
        across: Number of columns that share a chroma value, 1 or 2.
        down: Number of rows that share a chroma value, 1 or 2.
        interleaved: Whether the two chroma values of a pixel are neighbours; otherwise each has a plane.
        v_first: Whether V comes before U.
    """

    across: int
    down: int
    interleaved: bool
    v_first: bool

    def rows(self, height: int) -> int:
        """Return the number of rows as wide as the image that hold luma and chroma."""
        return height + 2 * height // (self.across * self.down)


PLANES = {
    "nv12": Planes(2, 2, interleaved=True, v_first=False),
    "nv21": Planes(2, 2, interleaved=True, v_first=True),
    "nv16": Planes(2, 1, interleaved=True, v_first=False),
    "nv61": Planes(2, 1, interleaved=True, v_first=True),
    "nv24": Planes(1, 1, interleaved=True, v_first=False),
    "nv42": Planes(1, 1, interleaved=True, v_first=True),
    "i420": Planes(2, 2, interleaved=False, v_first=False),
    "yv12": Planes(2, 2, interleaved=False, v_first=True),
}
"""Layout by encoding, as V4L2 and FourCC define them. sensor_msgs names nv12, nv21 and nv24."""

_OPENCV = {
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
    "i420": cv2.COLOR_YUV2RGB_I420,
    "yv12": cv2.COLOR_YUV2RGB_YV12,
}


def planes_to_rgb(rows: NDArray[np.uint8], height: int, encoding: str) -> NDArray[np.uint8]:
    """Convert luma and chroma to RGB.

    Args:
        rows: (`Planes.rows(height)`, width) uint8, without padding.
        height: Height of the image.
        encoding: A name of `PLANES`. Sides that share chroma must be even.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    if encoding in _OPENCV:
        return np.asarray(cv2.cvtColor(rows, _OPENCV[encoding]), np.uint8)
    planes, width = PLANES[encoding], rows.shape[1]
    chroma = rows[height:].reshape(height // planes.down, width // planes.across, 2)
    chroma = chroma.repeat(planes.across, axis=1).repeat(planes.down, axis=0)
    if planes.v_first:
        chroma = chroma[..., ::-1]
    return np.asarray(cv2.transform(np.dstack([rows[:height], chroma]), _TO_RGB), np.uint8)
