"""The faults of a depth camera: noise, holes beside edges, mixed depths at edges, and a limited range."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.pipeline.depth_fusion import sensor_noise

_RANGE_M = (0.25, 6.0)
"""Depths that are measured, metres."""

_EDGE = 1.05
"""Ratio of the depths of two neighbouring pixels from which on there is an edge between them."""

_SHADOW_PX, _SHADOW_WIDTH = 4, 640
"""Width of the hole on the left of a nearer surface, px, in an image of the given width (px): the second camera of a
stereo pair does not see what is there."""


def measured(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a depth image as a depth camera measures it.

    Args:
        depth: (height, width) float32 metres, exact.
        rng: Random number generator.

    Returns:
        (height, width) float32 metres; 0 without a measurement.
    """
    kernel = np.ones((3, 3), np.uint8)
    nearest, farthest = cv2.erode(depth, kernel), cv2.dilate(depth, kernel)
    edge = farthest > _EDGE * nearest
    mixed = nearest + rng.random(depth.shape, dtype=np.float32) * (farthest - nearest)
    noisy = np.where(edge, mixed, depth)
    noisy += (rng.standard_normal(depth.shape) * sensor_noise(noisy)).astype(np.float32)
    reach = max(1, round(_SHADOW_PX * depth.shape[1] / _SHADOW_WIDTH))
    holes = (noisy < _RANGE_M[0]) | (noisy > _RANGE_M[1])
    for shift in range(1, reach + 1):
        holes[:, :-shift] |= depth[:, :-shift] > _EDGE * depth[:, shift:]
    return np.where(holes, np.float32(0.0), noisy)
