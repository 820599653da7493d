"""How far off the joints are: standard deviations of their depths and of their places across the line of sight.

Measured on synthetic people. Where the whole person stands is the largest error, since their size is not known. It is
in the depth of every joint, as a share of it. The joints' own errors come on top, and grow as BlazePose doubts that it
sees them. Errors across the line of sight are the same share of a person at any distance, because BlazePose looks at a
crop of them in a fixed resolution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.mediapipe.joints import WEIGHTS
from taihri_ros.skeleton import JOINTS

_DISTANCE_ERROR = 0.09
"""Standard deviation of the distance of the person, as a share of it."""

_USUAL_SIZE, _PER_SIZE = 0.97, 3.0
"""Somebody who turns out smaller than the usual size is mostly misread; the error grows by this share of the
difference."""

_ACROSS_M = 0.03
"""Standard deviation of a visible joint across the line of sight, metres."""

_ACROSS_HIDDEN_M = {"elbow": 0.10, "wrist": 0.13, "knee": 0.15, "ankle": 0.20, "foot": 0.25}
"""What is added for a joint that is surely hidden, by the last part of its name."""

_DEPTH_M = {
    "shoulder": 0.07,
    "neck": 0.07,
    "head": 0.09,
    "elbow": 0.12,
    "wrist": 0.16,
    "knee": 0.10,
    "ankle": 0.14,
    "foot": 0.16,
}
"""Standard deviation of the depth of a visible joint around the person's, metres."""

_OTHER_ACROSS_HIDDEN_M, _OTHER_DEPTH_M = 0.06, 0.05
_DEPTH_HIDDEN_M = 0.12


def deviations(
    points: NDArray[np.float64], visibility: NDArray[np.float64], size: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the standard deviations of joints.

    Args:
        points: (22, 3) metres, camera optical frame.
        visibility: (33,) visibility of the landmarks.
        size: Size of the person in this picture, as of `Placement`.

    Returns:
        (22,) metres across the line of sight, and (22,) metres in depth.
    """
    hidden = 1.0 - _SHARES @ visibility
    distance = _DISTANCE_ERROR + _PER_SIZE * max(_USUAL_SIZE - size, 0.0)
    across = _ACROSS_M + _BY_JOINT[:, 0] * hidden
    depth = np.hypot(distance * points[:, 2], _BY_JOINT[:, 1] + _DEPTH_HIDDEN_M * hidden)
    return across, depth


def _by_joint() -> NDArray[np.float64]:
    parts = [joint.rpartition("_")[2] for joint in JOINTS]
    across = [_ACROSS_HIDDEN_M.get(part, _OTHER_ACROSS_HIDDEN_M) for part in parts]
    return np.column_stack([across, [_DEPTH_M.get(part, _OTHER_DEPTH_M) for part in parts]])


_BY_JOINT = _by_joint()
_SHARES = np.abs(WEIGHTS) / np.abs(WEIGHTS).sum(axis=1, keepdims=True)
