"""The terms of the reward: one function for each, with values in [0, 1].

Each works on arrays of many answers at once, and gives the value of every answer, joint or bone. Where a coordinate is
unknown (NaN), so is the value. No term has a cliff: near misses get different values, because the advantages of GRPO
are differences within a group, in which answers that all get 0 teach nothing (AP-GRPO, arXiv 2601.07695).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import BONES, INDEX, JOINTS

Floats: TypeAlias = NDArray[np.floating[Any]]
"""An array of float32 or float64."""

PointShape = Literal["rational", "exponential", "gaussian"]
"""How a reward falls with the distance; see `closeness`."""

_SIGMAS = {"hip": 0.107, "knee": 0.087, "ankle": 0.089, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062}
_SIGMAS |= {"neck": 0.079, "head": 0.079, "foot": 0.068, "collar": 0.079}
_SIGMAS |= {"pelvis": 0.107, "spine1": 0.107, "spine2": 0.107, "spine3": 0.107}
"""Standard deviations of human labels relative to the person's scale: the first row is COCO's; neck and head are as in
CrowdPose, the foot is the big toe of COCO-WholeBody. The collars take the value of the shoulders, and pelvis and spine
that of the hips, whose places inside the trunk are as hard to see."""

OKS_CONSTANTS: NDArray[np.float64] = np.array([2.0 * _SIGMAS[joint.split("_")[-1]] for joint in JOINTS])
"""COCO's constants k of the joints, (22,): twice the standard deviations of human labels."""

BONE_JOINTS: NDArray[np.int64] = np.array([[INDEX[parent], INDEX[child]] for parent, child in BONES])
"""Indices of both joints of each bone, (21, 2)."""

_SHORTEST, _TALLEST = 0.75 * 1.40, 1.10 * 2.10
"""Body heights, metres, that the shares of `_SEGMENTS` are multiplied by; see `BONE_LIMITS`."""

_SEGMENTS = {"elbow": 0.186, "wrist": 0.146, "knee": 0.245, "ankle": 0.246}
_LIMITS = {bone: (share * _SHORTEST, share * _TALLEST) for bone, share in _SEGMENTS.items()}
_LIMITS |= {"hip": (0.07, 0.18), "foot": (0.10, 0.22), "head": (0.06, 0.16), "neck": (0.17, 0.42)}
_LIMITS |= {"collar": (0.11, 0.34), "shoulder": (0.09, 0.22)}
_LIMITS |= {"spine1": (0.0, 0.17), "spine2": (0.10, 0.22), "spine3": (0.04, 0.14)}

BONE_LIMITS: NDArray[np.float64] = np.array([_LIMITS[child.split("_")[-1]] for _, child in BONES])
"""Smallest and largest length of each bone, (21, 2) metres.

Upper arm, forearm, thigh and shank are the shares of the body height of Drillis and Contini (1966; figure 4.1 in
Winter, Biomechanics and Motor Control of Human Movement), for adults of 1.40 to 2.10 m whose limbs are 25 % shorter to
10 % longer than that: joint centres differ between body models. That table has no bones between the joints of the trunk
and of the feet; theirs are the range over 12,000 synthetic people, widened towards SMPL. (Theirs has spine1 at the
pelvis.)
"""

_BONE_HALF_M = 0.05
"""Excess over a limit at which the reward of a bone is one half, metres: ten bins of the official space."""


