"""Where the bones of a posed body are: directions of limbs to rotations of bones, and forward kinematics.

A body at rest stands with its arms slightly spread. In the body frame x points to its own left, y to its back and z
up (metres). A bone's global rotation takes its orientation at rest to its orientation in the pose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def rotation(axis: ArrayLike, angle: float) -> Array:
    """Make a rotation matrix about an axis (Rodrigues).

    Args:
        axis: (3,), of any length but zero.
        angle: Radians, right-handed.

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
    """Rotate the trunk or the head: first bend forward, then to the side, then turn.

    Args:
        pitch: Bend forward, radians.
        roll: Bend to the own left, radians.
        yaw: Turn to the own left, radians.

    Returns:
        float64 (3, 3).
    """
    return rotation([0, 0, 1], yaw) @ rotation([0, 1, 0], roll) @ rotation([1, 0, 0], pitch)


def unit(vector: ArrayLike) -> Array:
    """Scale a vector to length one."""
    array = np.asarray(vector, dtype=np.float64)
    return np.asarray(array / math.sqrt(array @ array))


def cross(first: Array, second: Array) -> Array:
    """Multiply two vectors crosswise; for single ones much quicker than `numpy.cross`."""
    a, b, c = first.tolist()
    x, y, z = second.tolist()
    return np.array([b * z - c * y, c * x - a * z, a * y - b * x])


def frame(direction: Array, hinge: Array) -> Array:
    """Make the right-handed frame whose first axis is `direction` and whose second lies towards `hinge`."""
    first = unit(direction)
    second = unit(hinge - first * (hinge @ first))
    return np.column_stack([first, second, cross(first, second)])


def bend_limb(root: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Place the middle joint of a limb of two bones (inverse kinematics by the law of cosines).

    Args:
        root: (3,) shoulder or hip, metres.
        target: (3,) where the wrist or ankle is wanted, not the root itself; what is out of reach is reached
            for.
        upper: Length of the first bone, metres.
        lower: Length of the second bone, metres.
        pole: (3,) direction in which the elbow or knee points, from the line between root and target.

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


def heads(parents: Sequence[int], rest_heads: Array, rotations: Mapping[int, Array]) -> tuple[Array, Array]:
    """Place every bone (forward kinematics from global rotations).

    Args:
        parents: Index of each bone's parent, which stands before it; the first is the root.
        rest_heads: (B, 3) joints at rest, metres.
        rotations: Global rotations of some bones, the root among them; the others move with their parents.

    Returns:
        Rotations float64 (B, 3, 3) and joints float64 (B, 3), with the root where it is at rest.
    """
    turned = np.empty((len(parents), 3, 3))
    placed = np.empty((len(parents), 3))
    for bone, parent in enumerate(parents):
        turned[bone] = rotations[bone] if bone in rotations else turned[parent]
        offset = turned[parent] @ (rest_heads[bone] - rest_heads[parent]) if bone else 0.0
        placed[bone] = placed[parent] + offset if bone else rest_heads[0]
    return turned, placed
