"""A temporal filter of joint positions: less jitter than the single images have, hardly more delay.

One Kalman filter (OpenCV's) for each joint, with a constant-velocity model whose disturbance is white-noise
acceleration (Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section
6.2.2), driven by the covariances of the keypoints and by the real time between the images.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, State
from taihri_ros.pipeline.estimate import Estimate

GATE = 16.27
"""A measurement further away than this squared Mahalanobis distance is an outlier: 99.9 % of chi-square with 3
degrees of freedom."""

OUTLIERS_IN_A_ROW = 3
"""So many outliers one after another are no outliers: the joint's filter starts anew from the last of them."""

_FIRST_SPEED = 1.0
"""Standard deviation of each component of the velocity of a joint that was just found, m/s."""

_PUSH_S = 0.1
"""An acceleration lasts about this long. Times the variance of the acceleration, it is the power spectral density of
the white noise, so that two short time steps disturb as much as one of their length."""


class FilterError(TaihriError):
    """A setting of the filter has a value that it cannot have."""


class MotionFilter:
    """Filters the joints of one person from image to image. Used from one thread at a time."""

    def __init__(self, *, acceleration: float = 3.0, predict_s: float = 0.0, reset_s: float = 0.5) -> None:
        """Create a filter that knows no joint.

        Args:
            acceleration: Standard deviation of each component of a joint's acceleration, m/s². Smaller is smoother,
                larger follows sudden motion faster. The default has the least error over rest and a hand that reaches
                0.5 m in 0.7 s, at 10 and 30 Hz, for standard deviations of 2 to 4 cm, two to three times that in depth.
            predict_s: A joint that was not measured in an image may be carried on for so many seconds; 0 for never.
            reset_s: A joint that was not measured for longer than so many seconds starts anew.

        Raises:
            FilterError: A setting is out of range.
        """
        if not 0.0 < acceleration < np.inf:
            raise FilterError(f"acceleration must be positive, not {acceleration:g} m/s²")
        if not 0.0 < reset_s < np.inf:
            raise FilterError(f"reset_s must be positive, not {reset_s:g}")
        if not 0.0 <= predict_s <= reset_s:
            raise FilterError(f"predict_s must be from 0 to reset_s = {reset_s:g}, not {predict_s:g}")
        self._density = acceleration**2 * _PUSH_S
        self._predict_s = predict_s
        self._reset_s = reset_s
        self._tracks: dict[str, _Track] = {}
        self._stamp_ns: int | None = None

    def reset(self) -> None:
        """Forget every joint, as when the camera or the person is another."""
        self._tracks.clear()
        self._stamp_ns = None

    def update(self, estimate: Estimate, stamp_ns: int) -> Estimate:
        """Filter the joints of one estimate.

        A stamp that is not later than the last one forgets every joint first: a bag that starts again, or a driver
        that does not set stamps.

        Args:
            estimate: What was found in the image.
            stamp_ns: The image's stamp in nanoseconds.

        Returns:
            The estimate with the same keypoints in the same order. A measured one has the filtered position and its
            covariance, both in the camera's optical frame; pixel and confidence stay those of this image. One that
            lies too far from where it can be is an OUTLIER, without position. One that was not measured is PREDICTED
            where `predict_s` allows it. All others are those of the given estimate, among them the measured ones
            whose covariance is not known.
        """
        if self._stamp_ns is not None and stamp_ns <= self._stamp_ns:
            self.reset()
        self._stamp_ns = stamp_ns
        self._tracks = {name: track for name, track in self._tracks.items() if track.age_s(stamp_ns) <= self._reset_s}
        keypoints = tuple(self._filter(keypoint, stamp_ns) for keypoint in estimate.person.keypoints)
        return dataclasses.replace(estimate, person=dataclasses.replace(estimate.person, keypoints=keypoints))

    def _filter(self, keypoint: Keypoint, stamp_ns: int) -> Keypoint:
        if keypoint.state in (State.PREDICTED, State.NOT_ASKED):
            return keypoint
        if keypoint.state is not State.MEASURED:
            return self._carry_on(keypoint, stamp_ns)
        if not _has_covariance(keypoint):
            return keypoint
        track = self._tracks.get(keypoint.name)
        if track is not None:
            track.predict(stamp_ns, self._density)
            distance = track.distance(keypoint)
            if distance <= GATE:
                track.correct(keypoint)
                return dataclasses.replace(keypoint, position=track.position, covariance=track.covariance)
            track.outliers += 1
            if track.outliers < OUTLIERS_IN_A_ROW:
                return self._carry_on(_outlier(keypoint, distance), stamp_ns)
        self._tracks[keypoint.name] = _Track(keypoint, stamp_ns)
        return keypoint

    def _carry_on(self, keypoint: Keypoint, stamp_ns: int) -> Keypoint:
        """Predict a keypoint that was not measured, where that is allowed."""
        track = self._tracks.get(keypoint.name)
        if track is None or not 0.0 < track.age_s(stamp_ns) <= self._predict_s:
            return keypoint
        track.predict(stamp_ns, self._density)
        reason = f"carried on from {track.age_s(stamp_ns):.2f} s ago; in this image: {keypoint.reason}"
        return Keypoint(keypoint.name, State.PREDICTED, reason, track.position, track.covariance)


