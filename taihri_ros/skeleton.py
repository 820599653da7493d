"""The 22 joints that the model knows: their names, tokens and body parts, and the bones between them.

They are the first 22 joints of the SMPL body model (Loper et al., 2015), in its order.
"""

from __future__ import annotations

JOINTS = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)
"""Joint names; the position in this tuple is the joint's SMPL index."""

INDEX = {name: index for index, name in enumerate(JOINTS)}
"""SMPL index by joint name."""

_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)

BONES = tuple((JOINTS[parent], JOINTS[child]) for child, parent in enumerate(_PARENTS) if parent >= 0)
"""Pairs (parent, child) of SMPL's kinematic tree."""

PARTS = {
    "left_arm": ("left_shoulder", "left_elbow", "left_wrist"),
    "right_arm": ("right_shoulder", "right_elbow", "right_wrist"),
    "upper_body": ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    "lower_body": ("left_hip", "right_hip", "left_knee", "right_knee"),
}
"""The joint sets that TAIHRI (arXiv 2604.08921) evaluates."""


def joint_token(name: str) -> str:
    """Return the special token of a joint, such as `<|left_wrist|>`."""
    return f"<|{name}|>"


def in_order(names: set[str] | frozenset[str]) -> tuple[str, ...]:
    """Return joint names sorted by their SMPL index, the order used in prompts and answers."""
    return tuple(sorted(names, key=INDEX.__getitem__))