def format_reward(
    is_valid: NDArray[np.bool_], named: NDArray[np.bool_], written: NDArray[np.bool_], asked: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the reward of the format: the share of the joints that are once in both blocks.

    It is |written and asked| / |named or asked|, 0 for an answer that the parser refuses, and 1 if there is no joint.
    So leaving out an asked joint costs as much as naming one twice or in one block only.

    Args:
        is_valid: (N,) whether the parser accepts the answer.
        named: (N, 22) whether the answer names the joint.
        written: (N, 22) whether it is once in both blocks, with coordinates or absent.
        asked: (N, 22) whether the joint must be in the answer: those of a question that names joints. For a free
            command, whose choice has a reward of its own, the joints that the answer names.

    Returns:
        (N,) in [0, 1].
    """
    right, all_joints = (written & asked).sum(axis=1), (named | asked).sum(axis=1)
    share = np.divide(right, all_joints, out=np.ones(len(right)), where=all_joints > 0)
    return np.asarray(np.where(is_valid, share, 0.0))


def choice_reward(
    is_valid: NDArray[np.bool_],
    named: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    absent: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    free: NDArray[np.bool_],
    person: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the reward of the choice of joints.

    For a free command it is the F1 score of the answer's joints A and the right ones B: 2 |A' and B| / (|A| + |B|),
    where A' are the joints of A with coordinates, and 1 if both sets are empty, as in Rex-Omni (arXiv 2510.12798). So
    right silence is worth 1, wrong silence and a joint of nobody 0, and a joint that is named without coordinates is
    no silence. For named joints it is the share that is answered if somebody is there, and absent if nobody is.

    Args:
        is_valid: (N,) whether the parser accepts the answer; otherwise the reward is 0.
        named: (N, 22) whether the answer names the joint.
        answered: (N, 22) whether the answer has the joint with coordinates.
        absent: (N, 22) whether the answer says that the joint is not there.
        wanted: (N, 22) whether the right answer has the joint.
        free: (N,) whether the model chooses the joints.
        person: (N,) whether the view shows a person.

    Returns:
        (N,) in [0, 1].
    """
    both, either = (answered & wanted).sum(axis=1), named.sum(axis=1) + wanted.sum(axis=1)
    f1 = np.divide(2.0 * both, either, out=np.ones(len(both)), where=either > 0)
    right = np.where(person[:, None], answered, absent) & wanted
    count = wanted.sum(axis=1)
    share = np.divide(right.sum(axis=1), count, out=np.ones(len(both)), where=count > 0)
    return np.asarray(np.where(is_valid, np.where(free, f1, share), 0.0))


def pixel_reward(distance_px: Floats, scale_px: Floats, constant: Floats) -> Floats:
    """Return the reward of a pixel, COCO's similarity of keypoints: exp(-d² / (2 s² k²)).

    COCO (https://cocodataset.org/#keypoints-eval) takes for s² the area of the person; the box around the joints, of
    which the person fills about half and over which they reach out, is about as large.

    Args:
        distance_px: Distance d between the answer and the truth, px.
        scale_px: Scale s of the person, px.
        constant: Constant k of the joint (`OKS_CONSTANTS`).

    Returns:
        The rewards in [0, 1], of the shape to which the arguments are broadcast.
    """
    return np.asarray(np.exp(-np.square(distance_px / (scale_px * constant)) / 2.0))


def projection_reward(
    pixels: Floats,
    projected: Floats,
    size: Floats,
    scale_px: Floats,
) -> Floats:
    """Return the reward of the agreement of 2D and 3D: `pixel_reward` of the pixel and of the point's projection.

    The agreement by reprojection is as in GRCA (arXiv 2604.21160), the form that of the pixel. A projection beyond the
    edge of the view is moved to the edge, where the answer's pixel must then be, too.

    Args:
        pixels: (N, 22, 2) px of the answer.
        projected: (N, 22, 2) projections of the answer's points, px.
        size: (N, 2) width and height of the view, px.
        scale_px: (N,) scale of the person, px.

    Returns:
        (N, 22) in [0, 1].
    """
    seen = np.clip(projected, 0.0, size[:, None])
    return pixel_reward(np.linalg.norm(pixels - seen, axis=-1), scale_px[:, None], OKS_CONSTANTS)


def closeness(distance_m: Floats, shape: PointShape, half_m: float) -> Floats:
    """Return the reward of a distance in metres; each shape is 1 at 0 and 1/2 at the same distance h.

    - `rational`: 1 / (1 + (d / h)²), the robust kernel of Geman and McClure (1985), falls as d^-2. It is flat where
      the answer is right to within the quantization, and keeps a slope at errors of a metre, where a new policy is.
    - `exponential`: 2^(-d / h) has the steepest slope at 0, so it rewards the last centimetres most.
    - `gaussian`: 2^(-(d / h)²), the form of the pixel, is below 0.001 from 3.2 h on: far answers are all alike.

    Args:
        distance_m: Distances d, metres.
        shape: The function.
        half_m: The distance h at which the reward is one half, metres.

    Returns:
        The rewards in [0, 1].
    """
    relative = distance_m / half_m
    if shape == "exponential":
        return np.asarray(np.exp2(-relative))
    if shape == "gaussian":
        return np.asarray(np.exp2(-np.square(relative)))
    return np.asarray(1.0 / (1.0 + np.square(relative)))


def point_reward(points: Floats, true: Floats, shape: PointShape, half_m: float) -> Floats:
    """Return the reward of a point: `closeness` of its distance to the truth.

    Args:
        points: (..., 3) metres, points of the answer.
        true: (..., 3) metres, true points.
        shape: The function.
        half_m: The distance with the reward 1/2, metres.

    Returns:
        (...) in [0, 1].
    """
    return closeness(np.linalg.norm(points - true, axis=-1), shape, half_m)


def root_depth_reward(depth: Floats, true: Floats, shape: PointShape, half_m: float) -> Floats:
    """Return the reward of the depth of the root: `closeness` of the difference of z.

    All joints share this error, and it is most of the error of a model of one camera, so it has a term of its own
    besides that of the point.

    Args:
        depth: (...) z of the answer's root, metres.
        true: (...) true z, metres.
        shape: The function.
        half_m: The difference with the reward 1/2, metres.

    Returns:
        (...) in [0, 1].
    """
    return closeness(np.abs(depth - true), shape, half_m)


def bone_reward(points: Floats) -> Floats:
    """Return the reward of the lengths of bones: 1 within human limits, and 1 / (1 + (e / 5 cm)²) outside.

    The excess e is that over the largest length or below the smallest. At the limits the value and the slope are
    continuous.

    Args:
        points: (N, 22, 3) metres, points of the answer.

    Returns:
        (N, 21) in [0, 1], for the bones of `BONE_JOINTS`; NaN where either joint is.
    """
    ends = points[:, BONE_JOINTS]
    length = np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=-1)
    shortest, longest = BONE_LIMITS.T
    excess = np.maximum(np.maximum(shortest - length, length - longest), 0.0)
    return closeness(excess, "rational", _BONE_HALF_M)
