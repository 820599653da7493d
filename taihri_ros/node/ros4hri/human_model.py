"""REP-155's kinematic model of a human, with the bone lengths of one body: links, joints and forward kinematics.

Links and joints have the names, axes and signs of the package human_description, so that software that was made for it
reads our angles. At angles of zero the person stands upright with hanging arms, and every link is turned like the body:
x forward, y to the person's left, z up. Two joints are added between `waist` and `torso`: human_description bends the
trunk forward only, which would leave the shoulders of somebody who turns or leans up to 0.1 m off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.kinematics import Posture, exponential
from taihri_ros.body.recovery import Body
from taihri_ros.skeleton import INDEX

Array = NDArray[np.float64]

SIDES = {"l": ("left", 1.0), "r": ("right", -1.0)}
"""REP-155's letter of each side, with the name in our joints and the direction of y."""

ROOT = "body"
"""The link at the middle of the hips, without the suffix."""


@dataclass(frozen=True)
class HumanSize:
    """The lengths of the model, metres.

    Attributes:
        torso_height: From the middle of the hips to the middle of the shoulders.
        torso_forward: The same, forward.
        shoulder_width: Between the shoulders.
        hip_width: Between the hips.
        neck_up: From the middle of the shoulders to the neck.
        neck_forward: The same, forward.
        head_up: From the neck to the joint of the head.
        head_forward: The same, forward.
        upper_arm: From shoulder to elbow.
        forearm: From elbow to wrist.
        thigh: From hip to knee.
        shin: From knee to ankle.
    """

    torso_height: float
    torso_forward: float
    shoulder_width: float
    hip_width: float
    neck_up: float
    neck_forward: float
    head_up: float
    head_forward: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float

    @classmethod
    def of(cls, body: Body) -> HumanSize:
        """Return the lengths of a body of the same shape in the usual pose; they do not depend on its own pose."""
        usual = Posture(np.zeros(3), np.eye(3), body.surface.template.angle_means, body.shape)
        joints = body.kinematics.place(usual).joints

        def between(first: str, second: str) -> Array:
            return np.asarray(joints[INDEX[second]] - joints[INDEX[first]])

        def middle(name: str) -> Array:
            return np.asarray((joints[INDEX[f"left_{name}"]] + joints[INDEX[f"right_{name}"]]) / 2.0)

        def length(first: str, second: str) -> float:
            return float(np.linalg.norm(between(first, second)))

        shoulders = middle("shoulder")
        torso, neck, head = shoulders - middle("hip"), joints[INDEX["neck"]] - shoulders, between("neck", "head")
        return cls(
            torso_height=float(torso[2]),
            torso_forward=float(torso[0]),
            shoulder_width=length("left_shoulder", "right_shoulder"),
            hip_width=length("left_hip", "right_hip"),
            neck_up=float(neck[2]),
            neck_forward=float(neck[0]),
            head_up=float(head[2]),
            head_forward=float(head[0]),
            upper_arm=length("left_shoulder", "left_elbow"),
            forearm=length("left_elbow", "left_wrist"),
            thigh=length("left_hip", "left_knee"),
            shin=length("left_knee", "left_ankle"),
        )

    def differs(self, other: HumanSize, share: float) -> bool:
        """Check whether a length differs from another size's by more than a share of the trunk's height."""
        limit = share * self.torso_height
        return bool(np.abs(np.array(astuple(self)) - np.array(astuple(other))).max() > limit)


@dataclass(frozen=True)
class HumanJoint:
    """A joint of the model and the link that it moves, without the suffix of the id.

    Attributes:
        name: Name of the joint.
        parent: Link that carries it.
        child: Link that it moves; the frame of that link is at the joint.
        origin: Place in the frame of the parent, metres; there is no rotation at an angle of zero.
        axis: Axis about which a positive angle turns; None for a fixed joint.
        limits: Smallest and largest angle of the URDF, radians. Balls have no narrower ones, because limits of single
            axes do not describe them.
    """

    name: str
    parent: str
    child: str
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axis: tuple[float, float, float] | None = None
    limits: tuple[float, float] = (-np.pi, np.pi)


