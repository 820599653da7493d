"""The simulated arm and its controller: it gets there, keeps its distance, and stops."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reaching import NOW, SHOULDER, body_joints, keypoints, person, planning
from required import require

from taihri_ros.skeleton import INDEX

DT = 0.04
STANDING = person()
Joints = Callable[[float], NDArray[np.float64]]


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    require(find_spec("mujoco") and find_spec("mink"), "mujoco or mink", "pip install 'taihri_ros[arm]'")


def run(
    text: str, names: tuple[str, ...], seconds: float, joints: Joints = lambda _: STANDING, until: str = "reached"
) -> tuple[list[str], list[float], Any]:
    """Run arm and controller on true joints at 8 Hz; return statuses and distances from limbs that are not touched."""
    from reach import KEPT, Controller

    from taihri_ros.demo.simulated_arm import SimulatedArm

    arm = SimulatedArm(kept_m=KEPT + 0.03)
    planner = planning.Planner(arm.shoulder, arm.reach)
    planner.on_command(SimpleNamespace(text=text))
    controller, statuses, distances = Controller(planner, arm), [], []
    for step in range(round(seconds / DT)):
        now = NOW + step * DT
        if step % 3 == 0:
            planner.on_person(keypoints(joints(now - NOW), *names, at=now))
            planner.on_body(body_joints(joints(now - NOW), at=now))
        statuses.append(controller.step(now, DT))
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


def test_what_is_in_the_way_for_long_makes_the_goal_unreachable() -> None:
    joints = STANDING.copy()
    joints[[INDEX["left_elbow"], INDEX["left_wrist"]]] = (-0.1, -0.25, 1.2), (0.15, -0.2, 1.05)  # before the face
    statuses, distances, _ = run("point at my head", ("head",), 20.0, lambda _: joints, until="stopped: ")
    assert statuses[-1].startswith("stopped: unreachable: the arm came no nearer than"), statuses[-1]
    assert min(distances) >= 0.1
