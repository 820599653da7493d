"""The track of one person: a filtered position and velocity, the body's size, and when they were last seen."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.pipeline.constant_velocity import ConstantVelocityFilter, is_covariance
from taihri_ros.skeleton import BONES, INDEX

Array = NDArray[np.float64]

_FIRST_SPEED_M_S = 1.0
"""Standard deviation of each velocity component of a new person, m/s."""

_SAME_SIZE, _ANY_SIZE = 0.06, 0.12
"""Standard deviation of the difference of two logarithms of body size: measured of one person, and of two people."""

_FEWEST_BONES = 4
"""Smallest number of bones from which sizes are compared."""

_SIZE_FRAMES = 30
"""Number of newest frames over which bone lengths are averaged, about."""

_OVERLAP_DEVIATION = 0.5
"""Standard deviation of 1 - overlap of a person's boxes in two frames. It is wide, because the box repeats what the
position says and shrinks while the person is partly hidden."""

_OVERLAP_S = 0.3
"""Longest time between two boxes that are compared, seconds."""

_PARENTS = np.array([INDEX[parent] for parent, _ in BONES])
_CHILDREN = np.array([INDEX[child] for _, child in BONES])


class DetectionError(TaihriError):
    """A detected person has no usable position."""


class TrackState(enum.Enum):
    """Stage of a track's life."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, eq=False)
class PersonDetection:
    """A person who was found in one frame.

    Attributes:
        root: (3,) position of the pelvis, metres, camera optical frame.
        covariance: (3, 3) m², of the position.
        box: (4,) x0, y0, x1, y1 of the visible part, px; None if unknown.
        joints: (22, 3) metres, NaN for missing ones; None if unknown.
        confidence: In [0, 1].
        is_box: Whether only the box is known: `root` and `covariance` say where whoever fills it may stand. A person of
            whom nothing else is known stays tentative.
    """

    root: Array
    covariance: Array
    box: Array | None = None
    joints: Array | None = None
    confidence: float = 1.0
    is_box: bool = False

    def __post_init__(self) -> None:
        """Check the position.

        Raises:
            DetectionError: Position or covariance are not finite, or the covariance is not positive definite.
        """
        if not (np.isfinite(self.root).all() and is_covariance(self.covariance)):
            raise DetectionError("a detected person needs a finite root and covariance: leave out those without")


@dataclass(frozen=True, eq=False)
class TrackedPerson:
    """A person over time, at the stamp of a frame.

    Attributes:
        id: Five letters.
        root: (3,) filtered or predicted position of the pelvis, metres, camera optical frame.
        velocity: (3,) m/s.
        covariance: (3, 3) m², of the position; grows while the person is not seen.
        age_s: Seconds since the person was first seen.
        since_seen_s: Seconds since the person was last seen; 0 in a frame in which they are.
        state: Stage of the track's life.
        detection: Index of the person among the detections of this frame; None if they are not seen.
        box: (4,) the newest box, px; None if there was none.
    """

    id: str
    root: Array
    velocity: Array
    covariance: Array
    age_s: float
    since_seen_s: float
    state: TrackState
    detection: int | None = None
    box: Array | None = None


