"""Exact labels: joints in the camera frame, their pixels, whether they are seen, and the box of what is seen."""

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
DEPTHS = np.array([_THICKNESS[name.removeprefix("left_").removeprefix("right_")] for name in JOINTS])
"""How deep each joint may lie below the skin or clothes that show it (metres)."""


def project(camera: Camera, joints: Array) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Project joints, and where the lens has no place for them, as an ideal lens would.

    Args:
        camera: The camera.
        joints: (N, 3) metres, camera optical frame.

    Returns:
        Pixels float32 (N, 2), never NaN, and whether each lies in the image, (N,).
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
    """Tell which joints are seen.

    Args:
        inside: (22,) whether each lies in the image.
        gaps: (22, 2) metres between it and the first surface before it: its own body's, and another's.

    Returns:
        int8 (22,): `VISIBLE`, `OCCLUDED` or `OUTSIDE`.
    """
    hidden = (gaps[:, 0] > DEPTHS) | (gaps[:, 1] > 0.0)
    return np.where(inside, np.where(hidden, OCCLUDED, VISIBLE), OUTSIDE).astype(np.int8)


def box(seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bound the pixels of the person.

    Args:
        seen: (H, W) whether each pixel shows it; at least one does.

    Returns:
        float32 (4,): x0, y0, x1, y1 of the outermost pixels' centres.
    """
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1], rows[-1]], dtype=np.float32)
