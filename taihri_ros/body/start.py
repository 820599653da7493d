"""Where a fit without a frame before starts: the usual pose turned to the trunk, with arms and legs along their joints.

Without this an elbow may stay bent backwards, which is a local optimum of the fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.fit import Evidence
from taihri_ros.body.kinematics import Kinematics, Placement, Posture, logarithm
from taihri_ros.body.template import PARENTS, BodyTemplate
from taihri_ros.skeleton import INDEX, JOINTS

Array = NDArray[np.float64]

FACING_CAMERA = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""Orientation of a person who stands upright and faces a level camera: forward is -z, left is x, up is -y."""

TRUNK = tuple(INDEX[name] for name in JOINTS if name.split("_")[-1] not in ("knee", "ankle", "foot", "elbow", "wrist"))
"""The joints that show how the trunk is placed and turned: all but those of arms and legs."""

_LIMBS = tuple(
    tuple(INDEX[f"{side}_{joint}"] for joint in joints)
    for side in ("left", "right")
    for joints in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
)

_STRAIGHT = 0.15
"""Sine of the flexion below which the usual pose decides how a limb is turned about itself, because noise would."""


class Start:
    """Makes the first postures of fits."""

    def __init__(self, template: BodyTemplate, kinematics: Kinematics) -> None:
        """Take the usual pose from a template."""
        self._kinematics, self._means = kinematics, template.angle_means
        self._angles = {
            bone: np.flatnonzero(template.angle_bones == bone) for bone in set(template.angle_bones.tolist())
        }
        self._axes, self._joints = template.angle_axes, template.joints

    def usual(self, shape: Array) -> Posture:
        """Return the usual pose of a person of a shape (S,), who faces a level camera, with the pelvis at 0."""
        return Posture(np.zeros(3), FACING_CAMERA, self._means, shape)

    def near(self, evidence: Evidence, shape: Array) -> Posture:
        """Return a posture near the keypoints.

        Args:
            evidence: The keypoints; at least one of the trunk.
            shape: (S,) the expected shape.

        Returns:
            The usual pose, placed and turned to the keypoints of the trunk (Kabsch, 1976); limbs whose joints were all
            found lie along them.
        """
        usual = self.usual(shape)
        joints = self._kinematics.place(usual).joints
        trunk = np.isin(evidence.joints, TRUNK)
        found, expected = evidence.points[trunk], joints[evidence.joints[trunk]]
        middle, expected_middle = found.mean(axis=0), expected.mean(axis=0)
        # The identity decides the turn that points on one line leave open: facing the camera.
        correlation = (expected - expected_middle).T @ (found - middle) + 1e-3 * np.eye(3)
        left, _, right = np.linalg.svd(correlation)
        turn = right.T @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ left.T
        posture = Posture(middle - turn @ expected_middle, turn @ usual.orientation, self._means.copy(), shape)
        placement = self._kinematics.place(posture)
        places = np.full((len(JOINTS), 3), np.nan)
        places[evidence.joints] = evidence.points
        for limb in _LIMBS:
            if np.isfinite(places[list(limb)]).all():
                self._bend(posture.angles, placement, limb, places)
        return posture

    def _bend(self, angles: Array, placement: Placement, limb: tuple[int, ...], places: Array) -> None:
        """Set the angles of a limb of two bones along the points of its joints."""
        first, hinge, end = limb
        upper, lower = _unit(places[hinge] - places[first]), _unit(places[end] - places[hinge])
        rest_upper, rest_lower = (_unit(self._joints[b] - self._joints[a]) for a, b in ((first, hinge), (hinge, end)))
        (angle,) = self._angles[hinge]
        axis = self._axes[angle]
        across = np.cross(upper, lower) + _STRAIGHT * placement.rotations[first] @ axis
        turned = _frame(upper, across) @ _frame(rest_upper, axis).T
        local = placement.rotations[PARENTS[first]].T @ turned
        angles[self._angles[first]] = self._axes[self._angles[first]] @ logarithm(local[None])[0]
        angles[angle] = np.arccos(np.clip(upper @ lower, -1.0, 1.0)) - np.arccos(rest_upper @ rest_lower)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))


def _frame(direction: Array, across: Array) -> Array:
    """Return a right-handed frame as columns (3, 3): a unit vector, another made orthogonal, their cross product."""
    second = _unit(across - direction * (across @ direction))
    return np.column_stack([direction, second, np.cross(direction, second)])
