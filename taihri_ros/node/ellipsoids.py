"""Where a position lies with a probability of 95 % by its covariance: an ellipsoid, and its outline in an image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera import Camera

CHI_SQUARE_2, CHI_SQUARE_3 = 5.991, 7.815
"""95 % points of chi-square with 2 and 3 degrees of freedom."""

_STEP = 1e-3
"""Step of the central differences, as a part of the distance from the camera."""

_CORNERS = 72


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """The ellipsoid that holds a position with a probability of 95 %, around that position.

    Attributes:
        semi_axes: (3,) metres, from the shortest to the longest.
        rotation: (3, 3), from the frame of the axes to that of the covariance: its columns are the directions of the
            axes. Proper, so without reflection.
    """

    semi_axes: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def of(cls, covariance: ArrayLike) -> Ellipsoid | None:
        """Find the ellipsoid of a covariance.

        Args:
            covariance: (3, 3) m², symmetric.

        Returns:
            The ellipsoid; None where the covariance is not known (not finite).
        """
        values = np.asarray(covariance, np.float64)
        if not np.isfinite(values).all():
            return None
        variances, directions = np.linalg.eigh(values)
        if np.linalg.det(directions) < 0.0:
            directions = -directions
        return cls(np.sqrt(CHI_SQUARE_3 * np.maximum(variances, 0.0)), directions)

    @property
    def quaternion(self) -> NDArray[np.float64]:
        """The rotation as a unit quaternion x, y, z, w, (4,)."""
        vector = cv2.Rodrigues(self.rotation)[0].ravel()
        half = np.linalg.norm(vector) / 2.0
        return np.array([*(vector / 2.0 * np.sinc(half / np.pi)), np.cos(half)])


def image_ellipse(camera: Camera, position: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64] | None:
    """Find the outline that holds a position's pixel with a probability of 95 %.

    The covariance is taken to the image by the derivatives of the camera's projection at the position, lens included,
    found by central differences.

    Args:
        camera: The camera.
        position: (3,) metres, camera optical frame.
        covariance: (3, 3) m², symmetric, camera optical frame.

    Returns:
        (N, 2) px, the corners of a closed polygon, as offsets from the position's pixel; None where the covariance is
        not known or the camera does not see the position.
    """
    centre, values = np.asarray(position, np.float64), np.asarray(covariance, np.float64)
    steps = _STEP * np.linalg.norm(centre) * np.eye(3)
    ends = camera.project(np.concatenate([centre + steps, centre - steps]))
    slopes = (ends[:3] - ends[3:]).T / (2.0 * steps[0, 0])
    if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
        return None
    variances, directions = np.linalg.eigh(slopes @ values @ slopes.T)
    turn = np.linspace(0.0, 2.0 * np.pi, _CORNERS, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(circle * np.sqrt(CHI_SQUARE_2 * np.maximum(variances, 0.0)) @ directions.T)
