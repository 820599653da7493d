"""What the hand is to do: from the node's messages to a goal, or to a stop with its reason. It needs numpy only.

Positions are in metres in the frame of the messages, times in seconds on the clock of the image stamps.
"""

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Point = NDArray[np.float64]

MOTIONS = {  # words of the command, the joints that it goes to, metres between tip and joint
    "shake": ("shake|shaking|handshake", "wrist", 0.0),
    "hug": ("hug|hugging", "spine3", 0.45),
    "pat": ("pat|tap|touch", "", 0.07),
    "point": ("point|pointing", "", 0.35),
    "hand over": ("hand (?:me|him|her|over|the|an?)|give|pass|bring", "wrist", 0.18),  # 0.1 before the palm
}
MEASURED, PREDICTED, NOBODY = 0, 1, 11  # states of taihri_ros/Keypoint
DEVIATIONS, MAX_DEVIATION = 2.0, 0.25  # kept in addition to every distance; largest one that is approached, m

LIMBS = (  # first joint, second joint, radius, length beyond the second joint
    *(("pelvis", "spine3", 0.15, 0.0), ("spine3", "neck", 0.11, 0.0), ("neck", "head", 0.07, 0.0)),
    *(("head", "neck", 0.12, -0.2), ("left_shoulder", "right_shoulder", 0.08, 0.0)),
    *((f"{side}_shoulder", f"{side}_elbow", 0.06, 0.0) for side in ("left", "right")),
    *((f"{side}_elbow", f"{side}_wrist", 0.08, 0.18) for side in ("left", "right")),
    *((f"{side}_hip", f"{side}_knee", 0.09, 0.0) for side in ("left", "right")),
    *((f"{side}_knee", f"{side}_ankle", 0.06, 0.0) for side in ("left", "right")),
)


@dataclass(frozen=True, eq=False)
class Joint:
    """A joint of the person: (3,) position, (3, 3) covariance and the time of its image."""

    position: Point
    covariance: Point
    time: float

    @property
    def deviation(self) -> float:
        """The standard deviation in the direction in which it is largest; infinite if it is not known."""
        least, _, most = np.linalg.eigvalsh(self.covariance) if np.isfinite(self.covariance).all() else np.zeros(3)
        return np.sqrt(most) if least > 0.0 else np.inf


@dataclass(frozen=True, eq=False)
class Goal:
    """Where the tip of the hand is to be, and the unit vector along which the hand points."""

    name: str
    position: Point
    approach: Point
    touched: tuple[str, ...] = ()  # first joints of the limbs that the hand may come near


@dataclass(frozen=True)
class Stop:
    """Why the arm stands still."""

    reason: str


@dataclass(frozen=True, eq=False)
class Limb:
    """A capsule around a limb. The radius grows with the uncertainty of its joints."""

    first: str
    start: Point
    end: Point
    radius: float


