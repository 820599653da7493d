"""Guards: joints that cannot be where they were found are refused, each with the reason. All are off by default.

They know nothing of the model: a workspace outside of which nobody is expected, the lengths of human bones, and a
speed. They are no safety function: a wrong joint that passes them is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.pipeline.belief import refused
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.pipeline.people.person_track import TrackedPerson

Array = NDArray[np.float64]

_SIGMAS = 2.0
"""A length or a distance is too long or short only by more than this many standard deviations."""

LIMBS_M = {
    (f"{side}_{start}", f"{side}_{end}"): length
    for side in ("left", "right")
    for start, end, length in (
        ("shoulder", "elbow", 0.26),
        ("elbow", "wrist", 0.23),
        ("hip", "knee", 0.39),
        ("knee", "ankle", 0.44),
    )
}
"""Mean length of the bones of arms and legs, metres: those of the body template of this package, 1.71 m tall, and the
medians of 200 people of `synthetic.people`. The bones of the trunk are left out, because data sets define their joints
in other ways."""

_SHORTEST, _LONGEST = 0.4, 1.4
"""Lengths of children and of tall people, relative to the mean adult."""

_PLACE = "place"
"""Name for where somebody is, beside the names of their joints."""

_KEPT_S = 1.0
"""Longest time between two positions from which a speed is computed, seconds."""


@dataclass(frozen=True)
class Workspace:
    """A box in the camera's optical frame, metres.

    Attributes:
        low: Smallest x, y and z.
        high: Largest x, y and z.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @classmethod
    def parse(cls, text: str) -> Workspace | None:
        """Read six numbers: smallest and largest x, then y, then z.

        Args:
            text: Such as `-1 1 -1 1 0.3 2.5`.

        Returns:
            The box; None for an empty text.

        Raises:
            TaihriError: The text is not six numbers in this order.
        """
        if not text.strip():
            return None
        try:
            numbers = [float(word) for word in text.replace(",", " ").split()]
        except ValueError:
            numbers = []
        if len(numbers) != 6 or not all(low < high for low, high in zip(numbers[::2], numbers[1::2], strict=True)):
            raise TaihriError(
                f"guards.workspace must be six numbers, smallest and largest x, y and z in metres, such as "
                f"'-1 1 -1 1 0.3 2.5', not {text[:60]!r}"
            )
        return cls((numbers[0], numbers[2], numbers[4]), (numbers[1], numbers[3], numbers[5]))

    def problem(self, position: Array) -> str:
        """Return why a position (3,), metres, is outside the box; empty if it is inside."""
        for axis, value, low, high in zip("xyz", position, self.low, self.high, strict=True):
            if not low <= value <= high:
                return f"{axis} is {value:.2f} m, outside the workspace from {low:g} to {high:g} m"
        return ""


@dataclass(frozen=True, eq=False)
class _Seen:
    """Where a person's joints were in an earlier frame."""

    stamp_ns: int
    joints: dict[str, Keypoint]


