"""An adult as BlazePose would find them if it were exact, for the numpy part of the engine mediapipe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.mediapipe.landmarks import NAMES, NUMBER, Landmarks

SIZE = (640, 480)
FOCAL_PX = 600.0

_UPPER = {"ear": (0.07, -0.68, -0.02), "mouth": (0.03, -0.62, -0.12), "shoulder": (0.172, -0.46, 0.0)}
_ARM = {"elbow": (0.25, -0.22, 0.06), "wrist": (0.30, -0.09, -0.13)}
_HAND = {"pinky": (0.31, -0.05, -0.19), "index": (0.29, -0.06, -0.21), "thumb": (0.28, -0.08, -0.17)}
_LEG = {"hip": (0.1135, 0.02, 0.0), "knee": (0.13, 0.38, -0.14), "ankle": (0.14, 0.81, -0.05)}
_FOOT = {"heel": (0.14, 0.86, 0.0), "toe": (0.16, 0.88, -0.17)}


def adult(distance_m: float, *, beside_m: float = 0.0, turned: float = 0.0) -> NDArray[np.float64]:
    """Return the landmarks of an adult who faces the camera with raised hands, (33, 3) metres, camera optical frame.

    Args:
        distance_m: Depth of the middle of the hips.
        beside_m: Its distance from the optical axis, to the right.
        turned: Angle about the vertical, radians.
    """
    points = np.zeros((len(NAMES), 3))
    points[: NUMBER["left_ear"]] = (0.0, -0.68, -0.12)
    for part, (x, y, z) in {**_UPPER, **_ARM, **_HAND, **_LEG, **_FOOT}.items():
        points[NUMBER[f"left_{part}"]], points[NUMBER[f"right_{part}"]] = (x, y, z), (-x, y, z)
    cosine, sine = np.cos(turned), np.sin(turned)
    rotation = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    moved: NDArray[np.float64] = points @ rotation.T + (beside_m, 0.0, distance_m)
    return moved


def seen(points: NDArray[np.float64], *, scale: float = 1.0, visibility: float = 1.0) -> Landmarks:
    """Return the landmarks of somebody in a picture of `SIZE` with `FOCAL_PX`.

    Args:
        points: (33, 3) metres, camera optical frame.
        scale: Size that BlazePose gives them, as a share of the true one.
        visibility: Visibility of each landmark.
    """
    centre = (np.array(SIZE) - 1) / 2
    pixels = points[:, :2] / points[:, 2:] * FOCAL_PX + centre
    hips = points[[NUMBER["left_hip"], NUMBER["right_hip"]]].mean(axis=0)
    return Landmarks(pixels, scale * (points - hips), np.full(len(points), visibility), SIZE)
