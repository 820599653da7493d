"""From the landmarks of a person to the distributions of the coordinates of their joints."""

from __future__ import annotations

import numpy as np

from taihri_ros.inference.mediapipe.answers import Distributions
from taihri_ros.inference.mediapipe.joint_errors import deviations
from taihri_ros.inference.mediapipe.joints import WEIGHTS
from taihri_ros.inference.mediapipe.landmarks import Landmarks
from taihri_ros.inference.mediapipe.placement import place
from taihri_ros.model.quantization import BINS
from taihri_ros.model.spec import ModelSpec

_CLEAREST = 11
"""Number of landmarks by whose visibility BlazePose is believed to see somebody, a third."""

_NEAREST_M = 0.05


def locate(found: Landmarks, spec: ModelSpec) -> Distributions:
    """Return the distributions of the coordinates of a person's joints.

    Args:
        found: The landmarks.
        spec: The specification, with the focal length of the picture and the ranges of the bins.

    Returns:
        The distributions.
    """
    placed = place(found, spec.focal_px)
    points = WEIGHTS @ placed.points
    across, depth = deviations(points, found.visibility, placed.size)
    picture = np.array(found.size, np.float64)
    distances = np.maximum(points[:, 2:], _NEAREST_M)
    scale = spec.focal_px / distances
    pixels = points[:, :2] * scale + (picture - 1) / 2
    slopes = points[:, :2] / distances
    metres = np.column_stack([np.hypot(across[:, None], slopes * depth[:, None]), depth])
    return Distributions(
        means=np.column_stack([pixels / picture * (BINS - 1), (points - spec.space.low) / spec.space.step]),
        deviations=np.column_stack([across[:, None] * scale / picture * (BINS - 1), metres / spec.space.step]),
        absent=1.0 - float(np.sort(found.visibility)[-_CLEAREST:].mean()),
    )