@dataclass
class Planner:
    """Decides by the newest messages: `shoulder` and `reach` are the arm's, an image older than `max_age` is stale."""

    shoulder: Point
    reach: float
    max_age: float = 0.5
    frame: str = ""  # of the shoulder; empty: that of the first answer. Joints in another one are refused
    text: str = ""
    _meant: set[str] = field(default_factory=set)
    _joints: dict[str, Joint] = field(default_factory=dict)
    _body: dict[str, Joint] = field(default_factory=dict)
    _refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    _newest: float = -np.inf
    _frames: dict[str, str] = field(default_factory=dict)
    _end: str = ""  # the nearest joint, and still the same when another is nearer by less than 0.2 m

    def on_command(self, message: Any) -> None:
        """Take a taihri_ros/ActiveCommand; its text is empty after `stop`."""
        self._meant = set(message.joints)
        if message.text != self.text:
            self.text, self._joints, self._refused, self._newest = message.text, {}, {}, -np.inf

    def on_person(self, message: Any) -> None:
        """Take a taihri_ros/HumanKeypoints."""
        self._newest, self._refused = self._time(message.header, "joints"), {}
        for each in message.keypoints:
            if each.state in (MEASURED, PREDICTED):
                self._joints[each.name] = _joint(each.position, np.reshape(each.covariance, (3, 3)), self._newest)
            else:
                self._refused[each.name] = each.state, each.reason

    def on_body(self, message: Any) -> None:
        """Take a taihri_ros/BodyJoints: the limbs that the command does not need, but that are in the way."""
        time = self._time(message.header, "limbs")
        for name, pose, deviation in zip(message.names, message.poses, message.standard_deviations, strict=False):
            self._body[name] = _joint(pose.position, deviation * deviation * np.eye(3), time)

    def decide(self, now: float) -> Goal | Stop:
        """Return what the hand is to do at a time."""
        said, age, known = self.text.lower(), now - self._newest, self._known(self._joints, now)
        motion = next((name for name, (words, *_) in MOTIONS.items() if re.search(rf"\b({words})\b", said)), None)
        if motion is None:
            return Stop(f"no motion is known for {self.text!r}" if self.text else "stop: no command runs")
        if not abs(age) <= self.max_age:  # an age below 0 is that of a camera whose clock is ahead
            return Stop(f"stale: the newest image is {age:.1f} s old" if np.isfinite(age) else "no answer yet")
        if others := [f"the {what} are in {frame!r}" for what, frame in self._frames.items() if frame != self.frame]:
            return Stop(f"frame: {others[0]}, and the arm is in {self.frame!r}")
        if self._refused and all(state == NOBODY for state, _ in self._refused.values()):
            return Stop("nobody is in view")
        if not (ends := [name for name in known if name in self._meant and MOTIONS[motion][1] in name]):
            missing = [f"{name}: {reason}" for name, (_, reason) in self._refused.items()]
            return Stop("missing: " + ("; ".join(missing) or "the joints of this command"))
        self._end = min(ends, key=lambda end: math.dist(known[end].position, self.shoulder) - 0.2 * (end == self._end))
        if not (deviation := known[self._end].deviation) <= MAX_DEVIATION:
            return Stop(f"unsure: the standard deviation of {self._end} is {deviation:.2f} m")
        goal = self._goal(motion, self._end, self._known(self._body, now) | known)
        if isinstance(goal, Goal) and (needed := math.dist(goal.position, self.shoulder)) > self.reach:
            return Stop(f"unreachable: {self._end} needs {needed:.2f} m, and the arm reaches {self.reach:.2f} m")
        return goal

    def limbs(self, now: float) -> list[Limb]:
        """Return the limbs of which both joints are known."""
        known, limbs = self._known(self._body, now) | self._known(self._joints, now), []
        for first, second, radius, beyond in LIMBS:
            if first in known and second in known:
                start, end = known[first].position, known[second].position
                doubt = min(DEVIATIONS * max(known[first].deviation, known[second].deviation), 1.0)
                limbs.append(Limb(first, start, end + beyond * _unit(end - start), radius + doubt))
        return limbs

    def _time(self, header: Any, what: str) -> float:
        self._frames[what] = header.frame_id
        self.frame = self.frame or header.frame_id
        return float(header.stamp.sec + 1e-9 * header.stamp.nanosec)

    def _known(self, joints: dict[str, Joint], now: float) -> dict[str, Joint]:
        seen = {name: joint for name, joint in joints.items() if abs(now - joint.time) <= self.max_age}
        return {name: joint for name, joint in seen.items() if np.isfinite(joint.position).all()}

    def _goal(self, motion: str, end: str, known: dict[str, Joint]) -> Goal | Stop:
        place, before, touched = known[end].position, MOTIONS[motion][2], ()
        approach = _unit(place - self.shoulder)
        if motion in ("shake", "hand over"):
            elbow = end.replace("wrist", "elbow")
            touched = (elbow,) if motion == "shake" else ("left_elbow", "right_elbow")
            if elbow in known:
                forearm = _unit(place - known[elbow].position)
                if forearm @ -approach < 0.5:
                    return Stop(f"waits: no hand is held out, the forearm of {end} points elsewhere")
                approach = -forearm
            elif motion == "shake":
                return Stop(f"missing: {elbow}, which shows where the hand points")
        elif motion == "pat":
            touched = (end, end.replace("shoulder", "elbow"), "left_shoulder", "spine3", "pelvis")
            if "neck" in known:  # on the outside, away from the head
                place = place + 0.06 * _unit(place - known["neck"].position)
        before += DEVIATIONS * np.sqrt(approach @ known[end].covariance @ approach)
        return Goal(f"{motion} {end}", place - before * approach, approach, touched)


def speed(distance: float) -> float:
    """Return the largest speed of the hand, m/s, at a distance from the body: 0.5 far away, 0.25 on it."""
    return float(np.clip(0.25 + distance, 0.25, 0.5))


def waypoint(goal: Goal, tip: Point) -> Point:
    """Return where the tip goes next: the goal, or 0.25 m before it while the tip is not in the cone in front of it."""
    ahead = float((goal.position - tip) @ goal.approach)
    beside = np.linalg.norm(goal.position - tip - goal.approach * ahead)
    return goal.position if beside < max(0.05, 0.5 * ahead) else goal.position - 0.25 * goal.approach


def _unit(vector: Point) -> Point:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _joint(at: Any, covariance: Point, time: float) -> Joint:
    return Joint(np.array([at.x, at.y, at.z]), covariance / 2.0 + covariance.T / 2.0, time)