class PersonTrack:
    """The track of one person.

    Attributes:
        id: Id of the person.
        unseen_frames: Number of frames since the person was last seen.
    """

    def __init__(
        self, identity: str, index: int, detection: PersonDetection, *, stamp_s: float, confirm_frames: int
    ) -> None:
        """Start from a detection.

        Args:
            identity: Id of the person.
            index: Index of the detection in its frame.
            detection: The detection.
            stamp_s: Time stamp of its frame, seconds.
            confirm_frames: Number of frames in which a person must be seen to be confirmed.
        """
        self.id = identity
        self._filter = ConstantVelocityFilter(detection.root, detection.covariance, speed_m_s=_FIRST_SPEED_M_S)
        self._first_s = self._seen_s = self._stamp_s = stamp_s
        self._confirm_frames = confirm_frames
        self._frames, self._has_answer = 0, False
        self._detection: int | None = None
        self._box: Array | None = None
        self._log_lengths = np.full(len(BONES), np.nan)
        self._length_counts = np.zeros(len(BONES))
        self._note(index, detection)

    @property
    def state(self) -> TrackState:
        """Stage of the track's life, never ENDED."""
        if self._frames < self._confirm_frames or not self._has_answer:
            return TrackState.TENTATIVE
        return TrackState.LOST if self._detection is None else TrackState.CONFIRMED

    @property
    def since_seen_s(self) -> float:
        """Seconds since the person was last seen."""
        return self._stamp_s - self._seen_s

    def predict(self, stamp_s: float, density: float) -> None:
        """Propagate the track to the stamp of a frame, seconds, with a density of acceleration noise, m²/s³."""
        self._filter.predict(stamp_s - self._stamp_s, density)
        self._stamp_s = stamp_s

    def compare(self, detection: PersonDetection) -> tuple[float, float]:
        """Compare the predicted person with a detection.

        Args:
            detection: A detection of the frame to which the track is predicted.

        Returns:
            The squared Mahalanobis distance of the positions, and minus twice the logarithm of the likelihood, 1/m³, of
            the detection for this person; size and box count by how much better they fit than anybody's.
        """
        squared = self._filter.distance(detection.root, detection.covariance)
        spread = self._filter.innovation_covariance(detection.covariance)
        volume = float(np.linalg.slogdet(2.0 * math.pi * spread)[1])
        return squared, squared + volume + self._size_cost(detection) + self._overlap_cost(detection)

    def see(self, index: int, detection: PersonDetection) -> None:
        """Correct the track with the person's detection in the frame, which has this index."""
        self._filter.correct(detection.root, detection.covariance)
        self._note(index, detection)

    def miss(self) -> None:
        """Note that the person is not seen in the frame."""
        self._detection = None
        self.unseen_frames += 1

    def person(self, is_over: bool) -> TrackedPerson:
        """Return the person at the stamp of the newest frame.

        Args:
            is_over: Whether the track ends with this frame.

        Returns:
            The person.
        """
        return TrackedPerson(
            id=self.id,
            root=self._filter.position,
            velocity=self._filter.velocity,
            covariance=self._filter.covariance,
            age_s=self._stamp_s - self._first_s,
            since_seen_s=self.since_seen_s,
            state=TrackState.ENDED if is_over else self.state,
            detection=self._detection,
            box=self._box,
        )

    def _note(self, index: int, detection: PersonDetection) -> None:
        self._detection = index
        self._seen_s = self._stamp_s
        self._frames += 1
        self.unseen_frames = 0
        self._has_answer |= not detection.is_box
        if detection.box is not None:
            self._box = detection.box
        if detection.joints is None:
            return
        lengths = _log_bone_lengths(detection.joints)
        known = np.isfinite(lengths)
        self._length_counts[known] = np.minimum(self._length_counts[known] + 1, _SIZE_FRAMES)
        before = np.where(np.isnan(self._log_lengths), lengths, self._log_lengths)
        self._log_lengths[known] = (before + (lengths - before) / np.maximum(self._length_counts, 1))[known]

    def _size_cost(self, detection: PersonDetection) -> float:
        if detection.joints is None:
            return 0.0
        differences = _log_bone_lengths(detection.joints) - self._log_lengths
        known = np.isfinite(differences)
        if known.sum() < _FEWEST_BONES:
            return 0.0
        square = float(np.median(differences[known])) ** 2
        return square / _SAME_SIZE**2 - square / _ANY_SIZE**2 + 2.0 * math.log(_SAME_SIZE / _ANY_SIZE)

    def _overlap_cost(self, detection: PersonDetection) -> float:
        if self._box is None or detection.box is None or self.since_seen_s > _OVERLAP_S:
            return 0.0
        return ((1.0 - overlap(self._box, detection.box)) / _OVERLAP_DEVIATION) ** 2


def overlap(first: Array, second: Array) -> float:
    """Return the intersection of two boxes divided by their union.

    Args:
        first: (4,) x0, y0, x1, y1, px.
        second: (4,) px.

    Returns:
        A share in [0, 1]; 0 if the boxes share no area.
    """
    shared = float(np.prod(np.maximum(np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2]), 0.0)))
    areas = sum(float(np.prod(np.maximum(box[2:] - box[:2], 0.0))) for box in (first, second))
    return shared / (areas - shared) if shared > 0.0 else 0.0


def _log_bone_lengths(joints: Array) -> Array:
    """Return the logarithm of the length of each bone; NaN where a joint is missing."""
    lengths = np.linalg.norm(joints[_CHILDREN] - joints[_PARENTS], axis=1)
    return np.asarray(np.log(np.where(lengths > 0.0, lengths, np.nan)))
