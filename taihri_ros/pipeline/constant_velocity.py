"""A Kalman filter of a point that moves with nearly constant velocity.

The acceleration is white noise (Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and
Navigation, 2001, section 6.2.2). The filter itself is OpenCV's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GATE = 16.27
"""A measurement beyond this squared Mahalanobis distance is an outlier: the 99.9 % point of chi-square with 3 degrees
of freedom."""


class ConstantVelocityFilter:
    """A Kalman filter whose state is position and velocity, (6,) m and m/s.

    Example:
        >>> import numpy as np
        >>> point = ConstantVelocityFilter(np.zeros(3), 1e-4 * np.eye(3), speed_m_s=1.0)
        >>> point.predict(0.1, density=0.5)
        >>> point.correct(np.array([0.1, 0.0, 0.0]), 1e-4 * np.eye(3))
        >>> point.velocity.round(1)
        array([1., 0., 0.])
    """

    def __init__(self, position: Array, covariance: Array, *, speed_m_s: float) -> None:
        """Start from a measurement with zero velocity.

        Args:
            position: (3,) metres.
            covariance: (3, 3) m², of the measurement.
            speed_m_s: Standard deviation of each component of the unknown velocity, m/s.
        """
        self._kalman = cv2.KalmanFilter(6, 3, 0, cv2.CV_64F)
        self._kalman.measurementMatrix = np.eye(3, 6)
        self._kalman.statePost = np.concatenate([position, np.zeros(3)])[:, None]
        state_covariance = speed_m_s**2 * np.eye(6)
        state_covariance[:3, :3] = symmetric(covariance)
        self._kalman.errorCovPost = state_covariance

    @property
    def position(self) -> Array:
        """The estimated position, (3,) metres."""
        return np.array(self._kalman.statePost[:3, 0])

    @property
    def velocity(self) -> Array:
        """The estimated velocity, (3,) m/s."""
        return np.array(self._kalman.statePost[3:, 0])

    @property
    def covariance(self) -> Array:
        """The covariance of the position, (3, 3) m²."""
        return np.array(self._kalman.errorCovPost[:3, :3])

    def predict(self, elapsed_s: float, density: float) -> None:
        """Propagate the state.

        Args:
            elapsed_s: Seconds since the last call; not negative.
            density: Power spectral density of each component of the acceleration, m²/s³. Two short time steps add as
                much noise as one long step.
        """
        noise = [[elapsed_s**3 / 3.0, elapsed_s**2 / 2.0], [elapsed_s**2 / 2.0, elapsed_s]]
        self._kalman.transitionMatrix = np.kron([[1.0, elapsed_s], [0.0, 1.0]], np.eye(3))
        self._kalman.processNoiseCov = np.kron(density * np.array(noise), np.eye(3))
        self._kalman.predict()
        self._kalman.errorCovPost = symmetric(self._kalman.errorCovPost)

    def innovation_covariance(self, covariance: Array) -> Array:
        """Return the covariance of the difference between a measurement and its prediction, (3, 3) m².

        Args:
            covariance: (3, 3) m², of the measurement.
        """
        return self.covariance + symmetric(covariance)

    def distance(self, position: Array, covariance: Array) -> float:
        """Return the squared Mahalanobis distance between a measurement and its prediction, without unit.

        Args:
            position: (3,) metres.
            covariance: (3, 3) m², of the measurement.
        """
        innovation = position - self.position
        return float(innovation @ np.linalg.solve(self.innovation_covariance(covariance), innovation))

    def correct(self, position: Array, covariance: Array) -> None:
        """Correct the predicted state with a measurement of the same time.

        Args:
            position: (3,) metres.
            covariance: (3, 3) m², of the measurement.
        """
        self._kalman.measurementNoiseCov = symmetric(covariance)
        self._kalman.correct(np.ascontiguousarray(position, np.float64)[:, None])
        self._kalman.errorCovPost = symmetric(self._kalman.errorCovPost)


def symmetric(matrix: Array) -> Array:
    """Return the symmetric part of a matrix (N, N), without the asymmetry that rounding leaves."""
    return np.asarray((matrix + matrix.T) / 2.0, np.float64)


def is_covariance(matrix: Array) -> bool:
    """Check that a matrix (N, N) is finite and its symmetric part positive definite."""
    return bool(np.isfinite(matrix).all() and np.linalg.eigvalsh(symmetric(matrix))[0] > 0.0)
