"""Lens distortion on the normalised image plane (z = 1), and its inverse.

The distortion models of sensor_msgs/CameraInfo are those of OpenCV, and `projectPoints` computes the forward
direction. A distortion polynomial is valid only up to the angle where the image radius stops growing. Beyond that angle
the polynomial decreases again and maps rays from outside of the field of view into the image. Such rays and pixels
are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import cast

import cv2
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

MIN_RADIAL_SLOPE = 0.05
"""The field of view ends where the image radius grows by less than this fraction of an ideal lens's growth."""

MAX_FIELD_ANGLE = np.deg2rad(89.5)
"""Largest angle between a ray and the optical axis, radians; at 90 degrees a ray does not intersect the plane z = 1."""

_NEWTON_STEPS = 10
_NEWTON_TOLERANCE = 1e-12
"""Largest number of Newton steps for the inverse, and the error on the plane z = 1 that ends them."""

_ACCEPTED_RESIDUAL = 1e-9
"""Error of the inverse on the plane z = 1 above which a point has no undistorted position."""


class DistortionModel(str, Enum):
    """The supported distortion models, by their names in sensor_msgs/CameraInfo."""

    NONE = "none"
    PLUMB_BOB = "plumb_bob"
    RATIONAL_POLYNOMIAL = "rational_polynomial"
    EQUIDISTANT = "equidistant"


