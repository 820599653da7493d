"""Picks out of the tracked people those whom a command means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from taihri_ros.commands.person_words import Who, Whom
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState

_NEAREST = Whom(Who.NEAREST)

_MARGIN_M = 0.25
"""Somebody else is nearer only by at least this distance, metres; twice the error of a filtered depth, about."""

_MARGIN_RAD = 0.09
"""Somebody else is more to the left, to the right or in the middle only by at least this angle, radians."""

_MARGIN_AREA = math.log(1.3)
"""Somebody else is larger only by at least this logarithm of the ratio of the areas."""


class PersonSelection:
    """A selection that does not flip while two people fit about equally well. Not thread-safe.

    A rule of the node's parameters is asked again in every frame: the nearest person may become another one. Words of
    a command are asked once: "the person on the left" stays who was on the left when it was said, also after they have
    walked to the right. The words are asked again only when that person's track has ended.

    Example:
        >>> import numpy as np
        >>> def at(identity, x, z):
        ...     state = TrackState.CONFIRMED
        ...     return TrackedPerson(identity, np.array([x, 0.0, z]), np.zeros(3), np.eye(3), 1.0, 0.0, state)
        >>> selection = PersonSelection()
        >>> for z in (1.5, 1.7, 1.9):
        ...     [person.id for person in selection.select([at("kamul", 0.0, z), at("zotin", 0.3, 1.6)])]
        ['kamul']
        ['kamul']
        ['zotin']
    """

    def __init__(self, default: Whom = _NEAREST) -> None:
        """Create a selection without a person.

        Args:
            default: Whom a command means that does not say it.
        """
        self._default = default
        self._said: Whom | None = None
        self._selected = ""

    def say(self, whom: Whom | None) -> None:
        """Start a command.

        Args:
            whom: Whom its words mean; None if they do not say it.
        """
        self._said, self._selected = whom, ""

    def select(self, people: Sequence[TrackedPerson]) -> list[TrackedPerson]:
        """Return the people who are meant, in one frame.

        Args:
            people: The people of the frame, from `PeopleTracker.update`.

        Returns:
            At most one person, or for EVERYONE all who are confirmed or lost, the nearest first. Nobody is selected
            anew who is not seen in this frame; who is already selected stays so while lost.
        """
        whom = self._said or self._default
        known = [person for person in people if person.state in (TrackState.CONFIRMED, TrackState.LOST)]
        if whom.who is Who.EVERYONE:
            return sorted(known, key=_distance)
        if whom.who is Who.ID:
            return [person for person in known if person.id == whom.id]
        selected = next((person for person in known if person.id == self._selected), None)
        if selected is None or self._said is None:
            selected = _best(whom.who, known, selected)
        self._selected = "" if selected is None else selected.id
        return [] if selected is None else [selected]


def _best(who: Who, known: Sequence[TrackedPerson], selected: TrackedPerson | None) -> TrackedPerson | None:
    """Return who fits a rule best, or the selected person unless somebody else fits better by the margin."""
    candidates = [person for person in known if person.state is TrackState.CONFIRMED]
    if not candidates:
        return selected
    score, margin = _scoring(who, candidates)
    best = min(candidates, key=score)
    return selected if selected is not None and score(selected) - score(best) < margin else best


def _scoring(who: Who, people: Sequence[TrackedPerson]) -> tuple[Callable[[TrackedPerson], float], float]:
    """Return the score of a rule, which is least for who fits best, and its margin."""
    if who is Who.LARGEST and all(person.box is not None for person in people):
        return lambda person: -_log_area(person), _MARGIN_AREA
    if who is Who.FURTHEST:
        return lambda person: -_distance(person), _MARGIN_M
    if who is Who.LEFT:
        return _bearing, _MARGIN_RAD
    if who is Who.RIGHT:
        return lambda person: -_bearing(person), _MARGIN_RAD
    if who in (Who.CENTRED, Who.MIDDLE):
        bearings = sorted(map(_bearing, people))
        has_middle = who is Who.MIDDLE and len(people) >= 3 and len(people) % 2 == 1
        middle = bearings[len(bearings) // 2] if has_middle else 0.0
        return lambda person: abs(_bearing(person) - middle), _MARGIN_RAD
    return _distance, _MARGIN_M


def _distance(person: TrackedPerson) -> float:
    """Return the distance from the camera, metres, which a person's height in the picture does not change."""
    return math.hypot(float(person.root[0]), float(person.root[2]))


def _bearing(person: TrackedPerson) -> float:
    """Return the angle to the right of the optical axis, radians."""
    return math.atan2(float(person.root[0]), float(person.root[2]))


def _log_area(person: TrackedPerson) -> float:
    if person.box is None:
        return -math.inf
    x0, y0, x1, y1 = person.box.tolist()
    return math.log(max((x1 - x0) * (y1 - y0), 1e-9))
