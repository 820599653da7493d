"""The angles of REP-155's joints pose the model like the body."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from posed_bodies import bent, placed_links, posed, random_body

from taihri_ros.body.kinematics import exponential
from taihri_ros.node.ros4hri.human_model import SIDES, HumanSize
from taihri_ros.node.ros4hri.joint_angles import joint_angles, shoulder_angles
from taihri_ros.skeleton import INDEX

USUAL = posed()
SIZE = HumanSize.of(USUAL)
REP_155 = {
    "waist", "r_head", "y_head", "p_head",
    *(f"{side}_{joint}" for side in "lr" for joint in
      ("y_shoulder", "p_shoulder", "r_shoulder", "elbow", "y_hip", "p_hip", "r_hip", "knee")),
}  # fmt: skip


def changes(bone: str, vector: tuple[float, float, float]) -> dict[str, float]:
    """Return the angles that change by more than 0.05 rad when a bone is turned."""
    usual, turned = joint_angles(USUAL, SIZE), joint_angles(bent(bone, vector), SIZE)
    return {name: turned[name] - usual[name] for name in usual if abs(turned[name] - usual[name]) > 0.05}


def about(axis: str, angle: float) -> NDArray[np.float64]:
    return exponential(angle * np.eye(3)["xyz".index(axis)][None])[0]


def test_the_angles_are_those_of_rep_155_and_two_of_the_trunk() -> None:
    assert set(joint_angles(USUAL, SIZE)) == REP_155 | {"r_waist", "y_waist"}


def test_the_links_are_at_the_joints_of_the_body() -> None:
    rng = np.random.default_rng(5)
    errors: dict[str, list[float]] = {}
    for body in (random_body(rng) for _ in range(100)):
        links = placed_links(body)
        for letter, (side, _) in SIDES.items():
            for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
                error = links[f"{letter}_{joint}"] - body.joints[INDEX[f"{side}_{joint}"]]
                errors.setdefault(joint, []).append(float(np.linalg.norm(error)))
        errors.setdefault("head", []).append(float(np.linalg.norm(links["head"] - body.joints[INDEX["head"]])))
    assert max(errors["hip"] + errors["knee"]) < 1e-6
    assert max(errors["ankle"]) < 0.025
    assert {joint for joint, values in errors.items() if np.median(values) > 0.025} == set()
    assert {joint for joint, values in errors.items() if np.quantile(values, 0.95) > 0.07} == set()


@pytest.mark.parametrize(
    ("bone", "vector", "joint", "expected"),
    [
        ("left_elbow", (0.0, -0.5 / 0.738, 0.0), "l_elbow", 0.5),
        ("right_knee", (0.0, 0.5 / 0.99, 0.0), "r_knee", -0.5),
        ("left_hip", (0.0, -0.5, 0.0), "l_r_hip", 0.5),
        ("spine1", (0.0, 0.3, 0.0), "waist", 0.3),
        ("spine1", (0.3, 0.0, 0.0), "r_waist", 0.3),
        ("spine1", (0.0, 0.0, 0.3), "y_waist", 0.3),
        ("neck", (0.0, 0.3, 0.0), "p_head", -0.3),
        ("neck", (0.3, 0.0, 0.0), "r_head", 0.3),
    ],
)
def test_each_joint_turns_as_in_human_description(
    bone: str, vector: tuple[float, float, float], joint: str, expected: float
) -> None:
    changed = changes(bone, vector)
    assert changed.pop(joint) == pytest.approx(expected, abs=0.06)
    assert not {name for name in changed if "shoulder" not in name and "hip" not in name and "elbow" not in name}


def test_both_sides_of_a_symmetric_pose_have_the_same_angles() -> None:
    angles = joint_angles(USUAL, SIZE)
    for joint in ("y_shoulder", "p_shoulder", "r_shoulder", "elbow", "p_hip", "r_hip", "knee"):
        assert angles[f"l_{joint}"] == pytest.approx(angles[f"r_{joint}"], abs=0.02)
    assert angles["l_y_hip"] == pytest.approx(-angles["r_y_hip"], abs=0.02), "human_description mirrors it not"
    assert angles["r_waist"] == pytest.approx(angles["y_waist"], abs=0.01)
    assert angles["l_p_shoulder"] > 0.1, "the arm is away from the body"


@pytest.mark.parametrize("left", [1.0, -1.0])
def test_the_angles_of_the_shoulder_give_its_rotation(left: float) -> None:
    rng = np.random.default_rng(2)
    rotations = [*exponential(rng.normal(scale=1.5, size=(200, 3))), np.eye(3), about("z", 0.4)]
    rotations += [about("x", np.pi), about("x", np.pi) @ about("z", 0.4)]
    for rotation in rotations:
        y, p, r = shoulder_angles(rotation, left)
        again = about("z", -left * y) @ about("x", left * p) @ about("z", left * r)
        np.testing.assert_allclose(again, rotation, atol=1e-6)
        assert abs(y) <= np.pi / 2 or p > 0.4
    assert shoulder_angles(np.eye(3), left) == (0.0, 0.0, 0.0)


def test_what_no_keypoint_shows_is_left_out() -> None:
    wrist, ankle = posed(unseen=("left_wrist",)), posed(unseen=("right_ankle", "right_foot"))
    assert REP_155 - set(joint_angles(wrist, SIZE)) == {"l_elbow"}
    assert REP_155 - set(joint_angles(ankle, SIZE)) == {"r_knee"}
    arm = joint_angles(posed(unseen=("left_elbow", "left_wrist")), SIZE)
    assert REP_155 - set(arm) == {"l_y_shoulder", "l_p_shoulder", "l_r_shoulder", "l_elbow"}
    assert REP_155 - set(joint_angles(posed(unseen=("head",)), SIZE)) == {"r_head", "y_head", "p_head"}
    arms = tuple(f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist"))
    legs_only = joint_angles(posed(unseen=arms), SIZE)
    assert {name[2:] for name in legs_only} == {"y_hip", "p_hip", "r_hip", "knee"}
    assert "l_wrist" not in placed_links(wrist)
    assert "l_shoulder" in placed_links(wrist)