class _Track:
    """The Kalman filter of one joint: its state is position and velocity, (6,) metres and m/s.

    Attributes:
        outliers: How many measurements were outliers since the last one that was not.
    """

    def __init__(self, keypoint: Keypoint, stamp_ns: int) -> None:
        """Start from a measured keypoint, at rest as far as is known."""
        self.outliers = 0
        self._stamp_ns = self._measured_ns = stamp_ns
        self._kalman = cv2.KalmanFilter(6, 3, 0, cv2.CV_64F)
        self._kalman.measurementMatrix = np.eye(3, 6)
        self._kalman.statePost = np.concatenate([keypoint.position, np.zeros(3)])[:, None]
        covariance = _FIRST_SPEED**2 * np.eye(6)
        covariance[:3, :3] = _symmetric(keypoint.covariance)
        self._kalman.errorCovPost = covariance

    @property
    def position(self) -> NDArray[np.float64]:
        """Its position, (3,) metres."""
        return np.array(self._kalman.statePost[:3, 0])

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance of its position, (3, 3) m²."""
        return np.array(self._kalman.errorCovPost[:3, :3])

    def age_s(self, stamp_ns: int) -> float:
        """Give the seconds since it was measured last."""
        return (stamp_ns - self._measured_ns) / 1e9

    def predict(self, stamp_ns: int, density: float) -> None:
        """Move on to another time.

        Args:
            stamp_ns: The time; not earlier than the last one.
            density: Power spectral density of each component of the acceleration, m²/s³.
        """
        elapsed = (stamp_ns - self._stamp_ns) / 1e9
        self._stamp_ns = stamp_ns
        noise = [[elapsed**3 / 3.0, elapsed**2 / 2.0], [elapsed**2 / 2.0, elapsed]]
        self._kalman.transitionMatrix = np.kron([[1.0, elapsed], [0.0, 1.0]], np.eye(3))
        self._kalman.processNoiseCov = np.kron(density * np.array(noise), np.eye(3))
        self._kalman.predict()
        self._kalman.errorCovPost = _symmetric(self._kalman.errorCovPost)

    def distance(self, keypoint: Keypoint) -> float:
        """Give the squared Mahalanobis distance between a measurement of now and what was predicted for it."""
        innovation = keypoint.position - self.position
        return float(innovation @ np.linalg.solve(self.covariance + _symmetric(keypoint.covariance), innovation))

    def correct(self, keypoint: Keypoint) -> None:
        """Take in a measurement of now."""
        self.outliers = 0
        self._measured_ns = self._stamp_ns
        self._kalman.measurementNoiseCov = _symmetric(keypoint.covariance)
        self._kalman.correct(np.ascontiguousarray(keypoint.position, np.float64)[:, None])
        self._kalman.errorCovPost = _symmetric(self._kalman.errorCovPost)


def _outlier(keypoint: Keypoint, distance: float) -> Keypoint:
    reason = f"{np.sqrt(distance):.1f} standard deviations from where the images before put it"
    return Keypoint(keypoint.name, State.OUTLIER, reason, confidence=keypoint.confidence)


def _has_covariance(keypoint: Keypoint) -> bool:
    """Tell whether a measurement says how exact it is: a covariance that is finite and positive definite."""
    values = np.array([*keypoint.position, *keypoint.covariance.ravel()])
    return bool(np.isfinite(values).all() and np.linalg.eigvalsh(_symmetric(keypoint.covariance))[0] > 0.0)


def _symmetric(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the symmetric part of a matrix, free of what rounding leaves beside it."""
    return np.asarray((matrix + matrix.T) / 2.0, np.float64)
