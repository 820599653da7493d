"""The 22 joints of the skeleton from BlazePose's 33 landmarks.

Most joints are landmarks. The others lie between landmarks, and are weighted means of them. The weights were fitted to
synthetic people, whose 22 joints are known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.mediapipe.landmarks import NAMES, NUMBER
from taihri_ros.skeleton import INDEX, JOINTS

_ALONG_TRUNK = {"pelvis": 0.05, "spine1": 0.05, "spine2": 0.34, "spine3": 0.5, "neck": 1.1}
"""Place of each joint of the trunk on the line from the middle of the hips (0) to that of the shoulders (1)."""

_OF_SIDE = {
    "hip": {"hip": 1.0},
    "knee": {"knee": 0.95, "hip": 0.05},
    "ankle": {"ankle": 0.7, "heel": 0.3},
    "foot": {"toe": 0.82, "ankle": 0.18},
    "shoulder": {"shoulder": 1.0},
    "elbow": {"elbow": 1.0},
    "wrist": {"wrist": 0.9, "elbow": 0.1},
}
"""Weights of the landmarks of the same side, by joint."""

_COLLAR = {"shoulder": 0.53, "other shoulder": 0.39, "hips": 0.08}
_HEAD = {"ears": 0.86, "shoulders": 0.14}
"""Weights of the landmarks of both sides, for the collars and for the head."""


def _weights() -> NDArray[np.float64]:
    """Return the weights of the landmarks, (22, 33); each row sums to 1."""
    weights = np.zeros((len(JOINTS), len(NAMES)))

    def add(joint: str, landmarks: tuple[str, ...], weight: float) -> None:
        for landmark in landmarks:
            weights[INDEX[joint], NUMBER[landmark]] += weight / len(landmarks)

    def both(part: str) -> tuple[str, str]:
        return f"left_{part}", f"right_{part}"

    for joint, place in _ALONG_TRUNK.items():
        add(joint, both("hip"), 1.0 - place)
        add(joint, both("shoulder"), place)
    add("head", both("ear"), _HEAD["ears"])
    add("head", both("shoulder"), _HEAD["shoulders"])
    for side, other in (("left", "right"), ("right", "left")):
        add(f"{side}_collar", (f"{side}_shoulder",), _COLLAR["shoulder"])
        add(f"{side}_collar", (f"{other}_shoulder",), _COLLAR["other shoulder"])
        add(f"{side}_collar", both("hip"), _COLLAR["hips"])
        for part, rule in _OF_SIDE.items():
            for landmark, weight in rule.items():
                add(f"{side}_{part}", (f"{side}_{landmark}",), weight)
    return weights


WEIGHTS = _weights()
"""(22, 33) weights of the landmarks; a row for each joint of the skeleton."""
