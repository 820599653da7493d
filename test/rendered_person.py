"""A person of balls with a depth image, whose surface lies in front of each joint by the surface-to-joint offset."""

from __future__ import annotations

import numpy as np
from evaluated_people import CAMERA
from numpy.typing import NDArray

from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.depth_fusion import SURFACE_OFFSETS
from taihri_ros.skeleton import BONES, INDEX, JOINTS

WALL_M = 4.0
_LIMBS = ("knee", "ankle", "foot", "elbow", "wrist")
_SMALLEST_M = 0.03
_BALLS = 25


def depth_image(joints: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the depth of a person, (22, 3) metres, in front of a wall, as `CAMERA` sees it."""
    depth = np.full((CAMERA.height, CAMERA.width), WALL_M, np.float32)
    columns, rows = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    rays = CAMERA.unproject(np.column_stack([columns.ravel(), rows.ravel()])).reshape(*depth.shape, 3)
    for centre, radius in _balls(joints):
        along = rays @ centre
        square = (rays**2).sum(axis=2)
        inside = along**2 - square * (centre @ centre - radius**2)
        nearest = (along - np.sqrt(np.maximum(inside, 0.0))) / square
        depth = np.where((inside > 0.0) & (nearest < depth), nearest, depth).astype(np.float32)
    return depth


def seen(joints: NDArray[np.float64], scale: float = 1.15, deviation_px: float = 2.0) -> Person:
    """Return a person as an engine sees it that knows the pixels, and the depths up to the person's size."""
    found = []
    for name, position, pixel in zip(JOINTS, joints, CAMERA.project(joints), strict=True):
        ray, z = position / position[2], scale * position[2]
        across = (deviation_px / CAMERA.K[0, 0] * z) ** 2
        covariance = 0.2**2 * np.outer(ray, ray) + np.diag([across, across, 0.0])
        found.append(Keypoint(name, State.MEASURED, "", scale * position, covariance, 0.5, pixel))
    return Person(tuple(found), None, 1.0)


def _balls(joints: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], float]]:
    """Return centres and radii, metres: one ball for each joint, and others along the limbs between them."""
    own = {}
    for name, position in zip(JOINTS, joints, strict=True):
        radius = max(SURFACE_OFFSETS[name].mean, _SMALLEST_M)
        own[name] = (position + np.array([0.0, 0.0, radius - SURFACE_OFFSETS[name].mean]), radius)
    balls = list(own.values())
    for parent, child in BONES:
        if child.split("_")[-1] in _LIMBS:
            (start, first), (end, last) = own[parent], own[child]
            shares = np.linspace(0.0, 1.0, _BALLS)
            balls += [((1 - share) * start + share * end, (1 - share) * first + share * last) for share in shares]
    return balls


def pixel_of(joints: NDArray[np.float64], name: str) -> tuple[int, int]:
    """Return column and row of a joint, rounded."""
    column, row = np.rint(CAMERA.project(joints)[INDEX[name]]).astype(int).tolist()
    return column, row
