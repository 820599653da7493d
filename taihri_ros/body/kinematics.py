"""Forward kinematics of the body's skeleton, and the analytic Jacobian of its 22 joints along the kinematic tree.

The derivative of a joint for a rotation about an axis through an ancestor is the cross product of the axis and the
lever arm, as for the arms of robots (Siciliano et al., Robotics: Modelling, Planning and Control, 2009, section 3.1).
The derivative of a rotation for its rotation vector is the right Jacobian of SO(3) (Solà, Deray and Atchuthan, A micro
Lie theory for state estimation in robotics, 2018, equation 143).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.template import PARENTS, BodyTemplate

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Posture:
    """The parameters of a posed body.

    Attributes:
        position: float64 (3,) the pelvis, metres, camera optical frame.
        orientation: float64 (3, 3) rotation from the body frame to the camera's optical frame.
        angles: float64 (D,) angles of the joints, radians; see `BodyTemplate`.
        shape: float64 (S,) shape of the body, in standard deviations of adults.
    """

    position: Array
    orientation: Array
    angles: Array
    shape: Array

    def moved(self, step: Array) -> Posture:
        """Return the posture after a step.

        Args:
            step: (6 + D + S,) change of the position, a rotation vector in the camera frame that is applied after the
                orientation, and changes of angles and shape. The columns of `Kinematics.jacobian` have this order.
        """
        after_angles = 6 + len(self.angles)
        return Posture(
            self.position + step[:3],
            exponential(step[None, 3:6])[0] @ self.orientation,
            self.angles + step[6:after_angles],
            self.shape + step[after_angles:],
        )


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the bones of a posture are, in the camera's optical frame.

    Attributes:
        rotations: float64 (22, 3, 3) rotation of each bone from the body frame to the camera frame.
        joints: float64 (22, 3) the joints, metres.
        local: float64 (22, 3) rotation vector of each bone relative to its parent, radians; zero for the pelvis.
    """

    rotations: Array
    joints: Array
    local: Array


class Kinematics:
    """The skeleton of a template: postures to joints, with derivatives."""

    def __init__(self, template: BodyTemplate) -> None:
        """Arrange the bones by their depth in the tree, so that each level is computed at once."""
        self._joints, self._shape_joints = template.joints, template.shape_joints
        self._angle_bones, self._angle_axes = template.angle_bones, template.angle_axes
        parents, size = np.array(PARENTS), len(PARENTS)
        depths = np.zeros(size, np.int64)
        ancestors = np.eye(size)
        for bone in range(1, size):
            depths[bone] = depths[parents[bone]] + 1
            ancestors[bone] += ancestors[parents[bone]]
        self._levels = [
            (bones, parents[bones])
            for bones in (np.flatnonzero(depths == depth) for depth in range(1, depths.max() + 1))
        ]
        self._parents = np.maximum(parents, 0)
        self._ancestors = ancestors
        """(22, 22) 1 where the second bone is the first one or an ancestor of it."""
        moved = ancestors.astype(bool) & ~np.eye(size, dtype=bool)
        self._moved = np.ascontiguousarray(moved[:, self._angle_bones].T[:, None, :].astype(np.float64))
        """(D, 1, 22) 1 where the angle moves the joint."""
        self._spread = np.zeros((3 * size, len(self._angle_bones)))
        for angle, (bone, axis) in enumerate(zip(self._angle_bones, self._angle_axes, strict=True)):
            self._spread[3 * bone : 3 * bone + 3, angle] = axis

    def place(self, posture: Posture) -> Placement:
        """Return the bones of a posture."""
        local = (self._spread @ posture.angles).reshape(-1, 3)
        turned = exponential(local)
        offsets = self._offsets(posture.shape)
        rotations, joints = np.empty_like(turned), np.empty_like(local)
        rotations[0], joints[0] = posture.orientation, posture.position
        for bones, parents in self._levels:
            above = rotations[parents]
            rotations[bones] = above @ turned[bones]
            joints[bones] = joints[parents] + (above @ offsets[bones, :, None])[..., 0]
        return Placement(rotations, joints, local)

    def jacobian(self, placement: Placement) -> Array:
        """Return the derivative of the 22 joints for a step of `Posture.moved`, float64 (66, 6 + D + S)."""
        joints = placement.joints
        count, angles, shapes = len(joints), len(self._angle_bones), len(self._shape_joints)
        jacobian = np.empty((count, 3, 6 + angles + shapes))
        jacobian[:, :, :3] = np.eye(3)
        jacobian[:, :, 3:6] = -cross_matrices(joints - joints[0])
        levers = cross_matrices(self.axes(placement))
        from_origin = (levers.reshape(-1, 3) @ joints.T).reshape(angles, 3, count)
        from_bone = levers @ joints[self._angle_bones, :, None]
        jacobian[:, :, 6 : 6 + angles] = ((from_origin - from_bone) * self._moved).transpose(2, 1, 0)
        jacobian[:, :, 6 + angles :] = self._shape_jacobian(placement)
        return jacobian.reshape(3 * count, -1)

    def point_jacobian(self, placement: Placement, points: Array, weights: Array, shape: Array) -> Array:
        """Return the derivative of a point on the surface for a step of `Posture.moved`.

        Args:
            placement: The bones.
            points: (22, 3) where each bone alone would place the point, metres, camera frame.
            weights: (22,) skinning weights of the point.
            shape: (S, 3) derivative of the point at rest for the shape, metres, body frame.

        Returns:
            float64 (3, 6 + D + S).
        """
        point = weights @ points
        joints, angles = placement.joints, len(self._angle_bones)
        axes = self.axes(placement)
        below = self._ancestors[:, self._angle_bones] * weights[:, None]
        turned = np.cross(axes, below.T @ points - below.sum(axis=0)[:, None] * joints[self._angle_bones])
        # A vertex at rest and the joint that its bone turns about change together with the shape.
        local = shape[None] - self._shape_joints.transpose(1, 0, 2)
        of_shape = np.einsum("b,bij,bsj->is", weights, placement.rotations, local)
        of_shape += np.einsum("b,bis->is", weights, self._shape_jacobian(placement))
        blocks = [np.eye(3), -cross_matrices((point - joints[0])[None])[0], turned.T, of_shape]
        assert turned.shape == (angles, 3)
        return np.concatenate(blocks, axis=1)

    def axes(self, placement: Placement) -> Array:
        """Return the axis about which a change of each angle turns its bone, float64 (D, 3), camera frame."""
        turn = placement.rotations @ right_jacobian(placement.local)
        return np.asarray((turn[self._angle_bones] @ self._angle_axes[:, :, None])[..., 0])

    def _offsets(self, shape: Array) -> Array:
        """Return each joint relative to the joint of its parent at rest, (22, 3) metres."""
        rest = self._joints + np.tensordot(shape, self._shape_joints, axes=1)
        return np.asarray(rest - rest[self._parents])

    def _shape_jacobian(self, placement: Placement) -> Array:
        offsets = self._shape_joints - self._shape_joints[:, self._parents]
        moved = placement.rotations[self._parents] @ offsets.transpose(1, 2, 0)
        return np.asarray((self._ancestors @ moved.reshape(len(moved), -1)).reshape(moved.shape))