_HINGES = {"elbow": (-0.3, 2.8), "knee": (-2.8, 0.3)}
"""Limits of the hinges, radians; the fitted body may overstretch them a little."""


def human_joints(size: HumanSize) -> tuple[HumanJoint, ...]:
    """Return the joints of a human, parents before children."""
    x, y, z, back = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)
    joints = [
        HumanJoint("waist", ROOT, "waist", axis=y),
        HumanJoint("r_waist", "waist", "r_waist", axis=x),
        HumanJoint("y_waist", "r_waist", "y_waist", axis=z),
        HumanJoint("torso", "y_waist", "torso", (size.torso_forward, 0.0, size.torso_height)),
        HumanJoint("r_head", "torso", "r_head", (size.neck_forward, 0.0, size.neck_up), x),
        HumanJoint("y_head", "r_head", "y_head", axis=z),
        HumanJoint("p_head", "y_head", "p_head", axis=back),
        HumanJoint("head", "p_head", "head", (size.head_forward, 0.0, size.head_up)),
    ]
    for letter, (_, left) in SIDES.items():
        shoulder, hip = (0.0, left * size.shoulder_width / 2.0, 0.0), (0.0, left * size.hip_width / 2.0, 0.0)
        abduct, twist = (left, 0.0, 0.0), (0.0, 0.0, left)
        chains = (
            ("y_shoulder", "torso", "y_shoulder", shoulder, (0.0, 0.0, -left)),
            ("p_shoulder", "y_shoulder", "p_shoulder", (0.0, 0.0, 0.0), abduct),
            ("r_shoulder", "p_shoulder", "shoulder", (0.0, 0.0, 0.0), twist),
            ("elbow", "shoulder", "elbow", (0.0, 0.0, -size.upper_arm), back),
            ("wrist", "elbow", "wrist", (0.0, 0.0, -size.forearm), None),
            ("y_hip", ROOT, "y_hip", hip, (0.0, 0.0, -1.0)),
            ("p_hip", "y_hip", "p_hip", (0.0, 0.0, 0.0), abduct),
            ("r_hip", "p_hip", "hip", (0.0, 0.0, 0.0), back),
            ("knee", "hip", "knee", (0.0, 0.0, -size.thigh), back),
            ("ankle", "knee", "ankle", (0.0, 0.0, -size.shin), None),
        )
        for name, parent, child, origin, axis in chains:
            carrier = parent if parent in (ROOT, "torso") else f"{letter}_{parent}"
            limits = _HINGES.get(name, HumanJoint.limits)
            joints.append(HumanJoint(f"{letter}_{name}", carrier, f"{letter}_{child}", origin, axis, limits))
    return tuple(joints)


def link_transforms(joints: tuple[HumanJoint, ...], angles: Mapping[str, float]) -> dict[str, tuple[Array, Array]]:
    """Return where each link is relative to its parent.

    Args:
        joints: The joints of the model.
        angles: Angles by name of the joint, radians.

    Returns:
        Translation (3,) in metres and rotation (3, 3) by link; without links beyond a joint whose angle is unknown.
    """
    known = {joint.child: angles.get(joint.name, 0.0) for joint in joints if joint.axis is None or joint.name in angles}
    axes = np.array([joint.axis or (0.0, 0.0, 0.0) for joint in joints])
    turns = exponential(axes * np.array([known.get(joint.child, 0.0) for joint in joints])[:, None])
    placed: dict[str, tuple[Array, Array]] = {}
    for joint, turn in zip(joints, turns, strict=True):
        if joint.child in known and (joint.parent == ROOT or joint.parent in placed):
            placed[joint.child] = np.array(joint.origin), turn
    return placed