@dataclass
class Guards:
    """The guards that are switched on. `check` must be called in the order of the frames.

    Example:
        >>> from taihri_ros.keypoints import Keypoint, State
        >>> far = Keypoint("head", State.MEASURED, position=np.array([0.0, 0.0, 9.0]))
        >>> Guards(workspace=Workspace.parse("-1 1 -1 1 0.3 2.5")).problems({"head": far})
        {'head': 'z is 9.00 m, outside the workspace from 0.3 to 2.5 m'}

    Attributes:
        workspace: Box outside of which a joint is refused; None for none.
        bone_lengths: Whether both ends of a bone of an arm or leg are refused if no human has one of its length.
        max_speed_m_s: Speed above which a joint is refused, m/s; 0 for none.
    """

    workspace: Workspace | None = None
    bone_lengths: bool = False
    max_speed_m_s: float = 0.0
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def check(self, estimate: Estimate, stamp_ns: int, *, one_shot: bool = False) -> Estimate:
        """Refuse the joints of everybody in an estimate that a guard does not let pass.

        Args:
            estimate: The estimate of a frame.
            stamp_ns: Time stamp of the frame, nanoseconds.
            one_shot: Whether the frame is for a one-shot command, which has no speed.

        Returns:
            The estimate. A refused joint is IMPLAUSIBLE, without a position and with its confidence. Where somebody is,
            position and velocity of `TrackedPerson`, is NaN if it does not pass.
        """
        if self.workspace is None and not self.bone_lengths and not self.max_speed_m_s:
            return estimate
        found = {each.track.id: each.whole or each.person for each in estimate.people}
        found[estimate.person_id] = estimate.whole or estimate.person
        places = {each.track.id: each.track for each in estimate.people}
        problems = {
            name: self._problems_of(name, person, places.get(name), stamp_ns, one_shot=one_shot)
            for name, person in found.items()
        }
        self._seen = {name: seen for name, seen in self._seen.items() if name in found}
        own = problems[estimate.person_id]
        return replace(
            estimate,
            person=_without(estimate.person, own) or estimate.person,
            whole=_without(estimate.whole, own),
            people=tuple(_person_without(each, problems[each.track.id]) for each in estimate.people),
        )

    def problems(self, joints: Mapping[str, Keypoint]) -> dict[str, str]:
        """Return why joints are not where they were found, as far as one image says it.

        Args:
            joints: The located joints of a person, by name.

        Returns:
            The reasons by the name of the joint.
        """
        found: dict[str, str] = {}
        if self.workspace is not None:
            reasons = {name: self.workspace.problem(joint.position) for name, joint in joints.items()}
            found |= {name: reason for name, reason in reasons.items() if reason}
        if self.bone_lengths:
            for (start, end), mean in LIMBS_M.items():
                if start not in joints or end not in joints:
                    continue
                length, doubt = _distance(joints[start], joints[end])
                if not _SHORTEST * mean - doubt <= length <= _LONGEST * mean + doubt:
                    reason = (
                        f"the bone from {start} to {end} is {length:.2f} m long, which is not from "
                        f"{_SHORTEST * mean:.2f} to {_LONGEST * mean:.2f} m"
                    )
                    found.setdefault(start, reason)
                    found.setdefault(end, reason)
        return found

    def _problems_of(
        self, name: str, person: Person | None, track: TrackedPerson | None, stamp_ns: int, *, one_shot: bool
    ) -> dict[str, str]:
        """Return the problems of a person, whose positions are kept under their id for the next frame.

        Where somebody is who is not seen is predicted, and has no speed of its own.
        """
        joints = {} if person is None else {joint.name: joint for joint in person.located}
        if track is not None:
            joints[_PLACE] = Keypoint(_PLACE, State.PREDICTED, position=track.root, covariance=track.covariance)
        found = self.problems(joints)
        if not self.max_speed_m_s or one_shot or person is None:
            return found
        before = self._seen.get(name)
        elapsed_s = 0.0 if before is None else (stamp_ns - before.stamp_ns) / 1e9
        self._seen[name] = _Seen(stamp_ns, joints)
        if before is None or not 0.0 < elapsed_s <= _KEPT_S:
            return found
        for joint in joints.keys() & before.joints.keys():
            distance, doubt = _distance(joints[joint], before.joints[joint])
            speed = (distance - doubt) / elapsed_s
            if speed > self.max_speed_m_s:
                found.setdefault(
                    joint, f"the joint moved with {speed:.1f} m/s, guards.max_speed_m_s is {self.max_speed_m_s:g}"
                )
        return found


def _distance(first: Keypoint, second: Keypoint) -> tuple[float, float]:
    """Return the distance of two joints, and what of it their covariances may explain, metres."""
    step = second.position - first.position
    distance = float(np.linalg.norm(step))
    if distance == 0.0:
        return 0.0, 0.0
    direction = step / distance
    variance = float(direction @ (np.nan_to_num(first.covariance) + np.nan_to_num(second.covariance)) @ direction)
    return distance, _SIGMAS * float(np.sqrt(max(variance, 0.0)))


def _person_without(each: PersonInFrame, problems: Mapping[str, str]) -> PersonInFrame:
    """Return one of several people, whose joints, and whose place, are refused where they have a problem."""
    if not problems:
        return each
    track, nowhere = each.track, np.full(3, np.nan)
    if _PLACE in problems:
        track = replace(track, root=nowhere, velocity=nowhere, covariance=np.full((3, 3), np.nan))
    return replace(each, track=track, person=_without(each.person, problems), whole=_without(each.whole, problems))


def _without(person: Person | None, problems: Mapping[str, str]) -> Person | None:
    """Return a person whose joints with a problem are refused."""
    if person is None or not problems:
        return person
    keypoints = tuple(
        refused(each, State.IMPLAUSIBLE, problems[each.name]) if each.name in problems and each.has_position else each
        for each in person.keypoints
    )
    return replace(person, keypoints=keypoints)
