"""Filters joint positions over time to reduce jitter with little delay.

Each joint has its own Kalman filter with a constant-velocity model (`constant_velocity`). It uses the covariances of
the keypoints and the time between the image stamps.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, State
from taihri_ros.pipeline.constant_velocity import GATE, ConstantVelocityFilter, is_covariance
from taihri_ros.pipeline.estimate import Estimate

MAX_CONSECUTIVE_OUTLIERS = 3
"""After this many outliers in a row the joint is assumed to have moved: its filter restarts from the last outlier."""

_INITIAL_SPEED = 1.0
"""Standard deviation of each velocity component when a joint is first found, m/s."""

_ACCELERATION_S = 0.1
"""Duration of a typical acceleration, seconds. Its product with the variance of the acceleration is the power spectral
density of the white noise."""


class FilterError(TaihriError):
    """A setting of the filter is out of range."""


class MotionFilter:
    """Kalman filters for the joints of one person. Not thread-safe.

    Example:
        >>> import numpy as np
        >>> from taihri_ros.commands.command import joint_command
        >>> from taihri_ros.keypoints import Keypoint, Person, State
        >>> def measured(x):
        ...     wrist = Keypoint("left_wrist", State.MEASURED, "", np.array([x, 0.0, 1.5]), np.eye(3) * 4e-4)
        ...     return Estimate(joint_command(["left_wrist"]), Person((wrist,), None), "", {}, "nano")
        >>> motion = MotionFilter(acceleration=3.0)
        >>> filtered = [motion.update(measured(x), stamp_ns=int(1e8 * n)) for n, x in enumerate((0.50, 0.52, 0.51))]
        >>> filtered[-1].person.keypoints[0].position.round(2)
        array([0.51, 0.  , 1.5 ])
    """

    def __init__(self, *, acceleration: float = 3.0, predict_s: float = 0.0, reset_s: float = 0.5) -> None:
        """Create a filter without joints.

        Args:
            acceleration: Standard deviation of each component of a joint's acceleration, m/s². A smaller value is
                smoother, a larger value follows sudden motion faster. The default has the smallest error for a resting
                hand and a hand that reaches 0.5 m in 0.7 s, at 10 and 30 Hz, with measurement noise of 2 to 4 cm
                (standard deviation; two to three times as much in depth).
            predict_s: Longest time for which a joint that is not measured is predicted, seconds; 0 for no prediction.
            reset_s: Longest time between measurements of one track, seconds; a later measurement starts a new track.

        Raises:
            FilterError: A setting is out of range.
        """
        if not 0.0 < acceleration < np.inf:
            raise FilterError(f"acceleration must be positive, not {acceleration:g} m/s²")
        if not 0.0 < reset_s < np.inf:
            raise FilterError(f"reset_s must be positive, not {reset_s:g}")
        if not 0.0 <= predict_s <= reset_s:
            raise FilterError(f"predict_s must be from 0 to reset_s = {reset_s:g}, not {predict_s:g}")
        self._density = acceleration**2 * _ACCELERATION_S
        self._predict_s = predict_s
        self._reset_s = reset_s
        self._tracks: dict[str, _Track] = {}
        self._stamp_ns: int | None = None

    def reset(self) -> None:
        """Discard all tracks, for example when the camera or the person changes."""
        self._tracks.clear()
        self._stamp_ns = None

    def update(self, estimate: Estimate, stamp_ns: int) -> Estimate:
        """Filter the joints of one estimate.

        The filter is first reset if the stamp is not later than the last one, for example after the restart of a bag,
        or if the driver does not set stamps.

        Args:
            estimate: The estimate of the image.
            stamp_ns: Time stamp of the image, nanoseconds.

        Returns:
            The estimate with the same keypoints in the same order. A keypoint that was found gets the filtered position
            and covariance, both in the camera's optical frame; its pixel and confidence are kept. A keypoint outside
            the gate becomes an OUTLIER without a position. A keypoint that was not found becomes PREDICTED as long as
            `predict_s` allows. All other keypoints are unchanged, including those without a known covariance.
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
        if not keypoint.has_position:
            return self._predict(keypoint, stamp_ns)
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
            if track.outliers < MAX_CONSECUTIVE_OUTLIERS:
                return self._predict(_outlier(keypoint, distance), stamp_ns)
        self._tracks[keypoint.name] = _Track(keypoint, stamp_ns)
        return keypoint

    def _predict(self, keypoint: Keypoint, stamp_ns: int) -> Keypoint:
        """Return the predicted keypoint if `predict_s` allows it, else the keypoint unchanged."""
        track = self._tracks.get(keypoint.name)
        if track is None or not 0.0 < track.age_s(stamp_ns) <= self._predict_s:
            return keypoint
        track.predict(stamp_ns, self._density)
        reason = f"predicted, last measured {track.age_s(stamp_ns):.2f} s ago; in this image: {keypoint.reason}"
        return Keypoint(keypoint.name, State.PREDICTED, reason, track.position, track.covariance)


class _Track:
    """The Kalman filter of one joint.

    Attributes:
        outliers: Number of consecutive outliers since the last accepted measurement.
    """

    def __init__(self, keypoint: Keypoint, stamp_ns: int) -> None:
        """Start from a measured keypoint with zero velocity."""
        self.outliers = 0
        self._stamp_ns = self._measured_ns = stamp_ns
        self._filter = ConstantVelocityFilter(keypoint.position, keypoint.covariance, speed_m_s=_INITIAL_SPEED)

    @property
    def position(self) -> NDArray[np.float64]:
        """The estimated position, (3,) metres."""
        return self._filter.position

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance of the position, (3, 3) m²."""
        return self._filter.covariance

    def age_s(self, stamp_ns: int) -> float:
        """Return the seconds since the last accepted measurement."""
        return (stamp_ns - self._measured_ns) / 1e9

    def predict(self, stamp_ns: int, density: float) -> None:
        """Propagate the state to a time in nanoseconds, which is not earlier than the last one; density in m²/s³."""
        self._filter.predict((stamp_ns - self._stamp_ns) / 1e9, density)
        self._stamp_ns = stamp_ns

    def distance(self, keypoint: Keypoint) -> float:
        """Return the squared Mahalanobis distance between a measurement and its prediction, without unit."""
        return self._filter.distance(keypoint.position, keypoint.covariance)

    def correct(self, keypoint: Keypoint) -> None:
        """Correct the predicted state with a measurement of the same time."""
        self.outliers = 0
        self._measured_ns = self._stamp_ns
        self._filter.correct(keypoint.position, keypoint.covariance)


def _outlier(keypoint: Keypoint, distance: float) -> Keypoint:
    reason = f"{np.sqrt(distance):.1f} standard deviations from the predicted position"
    return Keypoint(keypoint.name, State.OUTLIER, reason, confidence=keypoint.confidence, depth=keypoint.depth)


def _has_covariance(keypoint: Keypoint) -> bool:
    """Check that a measurement has a finite position and a finite, positive definite covariance."""
    return bool(np.isfinite(keypoint.position).all()) and is_covariance(keypoint.covariance)
