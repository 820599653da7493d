"""What is known of a body before its keypoints: usual angles, limits of human joints, and the shape seen so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.template import BodyTemplate

Array = NDArray[np.float64]

LIMIT_RAD = 0.05
"""How far an angle may exceed the limit of its joint at the cost of one standard deviation, radians."""

INDEPENDENT_S = 0.3
"""Time after which the errors of a person's keypoints are taken for independent, seconds. Those of neighbouring frames
are nearly equal, so that two frames tell hardly more about the shape than one."""

REMEMBERED = 100.0
"""The shape remembers about this many independent frames; older ones fade, in case the errors are not independent."""


@dataclass(frozen=True, eq=False)
class Quadratic:
    """A cost and its second-order expansion in some parameters.

    Attributes:
        cost: The cost: twice the negative logarithm of the probability, up to a constant.
        gradient: (N,) half its derivative.
        curvature: (N, N) half its second derivative.
    """

    cost: float
    gradient: Array
    curvature: Array


class PosePrior:
    """The usual angles of a body's joints, a normal distribution, with soft limits."""

    def __init__(self, template: BodyTemplate) -> None:
        """Invert the covariance of the template's angles."""
        self.means = template.angle_means
        self._precision = np.asarray(np.linalg.inv(template.angle_covariance), np.float64)
        self._low, self._high = template.angle_limits.T

    def cost(self, angles: Array) -> float:
        """Return the cost of angles (D,), radians."""
        offset = angles - self.means
        beyond = self._beyond(angles)
        return float(offset @ self._precision @ offset + beyond @ beyond)

    def expand(self, angles: Array) -> Quadratic:
        """Return the cost of angles (D,), radians, and its expansion."""
        offset, beyond = angles - self.means, self._beyond(angles)
        pull = self._precision @ offset
        curvature = self._precision + np.diag(np.where(beyond != 0.0, LIMIT_RAD**-2, 0.0))
        return Quadratic(float(offset @ pull + beyond @ beyond), pull + beyond / LIMIT_RAD, curvature)

    def _beyond(self, angles: Array) -> Array:
        """Return how far angles exceed the limits, in units of `LIMIT_RAD`, with the sign of the excess."""
        return np.asarray((angles - np.minimum(np.maximum(angles, self._low), self._high)) / LIMIT_RAD)


class ShapePrior:
    """The shape of one person: a normal distribution that starts as that of adults and narrows with every frame.

    The information of each frame is added as an information filter does (Thrun, Burgard and Fox, Probabilistic
    Robotics, 2005, section 3.5), in proportion to the time since the last one.
    """

    def __init__(self, count: int) -> None:
        """Start with the distribution of adults.

        Args:
            count: Number of shapes.
        """
        self.means: Array = np.zeros(count)
        self._seen = np.zeros((count, count))

    @property
    def precision(self) -> Array:
        """The inverse of the covariance, (S, S)."""
        return np.asarray(self._seen + np.eye(len(self._seen)))

    def cost(self, shape: Array) -> float:
        """Return the cost of a shape (S,)."""
        offset = shape - self.means
        return float(offset @ self.precision @ offset)

    def expand(self, shape: Array) -> Quadratic:
        """Return the cost of a shape (S,) and its expansion."""
        offset = shape - self.means
        pull = self.precision @ offset
        return Quadratic(float(offset @ pull), pull, self.precision)

    def learn(self, shape: Array, covariance: Array, elapsed_s: float) -> None:
        """Add what a frame has shown.

        Args:
            shape: (S,) the shape that was fitted to the frame, starting from this prior.
            covariance: (S, S) its covariance, from this prior and the frame.
            elapsed_s: Time since the frame before, seconds; infinite for the first frame.
        """
        share = min(1.0, elapsed_s / INDEPENDENT_S)
        before, after = self.precision, np.linalg.inv(covariance)
        # Information times mean is 0 for adults, so that all of it was seen; the frame's own share is the difference.
        kept, seen = 1.0 - share / REMEMBERED, before @ self.means
        evidence = kept * seen + share * (after @ shape - seen)
        self._seen = kept * self._seen + share * (after - before)
        self.means = np.asarray(np.linalg.solve(self.precision, evidence), np.float64)
