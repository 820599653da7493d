"""Tracks several people in 3D, so that each keeps one id over crossings and short losses.

Each person's root (pelvis) has a Kalman filter with nearly constant velocity. In every frame, detections and tracks are
paired so that the likelihood of the whole frame is greatest (global nearest neighbour; Blackman and Popoli, Design and
Analysis of Modern Tracking Systems, 1999, section 6.4). Where people walk through each other's place in the picture,
the likelihood also counts their size and, if they were seen just before, the overlap of their boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taihri_ros.errors import TaihriError
from taihri_ros.pipeline.constant_velocity import GATE
from taihri_ros.pipeline.people.assignment import assign
from taihri_ros.pipeline.people.identity import Identities
from taihri_ros.pipeline.people.person_track import PersonDetection, PersonTrack, TrackedPerson, TrackState


@dataclass(frozen=True, kw_only=True)
class PeopleSettings:
    """Settings of the tracker.

    Attributes:
        keep_s: How long a person who is not seen keeps the id, seconds.
        confirm_frames: Number of frames in which somebody must be seen before they count as a person.
        tentative_s: How long somebody who does not count yet may be unseen, seconds; one frame in any case.
        acceleration: Standard deviation of each component of a person's acceleration, m/s², that lasts
            `acceleration_s`. The default suits people who walk, stop and turn.
        acceleration_s: Duration of a typical acceleration, seconds.
        newcomer_density: Expected number of people who appear in a frame, of false detections and of missed people, for
            each m³; the larger it is, the sooner an unlikely detection becomes a new person instead of a known one.
    """

    keep_s: float = 2.0
    confirm_frames: int = 3
    tentative_s: float = 0.4
    acceleration: float = 1.5
    acceleration_s: float = 0.3
    newcomer_density: float = 0.002

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            PeopleError: A setting is out of range.
        """
        for name in ("keep_s", "tentative_s", "acceleration", "acceleration_s", "newcomer_density"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise PeopleError(f"people.{name} must be positive, not {getattr(self, name):g}")
        if self.confirm_frames < 1:
            raise PeopleError(f"people.confirm_frames must be at least 1, not {self.confirm_frames}")


class PeopleError(TaihriError):
    """A setting of the tracker is out of range."""


class PeopleTracker:
    """A tracker of the people in front of one camera that does not turn. Not thread-safe.

    A person is TENTATIVE until seen in some frames, and by the model in one of them; then CONFIRMED while seen and LOST
    while not. They are ENDED once, in the frame in which they are given up. The first frame's people are confirmed like
    all others, after `confirm_frames` frames.

    Example:
        >>> import numpy as np
        >>> tracker = PeopleTracker(PeopleSettings(), seed=0)
        >>> def seen(x):
        ...     return PersonDetection(np.array([x, 0.0, 2.5]), np.diag([0.05, 0.05, 0.15]) ** 2)
        >>> for frame in range(4):
        ...     people = tracker.update([seen(-0.5), seen(0.1 * frame)], stamp_s=0.1 * frame)
        >>> [(person.state.name, person.detection, len(person.id)) for person in people]
        [('CONFIRMED', 0, 5), ('CONFIRMED', 1, 5)]
    """

    def __init__(self, settings: PeopleSettings | None = None, *, seed: int | None = None) -> None:
        """Create a tracker without people.

        Args:
            settings: The settings; None for the defaults.
            seed: Seed of the ids; None for others in every session.
        """
        self._settings = settings or PeopleSettings()
        self._density = self._settings.acceleration**2 * self._settings.acceleration_s
        self._apart = -2.0 * math.log(self._settings.newcomer_density)
        self._identities = Identities(seed)
        self._tracks: list[PersonTrack] = []
        self._stamp_s: float | None = None

    def reset(self) -> None:
        """Forget everybody, for example when the camera changes; ids are not used again."""
        self._tracks.clear()
        self._stamp_s = None

    def update(self, detections: Sequence[PersonDetection], stamp_s: float) -> list[TrackedPerson]:
        """Track the people of one frame.

        Everybody is forgotten first if the stamp is not later than the last one, for example after the restart of a
        bag.

        Args:
            detections: The people who were found in the frame, in any order.
            stamp_s: Time stamp of the frame, seconds.

        Returns:
            The people in the order in which they first appeared; those of state ENDED for the last time.
        """
        if self._stamp_s is not None and stamp_s <= self._stamp_s:
            self.reset()
        self._stamp_s = stamp_s
        for track in self._tracks:
            track.predict(stamp_s, self._density)
        costs = np.array([[self._cost(track, detection) for detection in detections] for track in self._tracks])
        matched = dict(assign(costs.reshape(len(self._tracks), len(detections)), self._apart))
        for row, track in enumerate(self._tracks):
            if row in matched:
                track.see(matched[row], detections[matched[row]])
            else:
                track.miss()
        frames = self._settings.confirm_frames
        self._tracks += [
            PersonTrack(self._identities.new(), index, detection, stamp_s=stamp_s, confirm_frames=frames)
            for index, detection in enumerate(detections)
            if index not in matched.values()
        ]
        people = [track.person(self._is_over(track)) for track in self._tracks]
        self._tracks = [track for track in self._tracks if not self._is_over(track)]
        return people

    def _is_over(self, track: PersonTrack) -> bool:
        if track.state is TrackState.TENTATIVE:
            return track.since_seen_s > self._settings.tentative_s and track.unseen_frames > 1
        return track.since_seen_s > self._settings.keep_s

    @staticmethod
    def _cost(track: PersonTrack, detection: PersonDetection) -> float:
        """Return minus twice the logarithm of the likelihood that a track is what was detected."""
        squared, likelihood = track.compare(detection)
        return likelihood if squared <= GATE else math.inf
