"""Lifts landmarks from a picture into the frame of its camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.mediapipe.blazepose import Landmarks

_SEEN = 0.5
_FEWEST = 6


def lift(found: Landmarks, size: tuple[int, int], focal_px: float) -> NDArray[np.float64]:
    """Place the metric landmarks so that they project to those in the picture.

    The projection of P + t is linear in the translation t: u (P_z + t_z) = P_x + t_x and v (P_z + t_z) = P_y + t_y.

    Args:
        found: The landmarks.
        size: Width and height of the picture, px.
        focal_px: Focal length, px; the principal point is the centre of the picture.

    Returns:
        (33, 3) metres, camera optical frame.
    """
    rays = (found.pixels - (np.array(size) - 1) / 2) / focal_px
    inside = ((found.pixels >= -0.5) & (found.pixels <= np.array(size) - 0.5)).all(axis=1)
    seen = (found.visibility > _SEEN) & inside
    if seen.sum() < _FEWEST:
        seen = found.visibility >= np.sort(found.visibility)[-_FEWEST]
    rays, world = rays[seen], found.world[seen]
    ones, zeros = np.ones(len(rays)), np.zeros(len(rays))
    rows = [np.column_stack([ones, zeros, -rays[:, 0]]), np.column_stack([zeros, ones, -rays[:, 1]])]
    values = [rays[:, 0] * world[:, 2] - world[:, 0], rays[:, 1] * world[:, 2] - world[:, 1]]
    translation, *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)
    return np.asarray(found.world + translation)
