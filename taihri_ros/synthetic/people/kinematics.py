"""Kinematics of a posed body: rotations, inverse kinematics of limbs and forward kinematics.

A body at rest stands with its arms slightly spread. In the body frame x points to the person's left, y to
the back and z up (metres). A bone's global rotation maps its orientation at rest to its orientation in the pose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def rotation(axis: ArrayLike, angle: float) -> Array:
    """Return the rotation matrix about an axis (Rodrigues).

    Args:
        axis: (3,) any vector but zero.
        angle: Right-handed angle, radians.

    Returns:
        float64 (3, 3).
    """
    x, y, z = unit(axis).tolist()
    cosine, sine = math.cos(angle), math.sin(angle)
    rest = 1.0 - cosine
    return np.array(
        [
            [cosine + x * x * rest, x * y * rest - z * sine, x * z * rest + y * sine],
            [y * x * rest + z * sine, cosine + y * y * rest, y * z * rest - x * sine],
            [z * x * rest - y * sine, z * y * rest + x * sine, cosine + z * z * rest],
        ]
    )


def euler(pitch: float, roll: float, yaw: float) -> Array:
    """Return the rotation of trunk or head: first pitch, then roll, then yaw, about fixed axes.

    Args:
        pitch: Bend forward, radians.
        roll: Bend to the person's left, radians.
        yaw: Turn to the person's left, radians.

    Returns:
        float64 (3, 3).
    """
    return rotation([0, 0, 1], yaw) @ rotation([0, 1, 0], roll) @ rotation([1, 0, 0], pitch)


def unit(vector: ArrayLike) -> Array:
    """Return a vector (3,), which is not zero, scaled to length one."""
    array = np.asarray(vector, dtype=np.float64)
    return np.asarray(array / math.sqrt(array @ array))


def cross(first: Array, second: Array) -> Array:
    """Return the cross product of two vectors (3,); this is much faster than `numpy.cross`."""
    a, b, c = first.tolist()
    x, y, z = second.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def frame(direction: Array, hinge: Array) -> Array:
    """Return a right-handed frame as columns (3, 3): `direction`, `hinge` made orthogonal, their cross product."""
    first = unit(direction)
    second = unit(hinge - first * (hinge @ first))
    return np.column_stack([first, second, cross(first, second)])


def bend_limb(root: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Return the joints of a limb of two bones (inverse kinematics by the law of cosines).

    Args:
        root: (3,) shoulder or hip, metres.
        target: (3,) desired position of wrist or ankle, different from the root; a target out of reach is
            approached as far as possible.
        upper: Length of the first bone, metres.
        lower: Length of the second bone, metres.
        pole: (3,) direction in which the elbow or knee points from the line between root and target.

    Returns:
        The middle joint and the end joint, float64 (3,) each, metres.
    """
    reach = target - root
    nearest, furthest = abs(upper - lower) + 0.15 * min(upper, lower), 0.998 * (upper + lower)
    distance = float(np.clip(np.linalg.norm(reach), nearest, furthest))
    along = unit(reach)
    sideways = pole - along * (pole @ along)
    if np.linalg.norm(sideways) < 1e-6:
        sideways = cross(along, np.eye(3)[np.abs(along).argmin()])
    cosine = (upper**2 + distance**2 - lower**2) / (2.0 * upper * distance)
    middle = root + upper * (cosine * along + np.sqrt(max(0.0, 1.0 - cosine**2)) * unit(sideways))
    return middle, root + distance * along


def forward_kinematics(
    parents: Sequence[int], rest_heads: Array, rotations: Mapping[int, Array]
) -> tuple[Array, Array]:
    """Return rotation and position of every bone (forward kinematics from global rotations).

    Args:
        parents: Index of each bone's parent, which must be smaller than its own; the first bone is the root.
        rest_heads: (B, 3) joints at rest, metres.
        rotations: Global rotations of some bones including the root; the others move with their parents.

    Returns:
        Rotations float64 (B, 3, 3) and joints float64 (B, 3), with the root at its rest position.
    """
    turned = np.empty((len(parents), 3, 3))
    placed = np.empty((len(parents), 3))
    for bone, parent in enumerate(parents):
        turned[bone] = rotations[bone] if bone in rotations else turned[parent]
        offset = turned[parent] @ (rest_heads[bone] - rest_heads[parent]) if bone else 0.0
        placed[bone] = placed[parent] + offset if bone else rest_heads[0]
    return turned, placed
