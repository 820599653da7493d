"""Lens distortion on the normalised image plane (z = 1), and its inverse.

The models of sensor_msgs/CameraInfo are OpenCV's, whose `projectPoints` is the forward direction here. A
polynomial is only a lens up to the ray where the image stops growing: beyond it, it folds back and would show
what is outside of the field of view as if it were inside. Such rays and pixels are NaN here.
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
"""The field of view ends where the image grows by less than this part of what an ideal lens gives."""

MAX_FIELD_ANGLE = np.deg2rad(89.5)
"""No ray further than this from the optical axis has a place on the plane z = 1 (radians)."""

_NEWTON_STEPS = 10
_NEWTON_TOLERANCE = 1e-12
_ACCEPTED_MISS = 1e-9


class DistortionModel(str, Enum):
    """The lens models that CameraInfo names and this package supports."""

    NONE = "none"
    PLUMB_BOB = "plumb_bob"
    RATIONAL_POLYNOMIAL = "rational_polynomial"
    EQUIDISTANT = "equidistant"


@dataclass(frozen=True, eq=False)
class LensDistortion:
    """A distortion model with its coefficients.

    Attributes:
        model: The lens model.
        coefficients: In OpenCV's order: k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]], or k1 k2 k3 k4 for
            equidistant; float64.
    """

    model: DistortionModel
    coefficients: NDArray[np.float64]

    def distort(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bend ideal image coordinates as the lens does.

        Args:
            xy: Ideal coordinates on the plane z = 1, float64 (N, 2).

        Returns:
            Distorted coordinates, float64 (N, 2); NaN outside of the field of view of the model.

        """
        if self.model is DistortionModel.NONE:
            return np.array(xy)
        bent = np.full_like(xy, np.nan)
        visible = self._visible(xy)
        bent[visible] = self._evaluate(xy[visible])[0]
        return bent

    def undistort(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Find the ideal image coordinates that the lens bends to the given ones.

        The radial part, inverted by table, gives the start; Newton's method on the whole model, with the
        derivatives that OpenCV returns, does the rest. (`cv2.undistortPoints` iterates to a fixed point
        instead, which does not converge towards the edge of a strongly distorted image.)

        Args:
            xy: Distorted coordinates, float64 (N, 2).

        Returns:
            Ideal coordinates on the plane z = 1, float64 (N, 2); NaN where no visible ray arrives.

        """
        if self.model is DistortionModel.NONE:
            return np.array(xy)
        finite = np.isfinite(xy).all(axis=1)
        goal = xy[finite]
        distorted = np.hypot(goal[:, 0], goal[:, 1])
        ideal_radii, distorted_radii = self._radial_table
        radius = np.interp(distorted, distorted_radii, ideal_radii)
        ideal = goal * (radius / np.maximum(distorted, np.finfo(float).tiny))[:, None]
        for _ in range(_NEWTON_STEPS):
            bent, slopes = self._evaluate(ideal)
            miss = goal - bent
            if np.abs(miss).max(initial=0.0) < _NEWTON_TOLERANCE:
                break
            ideal = ideal + _solve_2x2(slopes, miss)
        miss = goal - self._evaluate(ideal)[0]
        found = self._visible(ideal) & (np.hypot(miss[:, 0], miss[:, 1]) < _ACCEPTED_MISS)
        result = np.full_like(xy, np.nan)
        result[finite] = np.where(found[:, None], ideal, np.nan)
        return result

    @cached_property
    def _radial_table(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Tabulate ideal and distorted radius, both rising, up to the end of the field of view.

        With s the square of the radius (of the angle for equidistant), every model scales it by N(s) / D(s).
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
        below = denominator(s)
        slope = (numerator * denominator + 2.0 * square * growth)(s) / below**2
        stalled = (slope < MIN_RADIAL_SLOPE) | (below <= 0.0)
        end = int(np.argmax(stalled)) if stalled.any() else len(angle)
        return np.tan(angle[:end]), (variable * numerator(s) / below)[:end]

    def _visible(self, xy: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which ideal coordinates lie in the field of view of the model."""
        return np.asarray(np.hypot(xy[:, 0], xy[:, 1]) <= self._radial_table[0][-1])

    def _evaluate(self, xy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distorted coordinates (N, 2) and their derivatives by the ideal ones (N, 2, 2)."""
        if len(xy) == 0:
            return np.empty((0, 2)), np.empty((0, 2, 2))
        rays = np.column_stack([xy, np.ones(len(xy))]).reshape(-1, 1, 3)
        still, eye = np.zeros(3), np.eye(3)
        if self.model is DistortionModel.EQUIDISTANT:
            bent, jacobian = cv2.fisheye.projectPoints(rays, still, still, eye, self.coefficients)
            translation_xy = slice(11, 13)
        else:
            bent, jacobian = cv2.projectPoints(rays, still, still, eye, self.coefficients)
            translation_xy = slice(3, 5)
        slopes = np.asarray(jacobian)[:, translation_xy].reshape(-1, 2, 2)
        return (
            cast("NDArray[np.float64]", np.asarray(bent).reshape(-1, 2)),
            cast("NDArray[np.float64]", slopes),
        )


def _solve_2x2(matrices: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve N systems of two equations by Cramer's rule; a singular one gives NaN or infinity."""
    (a, b), (c, d) = matrices[:, 0].T, matrices[:, 1].T
    x, y = right.T
    with np.errstate(divide="ignore", invalid="ignore"):
        solution: NDArray[np.float64] = np.stack([d * x - b * y, a * y - c * x], axis=1) / (a * d - b * c)[:, None]
    return solution
