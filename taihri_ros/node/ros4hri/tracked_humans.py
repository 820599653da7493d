"""Who is tracked in each image, with ids."""

from __future__ import annotations

from taihri_ros.node.body_fits import Bodies
from taihri_ros.node.ros4hri.humans import Human
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.people.identity import Identities
from taihri_ros.pipeline.people.person_track import TrackState

KEEP_S = 2.0
"""How long the only person keeps the id without being seen, seconds."""


class TrackedHumans:
    """Gives the people of each image ids. `update` must be called in the order of the frames."""

    def __init__(self, *, several: bool, seed: int | None = None) -> None:
        """Start without people.

        Args:
            several: Whether the node tells several people apart, so that they have ids.
            seed: Seed of the ids if it does not; None for others in every session.
        """
        self._several = several
        self._identities = Identities(seed)
        self._id, self._seen_ns = "", 0

    def update(self, result: Result, bodies: Bodies) -> list[Human]:
        """Return everybody who is tracked at the stamp of an image.

        Args:
            result: The result for the image.
            bodies: The bodies that were fitted to it.

        Returns:
            The people: those of `Estimate.people` if there are several, or else the only person, who is somebody new
            after `KEEP_S` without being seen.
        """
        if not self._several:
            return self._only(result, bodies)
        return [
            Human(track.id, None)
            if each.whole is None
            else Human(track.id, each.whole, bodies.by_id.get(track.id), track.box)
            for each in result.estimate.people
            if (track := each.track).state in _TRACKED
        ]

    def _only(self, result: Result, bodies: Bodies) -> list[Human]:
        person = result.estimate.whole or result.estimate.person
        stamp_ns = result.frame.stamp_ns
        if self._id and not 0 <= stamp_ns - self._seen_ns <= KEEP_S * 1e9:
            self._id = ""
        if not person.located:
            return [Human(self._id, None)] if self._id else []
        self._id, self._seen_ns = self._id or self._identities.new(), stamp_ns
        return [Human(self._id, person, bodies.selected, person.box)]


_TRACKED = (TrackState.CONFIRMED, TrackState.LOST)
"""Somebody of another state was seen in too few images, or is gone."""
