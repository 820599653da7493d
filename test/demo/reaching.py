"""The modules of examples/reach, a person who holds out a hand, and the messages about them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from required import ROOT

from taihri_ros.keypoints import State
from taihri_ros.skeleton import INDEX, JOINTS

sys.path.insert(0, str(ROOT / "examples" / "reach"))
import planning

NOW = 1_000.0
SHOULDER, REACH = np.array([0.2, 0.45, 0.2]), 1.3

_RIGHT = {
    "hip": (-0.1, 0.4, 1.45),
    "knee": (-0.1, 0.8, 1.45),
    "ankle": (-0.1, 1.2, 1.45),
    "foot": (-0.1, 1.25, 1.3),
    "collar": (-0.05, -0.18, 1.45),
    "shoulder": (-0.18, -0.15, 1.45),
    "elbow": (-0.25, 0.1, 1.45),
    "wrist": (-0.27, 0.33, 1.42),
}
_MIDDLE = {
    "pelvis": (0.0, 0.35, 1.45),
    "spine1": (0.0, 0.22, 1.45),
    "spine2": (0.0, 0.1, 1.45),
    "spine3": (0.0, 0.0, 1.45),
    "neck": (0.0, -0.22, 1.45),
    "head": (0.0, -0.3, 1.42),
}


def person(*, is_hand_held_out: bool = True) -> NDArray[np.float64]:
    """Return the joints (22, 3) of somebody who stands 1.35 m before the camera; the right hand may be held out."""
    joints = np.zeros((len(JOINTS), 3))
    for name, place in _MIDDLE.items():
        joints[INDEX[name]] = place
    for name, place in _RIGHT.items():
        joints[INDEX[f"right_{name}"]] = place
        joints[INDEX[f"left_{name}"]] = np.array(place) * [-1.0, 1.0, 1.0]
    if is_hand_held_out:
        joints[INDEX["right_elbow"]], joints[INDEX["right_wrist"]] = (-0.22, 0.1, 1.3), (-0.12, 0.12, 1.05)
    return np.asarray(joints - np.array([0.0, 0.0, 0.1]))


def header(seconds: float) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=int(seconds), nanosec=round(seconds % 1.0 * 1e9))
    return SimpleNamespace(stamp=stamp, frame_id="camera")


def point(place: NDArray[np.float64]) -> SimpleNamespace:
    return SimpleNamespace(**dict(zip("xyz", place.tolist(), strict=True)))


def keypoints(
    joints: NDArray[np.float64],
    *names: str,
    at: float = NOW,
    deviation_m: float = 0.002,
    missing: dict[str, tuple[State, str]] | None = None,
) -> Any:
    """Return what the planner reads of a taihri_ros/HumanKeypoints."""
    covariance = (deviation_m**2 * np.eye(3)).ravel()
    found = [
        SimpleNamespace(name=name, state=0, reason="", position=point(joints[INDEX[name]]), covariance=covariance)
        for name in names
    ]
    lost = [
        SimpleNamespace(name=name, state=int(state), reason=reason, position=point(np.full(3, np.nan)), covariance=())
        for name, (state, reason) in (missing or {}).items()
    ]
    return SimpleNamespace(header=header(at), keypoints=found + lost)


def body_joints(joints: NDArray[np.float64], *, at: float = NOW, deviation_m: float = 0.002) -> Any:
    """Return what the planner reads of a taihri_ros/BodyJoints with all joints."""
    poses = [SimpleNamespace(position=point(joint)) for joint in joints]
    deviations = np.full(len(JOINTS), deviation_m)
    return SimpleNamespace(header=header(at), names=list(JOINTS), poses=poses, standard_deviations=deviations)


def command(text: str, *joints: str) -> SimpleNamespace:
    """Return what the planner reads of a taihri_ros/ActiveCommand; by default it needs every joint."""
    return SimpleNamespace(text=text, joints=list(joints or JOINTS))


def planner(text: str, **options: Any) -> planning.Planner:
    """Return a planner that was told something."""
    made = planning.Planner(SHOULDER, REACH, **options)
    made.on_command(command(text))
    return made
