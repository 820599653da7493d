"""95 % confidence ellipsoids of positions, and their outlines in an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.body.kinematics import quaternions
from taihri_ros.camera.camera import Camera

CHI_SQUARE_2, CHI_SQUARE_3 = 5.991, 7.815
"""95 % points of chi-square with 2 and 3 degrees of freedom."""

_STEP = 1e-3
"""Step of the central differences, as a fraction of the distance from the camera."""

_CORNERS = 72
"""Corners of the polygon that approximates an outline."""


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """The 95 % confidence ellipsoid of a position, centred at the position.

    Attributes:
        semi_axes: (3,) metres, in ascending order.
        rotation: (3, 3), from the frame of the axes to the frame of the covariance; its columns are the directions of
            the axes, and its determinant is 1.
    """

    semi_axes: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def from_covariance(cls, covariance: ArrayLike) -> Ellipsoid | None:
        """Return the ellipsoid of a covariance.

        Args:
            covariance: (3, 3) m², symmetric.

        Returns:
            The ellipsoid; None if the covariance is not finite.
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
        return np.asarray(quaternions(self.rotation[None])[0])


def image_ellipse(camera: Camera, position: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64] | None:
    """Return the outline of the 95 % confidence ellipse of a position's pixel.

    The covariance is propagated to the image with the Jacobian of the camera's projection, including lens distortion,
    which is computed by central differences.

    Args:
        camera: The camera.
        position: (3,) metres, camera optical frame.
        covariance: (3, 3) m², symmetric, camera optical frame.

    Returns:
        (N, 2) px, the corners of a closed polygon, as offsets from the position's pixel; None if the covariance is not
        finite or the position does not project into the camera.
    """
    centre, values = np.asarray(position, np.float64), np.asarray(covariance, np.float64)
    steps = _STEP * np.linalg.norm(centre) * np.eye(3)
    ends = camera.project(np.concatenate([centre + steps, centre - steps]))
    jacobian = (ends[:3] - ends[3:]).T / (2.0 * steps[0, 0])
    if not (np.isfinite(values).all() and np.isfinite(jacobian).all()):
        return None
    variances, directions = np.linalg.eigh(jacobian @ values @ jacobian.T)
    turn = np.linspace(0.0, 2.0 * np.pi, _CORNERS, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.asarray(circle * np.sqrt(CHI_SQUARE_2 * np.maximum(variances, 0.0)) @ directions.T)