def cross_matrices(vectors: Array) -> Array:
    """Return the matrices (N, 3, 3) that multiply a column as the cross product with each vector (N, 3) does."""
    matrices = np.zeros((len(vectors), 3, 3))
    matrices[:, [2, 0, 1], [1, 2, 0]] = vectors
    matrices[:, [1, 2, 0], [2, 0, 1]] = -vectors
    return matrices


def exponential(vectors: Array) -> Array:
    """Return the rotations (N, 3, 3) of rotation vectors (N, 3), radians (Rodrigues)."""
    squared = np.einsum("ni,ni->n", vectors, vectors)
    angles = np.sqrt(squared)
    crossed = cross_matrices(vectors)
    first = np.sinc(angles / np.pi)[:, None, None]
    second = (0.5 * np.sinc(angles / (2.0 * np.pi)) ** 2)[:, None, None]
    return np.asarray(np.eye(3) + first * crossed + second * (crossed @ crossed))


def right_jacobian(vectors: Array) -> Array:
    """Return the right Jacobians (N, 3, 3) of SO(3): a step d of a rotation vector turns by J d in the turned frame."""
    squared = np.einsum("ni,ni->n", vectors, vectors)
    angles = np.sqrt(squared)
    crossed = cross_matrices(vectors)
    first = (0.5 * np.sinc(angles / (2.0 * np.pi)) ** 2)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        second = np.where(squared < 1e-6, 1.0 / 6.0, (1.0 - np.sinc(angles / np.pi)) / squared)[:, None, None]
    return np.asarray(np.eye(3) - first * crossed + second * (crossed @ crossed))


def logarithm(rotations: Array) -> Array:
    """Return the rotation vectors (N, 3) of rotations (N, 3, 3), radians, at most pi long."""
    w, x, y, z = quaternions(rotations).T[[3, 0, 1, 2]]
    imaginary = np.stack([x, y, z], axis=1)
    length = np.linalg.norm(imaginary, axis=1)
    angle = 2.0 * np.arctan2(length, w)
    factor = np.where(length > 1e-9, angle / np.maximum(length, 1e-9), 2.0)
    return np.asarray(imaginary * factor[:, None])


def quaternions(rotations: Array) -> Array:
    """Return unit quaternions float64 (N, 4) of rotations (N, 3, 3), in the order x, y, z, w of ROS, with w >= 0.

    The largest of the four components is computed first, so that no division is by a small number (Shepperd, 1978).
    """
    trace = np.trace(rotations, axis1=1, axis2=2)
    diagonal = np.diagonal(rotations, axis1=1, axis2=2)
    rows, columns = [2, 0, 1], [1, 2, 0]
    difference = rotations[:, rows, columns] - rotations[:, columns, rows]
    total = rotations + rotations.transpose(0, 2, 1)
    outer = np.empty((len(rotations), 4, 4))  # four times the products of the components
    outer[:, :3, :3] = total
    outer[:, range(3), range(3)] = 1.0 + 2.0 * diagonal - trace[:, None]
    outer[:, :3, 3] = outer[:, 3, :3] = difference
    outer[:, 3, 3] = 1.0 + trace
    largest = outer[:, range(4), range(4)].argmax(axis=1)
    chosen = outer[np.arange(len(rotations)), largest]
    chosen *= np.where(chosen[:, 3:] < 0.0, -1.0, 1.0)
    return np.asarray(chosen / np.linalg.norm(chosen, axis=1, keepdims=True))
