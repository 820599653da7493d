"""The simulated arm and its controller: it gets there, keeps its distance, and stops."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reaching import NOW, SHOULDER, body_joints, command, keypoints, person
from required import require

from taihri_ros.keypoints import State
from taihri_ros.skeleton import INDEX

DT = 0.04
PATIENCE_S = 4.0
HAND = ("right_elbow", "right_wrist")
STANDING = person()
Joints = Callable[[float], NDArray[np.float64]]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    require(find_spec("mujoco") and find_spec("mink"), "mujoco or mink", "pip install '.[arm]'")


def run(
    text: str, names: tuple[str, ...], seconds: float, joints: Joints = lambda _: STANDING, until: str = "reached"
) -> tuple[list[str], list[float], Any]:
    """Run arm and controller on true joints at 8 Hz; return statuses and distances from limbs that are not touched."""
    from taihri_ros.demo.arm_node import arm_and_controller

    arm, planner, controller = arm_and_controller()
    planner.on_command(command(text))
    statuses, distances = [], []
    for step in range(round(seconds / DT)):
        now = NOW + step * DT
        if step % 3 == 0:
            planner.on_person(keypoints(joints(now - NOW), *names, at=now))
            planner.on_body(body_joints(joints(now - NOW), at=now))
        statuses.append(controller.step(now))
        touched = getattr(planner.decide(now), "touched", ())
        distances.append(arm.distance([limb for limb in planner.limbs(now) if limb.first not in touched]))
        if statuses[-1].startswith(until):
            break
    return statuses, distances, arm


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shake my hand", ("right_elbow", "right_wrist")),
        ("hand me the cup", ("left_wrist", "right_wrist")),
        ("pat my shoulder", ("left_shoulder",)),
        ("give me a hug", ("spine3", "left_shoulder", "right_shoulder")),
        ("point at my head", ("head",)),
    ],
)
def test_it_gets_there_and_keeps_its_distance(text: str, names: tuple[str, ...]) -> None:
    joints = person(is_hand_held_out="hand" in text)
    statuses, distances, arm = run(text, names, 10.0, lambda _: joints)
    assert statuses[-1].startswith("reached"), statuses[-1]
    assert min(distances) >= 0.1
    farthest = np.linalg.norm(arm.tip - SHOULDER)
    assert 0.5 < farthest <= arm.reach


def test_the_tip_is_at_the_wrist_that_moves() -> None:
    def sways(seconds: float) -> NDArray[np.float64]:
        return STANDING + np.array([0.1 * np.sin(0.7 * seconds), 0.0, 0.05 * np.sin(0.5 * seconds)])

    statuses, distances, arm = run("shake my hand", ("right_elbow", "right_wrist"), 12.0, sways)
    assert statuses[-1] == "reached: shake right_wrist"
    assert np.linalg.norm(arm.tip - sways(DT * len(statuses))[INDEX["right_wrist"]]) < 0.04
    assert min(distances) >= 0.1


def test_somebody_who_comes_near_stops_it() -> None:
    def raises_the_other_hand(seconds: float) -> NDArray[np.float64]:
        joints = STANDING.copy()
        if seconds > 1.0:  # into the place of the forearm
            joints[INDEX["left_elbow"]], joints[INDEX["left_wrist"]] = (0.25, 0.2, 1.0), (0.2, 0.3, 0.7)
        return joints

    statuses, _, _ = run("point at my head", ("head",), 3.0, raises_the_other_hand, until="stopped: too near")
    assert statuses[-1].startswith("stopped: too near: "), statuses[-1]
    assert any(status == "reaches: point head" for status in statuses)


def test_it_goes_on_when_somebody_who_was_too_near_for_long_steps_back() -> None:
    def lifts_a_hand_for_long(seconds: float) -> NDArray[np.float64]:
        joints = person(is_hand_held_out=False)
        if 1.0 < seconds < 7.0:
            joints[INDEX["left_elbow"]], joints[INDEX["left_wrist"]] = (0.25, 0.2, 1.0), (0.2, 0.3, 0.7)
        return np.asarray(joints + np.array([0.0, 0.0, 0.05])) if seconds >= 7.0 else joints

    statuses, _, _ = run("point at my head", ("head",), 15.0, lifts_a_hand_for_long)
    assert sum(status.startswith("stopped: too near") for status in statuses) * DT > PATIENCE_S
    assert statuses[-1] == "reached: point head"


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        ("stop", "stop: no command runs"),
        ("nobody", "nobody is in view"),
        ("no more images", "stale: the newest image is"),
        ("not found", "missing: right_elbow: confidence 0.1 is below 0.3; right_wrist: confidence"),
        ("unsure", "unsure: the standard deviation of right_wrist is 0.30 m"),
        ("steps back", "unreachable: right_wrist needs 1."),
        ("lowers the hand", "waits: no hand is held out"),
        ("positions that are no numbers", "missing: the joints of this command"),
    ],
)
def test_it_stands_still_and_says_why(happens: str, reason: str) -> None:
    from taihri_ros.demo.arm_node import arm_and_controller

    arm, planner, controller = arm_and_controller()
    planner.on_command(command("shake my hand"))
    statuses, angles = [], []
    for step in range(100):
        now = NOW + step * DT
        joints, deviation_m, missing = STANDING, 0.002, None
        if step == 25:
            assert statuses[-1] == "reaches: shake right_wrist"
            assert np.abs(angles[-1] - angles[-2]).max() > 0.001, "it moves"
        if step >= 25:
            if happens == "stop":
                planner.on_command(command(""))
            elif happens == "nobody":
                missing = dict.fromkeys(HAND, (State.NOBODY, "no person"))
            elif happens == "not found":
                missing = dict.fromkeys(HAND, (State.LOW_CONFIDENCE, "confidence 0.1 is below 0.3"))
            elif happens == "unsure":
                deviation_m = 0.3
            elif happens == "steps back":
                joints = STANDING + np.array([0.0, 0.0, 1.0])
            elif happens == "lowers the hand":
                joints = person(is_hand_held_out=False)
            elif happens == "positions that are no numbers":
                joints = np.full_like(STANDING, np.nan)
        if step < 25 or happens != "no more images":
            names = () if missing else HAND
            planner.on_person(keypoints(joints, *names, at=now, deviation_m=deviation_m, missing=missing))
            planner.on_body(body_joints(joints, at=now))
        statuses.append(controller.step(now))
        angles.append(arm.angles)
    assert statuses[-1].startswith(f"stopped: {reason}"), statuses[-1]
    first = next(number for number, status in enumerate(statuses) if status.startswith(f"stopped: {reason}"))
    assert first < 45, "within the time in which an image becomes stale"
    assert np.ptp(angles[first - 1 :], axis=0).max() == 0.0


def test_what_is_in_the_way_for_long_makes_the_goal_unreachable_until_the_person_moves() -> None:
    moved_at: list[float] = []

    def covers_the_face_then_moves(seconds: float) -> NDArray[np.float64]:
        joints = person(is_hand_held_out=False)
        if not moved_at or seconds < moved_at[0]:
            joints[[INDEX["left_elbow"], INDEX["left_wrist"]]] = (-0.1, -0.25, 1.2), (0.15, -0.2, 1.05)
            return joints
        return np.asarray(joints + np.array([0.15, 0.0, 0.0]))

    statuses, distances, _ = run(
        "point at my head", ("head",), 20.0, covers_the_face_then_moves, until="stopped: unreachable"
    )
    assert statuses[-1].startswith("stopped: unreachable: the arm came no nearer than"), statuses[-1]
    assert min(distances) >= 0.1
    moved_at.append(DT * len(statuses))
    statuses, _, _ = run("point at my head", ("head",), 40.0, covers_the_face_then_moves)
    assert any(status.startswith("stopped: unreachable") for status in statuses)
    assert statuses[-1] == "reached: point head"