@dataclass(frozen=True, eq=False)
class LensDistortion:
    """A distortion model with its coefficients.

    Attributes:
        model: The distortion model.
        coefficients: float64 (M,), in OpenCV's order: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]], or
            k1 k2 k3 k4 for equidistant.
    """

    model: DistortionModel
    coefficients: NDArray[np.float64]

    def distort(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the distortion to ideal image coordinates.

        Args:
            xy: Ideal coordinates on the plane z = 1, float64 (N, 2).

        Returns:
            Distorted coordinates, float64 (N, 2); NaN outside of the field of view of the model.
        """
        if self.model is DistortionModel.NONE:
            return np.array(xy)
        distorted = np.full_like(xy, np.nan)
        visible = self._visible(xy)
        distorted[visible] = self._evaluate(xy[visible])[0]
        return distorted

    def undistort(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Remove the distortion from image coordinates, the inverse of `distort`.

        Newton's method on the whole model, with OpenCV's derivatives, starts from the inverse of the radial part,
        which is read from a table. (`cv2.undistortPoints` uses a fixed-point iteration, which does not converge near
        the edge of a strongly distorted image.)

        Args:
            xy: Distorted coordinates, float64 (N, 2).

        Returns:
            Ideal coordinates on the plane z = 1, float64 (N, 2); NaN outside of the field of view of the model.
        """
        if self.model is DistortionModel.NONE:
            return np.array(xy)
        finite = np.isfinite(xy).all(axis=1)
        goal = xy[finite]
        distorted_radius = np.hypot(goal[:, 0], goal[:, 1])
        ideal_radii, distorted_radii = self._radial_table
        ideal_radius = np.interp(distorted_radius, distorted_radii, ideal_radii)
        ideal = goal * (ideal_radius / np.maximum(distorted_radius, np.finfo(float).tiny))[:, None]
        with np.errstate(all="ignore"):  # where there is no solution, the steps go anywhere
            reached, derivatives = self._evaluate(ideal)
            for _ in range(_NEWTON_STEPS):
                if np.abs(goal - reached).max(initial=0.0) < _NEWTON_TOLERANCE:
                    break
                ideal = ideal + _solve_2x2(derivatives, goal - reached)
                reached, derivatives = self._evaluate(ideal)
            residual = goal - reached
        upright = _determinants(derivatives) > 0.0  # the picture is mirrored where a tangential part folds it back
        found = self._visible(ideal) & upright & (np.hypot(residual[:, 0], residual[:, 1]) < _ACCEPTED_RESIDUAL)
        result = np.full_like(xy, np.nan)
        result[finite] = np.where(found[:, None], ideal, np.nan)
        return result

    @property
    def field_angle(self) -> float:
        """Largest angle from the optical axis at which the model is valid, radians."""
        if self.model is DistortionModel.NONE:
            return float(MAX_FIELD_ANGLE)
        return float(np.arctan(self._radial_table[0][-1]))

    @property
    def image_circle(self) -> float:
        """Radius on the plane z = 1, after the distortion, up to which the model is valid."""
        return np.inf if self.model is DistortionModel.NONE else float(self._radial_table[1][-1])

    @cached_property
    def _radial_table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a table of ideal and distorted radii, both increasing, up to the end of the field of view.

        Every model scales the radius (for equidistant, the angle) by N(s) / D(s), where s is its square.
        """
        angle = np.linspace(0.0, MAX_FIELD_ANGLE, 8192)
        k = self.coefficients
        square = Polynomial([0.0, 1.0])
        if self.model is DistortionModel.EQUIDISTANT:
            variable = angle
            numerator, denominator = Polynomial([1.0, *k]), Polynomial([1.0])
        else:
            variable = np.tan(angle)
            numerator, denominator = Polynomial([1.0, *k[:2], *k[4:5]]), Polynomial([1.0, *k[5:8]])
        growth = numerator.deriv() * denominator - numerator * denominator.deriv()
        s = variable**2
        divisor = denominator(s)
        slope = (numerator * denominator + 2.0 * square * growth)(s) / divisor**2
        stalled = (slope < MIN_RADIAL_SLOPE) | (divisor <= 0.0)
        end = int(np.argmax(stalled)) if stalled.any() else len(angle)
        return np.tan(angle[:end]), (variable * numerator(s) / divisor)[:end]

    def _visible(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which ideal coordinates lie in the field of view of the model, bool (N,)."""
        return np.asarray(np.hypot(xy[:, 0], xy[:, 1]) <= self._radial_table[0][-1])

    def _evaluate(self, xy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distorted coordinates, (N, 2), and their derivatives with respect to the ideal ones, (N, 2, 2)."""
        if len(xy) == 0:
            return np.empty((0, 2)), np.empty((0, 2, 2))
        rays = np.column_stack([xy, np.ones(len(xy))]).reshape(-1, 1, 3)
        zero, identity = np.zeros(3), np.eye(3)
        if self.model is DistortionModel.EQUIDISTANT:
            distorted, jacobian = cv2.fisheye.projectPoints(rays, zero, zero, identity, self.coefficients)
            translation_xy = slice(11, 13)
        else:
            distorted, jacobian = cv2.projectPoints(rays, zero, zero, identity, self.coefficients)
            translation_xy = slice(3, 5)
        derivatives = np.asarray(jacobian)[:, translation_xy].reshape(-1, 2, 2)
        return (
            cast("NDArray[np.float64]", np.asarray(distorted).reshape(-1, 2)),
            cast("NDArray[np.float64]", derivatives),
        )


def _solve_2x2(matrices: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve N systems of two linear equations by Cramer's rule; the solution of a singular one is NaN or infinity.

    Args:
        matrices: float64 (N, 2, 2).
        right: Right-hand sides, float64 (N, 2).

    Returns:
        float64 (N, 2).
    """
    (a, b), (c, d) = matrices[:, 0].T, matrices[:, 1].T
    x, y = right.T
    with np.errstate(all="ignore"):
        numerators = np.stack([d * x - b * y, a * y - c * x], axis=1)
        solution: NDArray[np.float64] = numerators / _determinants(matrices)[:, None]
    return solution


def _determinants(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the determinants of matrices (N, 2, 2), float64 (N,)."""
    (a, b), (c, d) = matrices[:, 0].T, matrices[:, 1].T
    with np.errstate(all="ignore"):
        determinants: NDArray[np.float64] = a * d - b * c
    return determinants
