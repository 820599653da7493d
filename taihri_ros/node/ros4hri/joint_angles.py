"""The angles of REP-155's joints from a fitted body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body
from taihri_ros.node.ros4hri.human_model import SIDES, HumanSize
from taihri_ros.skeleton import INDEX

Array = NDArray[np.float64]

_MOST_BACKWARD = -0.4
"""Smallest abduction of the shoulder, radians; beyond it the arm is rather turned about the vertical."""


def body_frame(body: Body) -> tuple[Array, Array]:
    """Return the frame `body_<id>`: origin (3,) at the middle of the hips, metres, and axes (3, 3), camera frame."""
    hips = body.joints[[INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=0)
    return hips, body.rotations[0]


def joint_angles(body: Body, size: HumanSize) -> dict[str, float]:
    """Return the angles of a body, as far as keypoints show them.

    Trunk and limbs are turned so that the links of a model of this size point to the joints of the body. The upper
    parts of the limbs are turned about themselves as the bones of the body are.

    A joint of which no keypoint shows where the far end of its bone is, is left out; so are trunk and head without a
    keypoint of shoulders or arms, because nothing shows how the trunk is turned. The head is never turned about its
    own axis (`y_head` is 0), because none of the 22 joints is in the face.

    Args:
        body: The body.
        size: The lengths of the model.

    Returns:
        Angles by name of the joint, radians, without the suffix of the id.
    """
    return _Angles(body, size).all()


def shoulder_angles(rotation: Array, left: float) -> tuple[float, float, float]:
    """Return the angles y, p and r of a shoulder.

    Two triples give the same rotation. The first angle of the returned one is at most 90°, unless the arm would have to
    be raised backwards (`_MOST_BACKWARD`). Where the arm hangs straight down or is straight up, the first angle is 0.

    Args:
        rotation: (3, 3) the upper arm relative to the torso: Rz(-y) Rx(p) Rz(r) for the left arm; the opposite signs
            hold for the right one.
        left: 1 for the left arm, -1 for the right one.

    Returns:
        The angles, radians.
    """
    lift = float(np.arctan2(np.hypot(rotation[0, 2], rotation[1, 2]), rotation[2, 2]))
    if np.sin(lift) < 1e-6:
        return 0.0, lift, left * float(np.arctan2(-rotation[0, 1], rotation[0, 0]))
    # With the left arm's signs: for the right arm, which turns about -x, both angles about z are half a turn further.
    half_turn = 0.0 if left > 0 else np.pi
    outer = np.arctan2(rotation[0, 2], -rotation[1, 2]) + half_turn
    inner = np.arctan2(rotation[2, 0], rotation[2, 1]) + half_turn
    y, p, r = _wrapped(-left * outer), lift, _wrapped(left * inner)
    if abs(y) > np.pi / 2.0 and -p >= _MOST_BACKWARD:
        return _wrapped(y + np.pi), -p, _wrapped(r + np.pi)
    return y, p, r


@dataclass(frozen=True)
class _Angles:
    """The computation of the angles; places are in the frame `body_<id>`."""

    body: Body
    size: HumanSize

    def all(self) -> dict[str, float]:
        size = self.size
        angles: dict[str, float] = {}
        for letter, (side, left) in SIDES.items():
            hip = np.array([0.0, left * size.hip_width / 2.0, 0.0])
            lengths, names = (size.thigh, size.shin), (f"{side}_hip", f"{side}_knee", f"{side}_ankle")
            upper, knee = self._limb(names, hip, np.eye(3), lengths)
            if upper is not None:
                y, p, r = _zxy(upper)
                angles |= {f"{letter}_y_hip": -y, f"{letter}_p_hip": left * p, f"{letter}_r_hip": -r}
            if knee is not None:
                angles[f"{letter}_knee"] = knee
        if not (self._shown("left_shoulder") or self._shown("right_shoulder")):
            return angles
        torso = self._torso()
        angles |= dict(zip(("waist", "r_waist", "y_waist"), _yxz(torso), strict=True))
        middle = torso @ np.array([size.torso_forward, 0.0, size.torso_height])
        if self._shown("head"):
            neck = middle + torso @ np.array([size.neck_forward, 0.0, size.neck_up])
            angles |= self._head(torso.T @ (self._place("head") - neck))
        for letter, (side, left) in SIDES.items():
            shoulder = middle + torso @ np.array([0.0, left * size.shoulder_width / 2.0, 0.0])
            lengths, names = (size.upper_arm, size.forearm), (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
            upper, elbow = self._limb(names, shoulder, torso, lengths)
            if upper is not None:
                y, p, r = shoulder_angles(upper, left)
                angles |= {f"{letter}_y_shoulder": y, f"{letter}_p_shoulder": p, f"{letter}_r_shoulder": r}
            if elbow is not None:
                angles[f"{letter}_elbow"] = elbow
        return angles

    def _torso(self) -> Array:
        """Return the rotation of the trunk: up to the middle of the shoulders, and from one shoulder to the other."""
        left, right = self._place("left_shoulder"), self._place("right_shoulder")
        at_rest = _frame(np.array([self.size.torso_forward, 0.0, self.size.torso_height]), np.array([0.0, 1.0, 0.0]))
        return np.asarray(_frame((left + right) / 2.0, left - right) @ at_rest.T)

    def _head(self, direction: Array) -> dict[str, float]:
        """Return the angles of the head from the direction (3,) from neck to head in the frame of the torso."""
        x, y, z = direction
        roll = np.arctan2(-y, z)
        pitch = np.arctan2(x, np.hypot(y, z)) - np.arctan2(self.size.head_forward, self.size.head_up)
        return {"r_head": float(roll), "y_head": 0.0, "p_head": float(-pitch)}

    def _limb(
        self, names: tuple[str, str, str], start: Array, carrier: Array, lengths: tuple[float, float]
    ) -> tuple[Array | None, float | None]:
        """Return how the upper part of a limb is turned, and the angle of its hinge.

        Args:
            names: Joints of the body: where the limb begins, the hinge and the end.
            start: (3,) where the limb of the model begins.
            carrier: (3, 3) axes of the link that carries it.
            lengths: Of the upper and the lower part, metres.

        Returns:
            Rotation (3, 3) relative to the carrier and the angle, radians; each None if not shown by a keypoint.
        """
        first, hinge, end = names
        if not self._shown(hinge):
            return None, None
        axes = _frame(start - self._place(hinge), self._hinge_axis(first, hinge))
        upper = np.asarray(carrier.T @ axes)
        if not self._shown(end):
            return upper, None
        x, _, z = axes.T @ (self._place(end) - (start - lengths[0] * axes[:, 2]))
        return upper, float(np.arctan2(x, -z))

    def _hinge_axis(self, first: str, hinge: str) -> Array:
        """Return the axis (3,) of a knee or elbow that points to the left where the limb hangs."""
        template = self.body.surface.template
        (angle,) = np.flatnonzero(template.angle_bones == INDEX[hinge])
        axis = self.body.rotations[0].T @ self.body.rotations[INDEX[first]] @ template.angle_axes[angle]
        return np.asarray(-axis if hinge.endswith("elbow") else axis)

    @cached_property
    def _places(self) -> Array:
        origin, axes = body_frame(self.body)
        return np.asarray((self.body.joints - origin) @ axes)

    def _place(self, name: str) -> Array:
        return np.asarray(self._places[INDEX[name]])

    def _shown(self, name: str) -> bool:
        return bool(self.body.supported[INDEX[name]])


def _frame(up: Array, left: Array) -> Array:
    """Return axes (3, 3) as columns: z along a vector, y as near to another as possible, x so that they are a frame."""
    z = up / np.linalg.norm(up)
    y = left - (left @ z) * z
    y /= np.linalg.norm(y)
    return np.column_stack([np.cross(y, z), y, z])


def _yxz(rotation: Array) -> tuple[float, float, float]:
    """Return the angles about y, x and z, in this order from outside, of a rotation (3, 3)."""
    return (
        float(np.arctan2(rotation[0, 2], rotation[2, 2])),
        float(np.arcsin(np.clip(-rotation[1, 2], -1.0, 1.0))),
        float(np.arctan2(rotation[1, 0], rotation[1, 1])),
    )


def _zxy(rotation: Array) -> tuple[float, float, float]:
    """Return the angles about z, x and y, in this order from outside, of a rotation (3, 3)."""
    return (
        float(np.arctan2(-rotation[0, 1], rotation[1, 1])),
        float(np.arcsin(np.clip(rotation[2, 1], -1.0, 1.0))),
        float(np.arctan2(-rotation[2, 0], rotation[2, 2])),
    )


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2.0 * np.pi) - np.pi)
