"""Exact labels: pixels and visibility of the joints, and the bounding box of the visible person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.skeleton import JOINTS

Array = NDArray[np.float64]

VISIBLE, OCCLUDED, OUTSIDE = 0, 1, 2

_THICKNESS = {
    "pelvis": 0.24, "hip": 0.22, "spine1": 0.24, "spine2": 0.24, "spine3": 0.24, "neck": 0.16, "collar": 0.17,
    "head": 0.19, "shoulder": 0.17, "elbow": 0.12, "wrist": 0.09, "knee": 0.15, "ankle": 0.11, "foot": 0.1,
}  # fmt: skip
JOINT_DEPTHS_M = np.array([_THICKNESS[name.removeprefix("left_").removeprefix("right_")] for name in JOINTS])
"""Largest depth of each joint below the person's own surface at which it still counts as visible (metres)."""


def project(camera: Camera, joints: Array) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Project joints; outside the valid range of the lens model, use a pinhole projection.

    Args:
        camera: The camera.
        joints: (N, 3) metres, camera optical frame.

    Returns:
        Pixels float32 (N, 2), always finite, and whether each lies in the image, bool (N,).
    """
    pixels = camera.project(joints)
    beyond = np.isnan(pixels[:, 0])
    depth = np.maximum(np.abs(joints[:, 2:]), 0.02)
    ideal = np.clip(joints[:, :2] / depth, -20.0, 20.0) * camera.K[[0, 1], [0, 1]] + camera.K[:2, 2]
    pixels = np.where(beyond[:, None], ideal, pixels)
    size = (camera.width, camera.height)
    inside = (pixels >= -0.5).all(axis=1) & (pixels <= np.array(size) - 0.5).all(axis=1)
    return pixels.astype(np.float32), inside & ~beyond


def visibility(inside: NDArray[np.bool_], gaps: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the visibility of the joints.

    Args:
        inside: (22,) whether each joint lies in the image.
        gaps: (22, 2) distance along the ray from the first surface to the joint, metres: column 0 for the person's own
            body, column 1 for another person or an object; 0 without such a surface.

    Returns:
        int8 (22,): `VISIBLE`, `OCCLUDED` or `OUTSIDE`.
    """
    hidden = (gaps[:, 0] > JOINT_DEPTHS_M) | (gaps[:, 1] > 0.0)
    return np.where(inside, np.where(hidden, OCCLUDED, VISIBLE), OUTSIDE).astype(np.int8)


def box(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the bounding box of the visible person.

    Args:
        mask: (H, W) whether each pixel shows the person; at least one pixel does.

    Returns:
        float32 (4,): x0, y0, x1, y1 of the outermost pixels' centres, px.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], dtype=np.float32)
