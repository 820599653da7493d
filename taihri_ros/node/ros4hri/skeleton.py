"""The 18 points of `skeleton2d` and the region of a body, from a person's pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.keypoints import Keypoint, Person

Array = NDArray[np.float64]

POINTS = (
    None,  # nose
    None,  # neck: the middle of the shoulders, see `skeleton_points`
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    None,  # eyes, then ears, left first
    None,
    None,
    None,
)
"""Our joint at each of the 18 points, which have the order of OpenPose's COCO model (constants of hri_msgs/Skeleton2D).

The face is not known: the joint `head` is the upper end of the neck, 0.1 m and more behind the nose.
"""

_NECK, _RIGHT_SHOULDER, _LEFT_SHOULDER = 1, 2, 5
"""Places of these points among the 18."""

_UNRATED = 0.5
"""The c of a point for which the engine gives no confidence."""


def skeleton_points(person: Person, width: int, height: int) -> Array:
    """Return the 18 points of a person.

    The neck is the middle of the shoulders, as OpenPose defines it.

    Args:
        person: The person, with as many joints as possible.
        width: Width of the image, px.
        height: Height of the image, px.

    Returns:
        float64 (18, 3): x and y as shares of width and height, in [0, 1], and the confidence c. All are 0 for a point
        that is not known or lies outside the image.
    """
    located = {keypoint.name: keypoint for keypoint in person.located}
    points = np.zeros((len(POINTS), 3))
    for row, name in enumerate(POINTS):
        if name in located:
            points[row] = _point(located[name], width, height)
    shoulders = points[[_RIGHT_SHOULDER, _LEFT_SHOULDER]]
    if (shoulders[:, 2] > 0.0).all():
        points[_NECK] = *shoulders[:, :2].mean(axis=0), shoulders[:, 2].min()
    return points


def region(person: Person, box: Array | None, width: int, height: int) -> Array | None:
    """Return the region of a person in the image.

    Args:
        person: The person.
        box: (4,) left, top, right and bottom, px; None to bound the pixels of the joints instead.
        width: Width of the image, px.
        height: Height of the image, px.

    Returns:
        (4,) left, top, right and bottom, px, within the image and at least a pixel wide and high; None if there is no
        such region.
    """
    if box is None:
        pixels = np.array([each.pixel for each in person.located if np.isfinite(each.pixel).all()])
        if not len(pixels):
            return None
        box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
    inside = np.clip(box, 0.0, [width, height, width, height])
    return inside if (inside[2:] - inside[:2] >= 1.0).all() else None


def _point(keypoint: Keypoint, width: int, height: int) -> Array:
    # The centre of the first pixel is 0 in pixels, and half a pixel's share here.
    x, y = (keypoint.pixel + 0.5) / [width, height]
    if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
        return np.zeros(3)
    return np.array([x, y, _UNRATED if np.isnan(keypoint.confidence) else keypoint.confidence])
