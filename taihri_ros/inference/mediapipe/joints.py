"""The 22 joints of the skeleton from BlazePose's 33 landmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taihri_ros.skeleton import INDEX, JOINTS

_RULES: dict[str, dict[int, float]] = {
    "pelvis": {23: 0.5, 24: 0.5},
    "left_hip": {23: 1.0},
    "right_hip": {24: 1.0},
    "spine1": {23: 0.4, 24: 0.4, 11: 0.1, 12: 0.1},
    "left_knee": {25: 1.0},
    "right_knee": {26: 1.0},
    "spine2": {23: 0.275, 24: 0.275, 11: 0.225, 12: 0.225},
    "left_ankle": {27: 1.0},
    "right_ankle": {28: 1.0},
    "spine3": {23: 0.225, 24: 0.225, 11: 0.275, 12: 0.275},
    "left_foot": {31: 1.0},
    "right_foot": {32: 1.0},
    "neck": {11: 0.4, 12: 0.4, 7: 0.1, 8: 0.1},
    "left_collar": {11: 0.6, 12: 0.4},
    "right_collar": {11: 0.4, 12: 0.6},
    "head": {7: 0.5, 8: 0.5},
    "left_shoulder": {11: 1.0},
    "right_shoulder": {12: 1.0},
    "left_elbow": {13: 1.0},
    "right_elbow": {14: 1.0},
    "left_wrist": {15: 1.0},
    "right_wrist": {16: 1.0},
}
"""Weights of the landmarks for each joint."""

LANDMARKS = 33


def _weights() -> NDArray[np.float64]:
    weights = np.zeros((len(JOINTS), LANDMARKS))
    for joint, rule in _RULES.items():
        for landmark, weight in rule.items():
            weights[INDEX[joint], landmark] = weight
    return weights


WEIGHTS = _weights()
"""(22, 33) weights; a row for each joint of the skeleton."""
