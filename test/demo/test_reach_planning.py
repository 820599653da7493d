"""What the arm of examples/reach is to do: goals for the hand, and stops with their reasons."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from reaching import NOW, SHOULDER, body_joints, command, keypoints, person, planner, planning
from required import ROOT

from taihri_ros.keypoints import State
from taihri_ros.skeleton import INDEX

JOINTS = person()
WRIST, ELBOW = JOINTS[INDEX["right_wrist"]], JOINTS[INDEX["right_elbow"]]
FOREARM = (WRIST - ELBOW) / np.linalg.norm(WRIST - ELBOW)
ARM = ("right_elbow", "right_wrist")


def goal(text: str, *names: str, deviation_m: float = 1e-12) -> planning.Goal:
    told = planner(text)
    told.on_person(keypoints(JOINTS, *names, deviation_m=deviation_m))
    told.on_body(body_joints(JOINTS))
    decided = told.decide(NOW + 0.1)
    assert isinstance(decided, planning.Goal), decided
    return decided


def reason(told: planning.Planner, now: float = NOW + 0.1) -> str:
    decided = told.decide(now)
    assert isinstance(decided, planning.Stop), decided
    return decided.reason


def test_the_example_is_short_enough_to_be_copied() -> None:
    files = list((ROOT / "examples" / "reach").glob("*.py"))
    assert len(files) == 3
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 300


def test_a_hand_is_shaken_at_the_wrist_along_the_forearm() -> None:
    shaken = goal("shake my hand", *ARM)
    np.testing.assert_allclose(shaken.position, WRIST)
    np.testing.assert_allclose(shaken.approach, -FOREARM)
    assert shaken.touched == ("right_elbow",)


def test_an_object_is_held_before_the_palm() -> None:
    given = goal("hand me the cup", "left_wrist", "right_wrist")
    np.testing.assert_allclose(given.position, WRIST + 0.18 * FOREARM)


def test_an_object_is_held_before_a_wrist_whose_elbow_is_not_known() -> None:
    told = planner("hand me the cup")
    told.on_person(keypoints(JOINTS, "right_wrist", deviation_m=1e-12))
    given = told.decide(NOW)
    assert isinstance(given, planning.Goal)
    np.testing.assert_allclose(given.position + 0.18 * given.approach, WRIST)
    np.testing.assert_allclose(np.cross(given.approach, WRIST - SHOULDER), 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "name", "before_m"),
    [
        ("give me a hug", "spine3", 0.45),
        ("point at my head", "head", 0.35),
    ],
)
def test_the_tip_points_at_the_joint_from_before_it(text: str, name: str, before_m: float) -> None:
    found, joint = goal(text, name), JOINTS[INDEX[name]]
    np.testing.assert_allclose(found.position + before_m * found.approach, joint, atol=1e-9)
    np.testing.assert_allclose(np.cross(found.approach, joint - SHOULDER), 0.0, atol=1e-12)


def test_a_shoulder_is_patted_on_the_outside() -> None:
    patted, shoulder = goal("pat my shoulder", "left_shoulder"), JOINTS[INDEX["left_shoulder"]]
    outside = patted.position + 0.07 * patted.approach - shoulder
    np.testing.assert_allclose(np.linalg.norm(outside), 0.06)
    assert outside[0] > 0.05, "the person's left"
    assert "head" not in patted.touched


def test_the_distance_grows_with_the_uncertainty_along_the_approach() -> None:
    sure, unsure = (goal("point at my head", "head", deviation_m=deviation) for deviation in (1e-12, 0.05))
    np.testing.assert_allclose(sure.position - unsure.position, 2.0 * 0.05 * sure.approach)


def test_limbs_are_thicker_the_less_sure_they_are() -> None:
    told = planner("shake my hand")
    told.on_body(body_joints(JOINTS, deviation_m=0.01))
    sure = {limb.first + str(limb.end): limb.radius for limb in told.limbs(NOW)}
    told.on_body(body_joints(JOINTS, deviation_m=0.06))
    unsure = {limb.first + str(limb.end): limb.radius for limb in told.limbs(NOW)}
    assert len(sure) == len(planning.LIMBS)
    np.testing.assert_allclose([unsure[name] - radius for name, radius in sure.items()], 2.0 * 0.05)
    assert told.limbs(NOW + 1.0) == []


def test_the_side_stays_the_same_until_the_other_is_much_nearer() -> None:
    told = planner("point at my wrist")
    for nearer_m, chosen in ((0.1, "right_wrist"), (-0.1, "right_wrist"), (-0.3, "left_wrist")):
        joints = JOINTS.copy()
        joints[INDEX["left_wrist"]] = SHOULDER + (np.linalg.norm(WRIST - SHOULDER) + nearer_m) * np.array(
            [0.0, 0.0, 1.0]
        )
        told.on_person(keypoints(joints, "left_wrist", "right_wrist"))
        decided = told.decide(NOW)
        assert isinstance(decided, planning.Goal)
        assert decided.name == f"point {chosen}"


def test_without_a_command_and_after_stop_it_stands_still() -> None:
    told = planner("")
    assert reason(told) == "stop: no command runs"
    told.on_command(command("shake my hand"))
    told.on_person(keypoints(JOINTS, *ARM))
    assert isinstance(told.decide(NOW), planning.Goal)
    told.on_command(command(""))
    assert reason(told) == "stop: no command runs"


def test_a_new_command_waits_for_its_own_answer() -> None:
    told = planner("shake my hand")
    told.on_person(keypoints(JOINTS, *ARM))
    told.on_command(command("point at my head"))
    assert reason(told) == "no answer yet"


def test_an_answer_to_the_command_before_moves_nothing() -> None:
    told = planner("shake my hand")
    told.on_command(command("pat my shoulder", "left_shoulder", "right_shoulder"))
    told.on_person(keypoints(JOINTS, *ARM))
    assert reason(told) == "missing: the joints of this command"


@pytest.mark.parametrize("text", ["take my temperature", "take my hand"])
def test_words_without_a_motion_move_nothing(text: str) -> None:
    assert reason(planner(text)) == f"no motion is known for {text!r}"


@pytest.mark.parametrize(
    ("text", "motion"),
    [
        ("hand me the tape", "hand over"),
        ("hand me the huge patch", "hand over"),
        ("pass me the pointer", "hand over"),
        ("Give me a handshake", "shake"),
        ("give me a hug", "hug"),
        ("give my shoulder a pat", "pat"),
    ],
)
def test_motions_are_whole_words(text: str, motion: str) -> None:
    assert goal(text, "right_elbow", "right_wrist", "spine3").name.startswith(motion)


def test_nobody_stops_it() -> None:
    told = planner("shake my hand")
    told.on_person(keypoints(JOINTS, *ARM))
    told.on_person(keypoints(JOINTS, missing=dict.fromkeys(ARM, (State.NOBODY, "no person")), at=NOW + 0.1))
    assert reason(told, NOW + 0.1) == "nobody is in view"


def test_stale_images_stop_it() -> None:
    told = planner("shake my hand", max_age=0.5)
    told.on_person(keypoints(JOINTS, *ARM))
    assert isinstance(told.decide(NOW + 0.49), planning.Goal)
    assert reason(told, NOW + 0.7) == "stale: the newest image is 0.7 s old"


@pytest.mark.parametrize("ahead_s", [-0.7, 0.7])
def test_a_camera_whose_clock_is_wrong_is_stale(ahead_s: float) -> None:
    told = planner("shake my hand")
    told.on_person(keypoints(JOINTS, *ARM, at=NOW + ahead_s))
    assert reason(told, NOW) == f"stale: the newest image is {-ahead_s:.1f} s old"


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_position_that_is_no_number_is_no_goal_and_no_limb(wrong: float) -> None:
    told, joints = planner("shake my hand"), JOINTS.copy()
    joints[INDEX["right_wrist"]] = wrong
    told.on_person(keypoints(joints, *ARM))
    told.on_body(body_joints(joints))
    assert reason(told) == "missing: the joints of this command"
    assert all(np.isfinite([*limb.start, *limb.end, limb.radius]).all() for limb in told.limbs(NOW))


def test_limbs_of_a_message_with_too_few_poses_are_those_that_it_has() -> None:
    told, message = planner("shake my hand"), body_joints(JOINTS)
    del message.poses[INDEX["head"] :]
    told.on_body(message)
    assert len(told.limbs(NOW)) > 5
    assert "head" not in {limb.first for limb in told.limbs(NOW)}


def test_joints_in_another_frame_than_the_arms_are_refused() -> None:
    for frame, refused in (("camera", False), ("base_link", True)):
        told = planner("shake my hand", frame=frame)
        told.on_person(keypoints(JOINTS, *ARM))
        assert isinstance(told.decide(NOW), planning.Stop) is refused
    assert reason(told) == "frame: the joints are in 'camera', and the arm is in 'base_link'"


def test_a_frame_that_changes_is_refused() -> None:
    for receive, message, what in (
        ("on_person", keypoints(JOINTS, *ARM), "joints"),
        ("on_body", body_joints(JOINTS), "limbs"),
    ):
        told = planner("shake my hand")
        told.on_person(keypoints(JOINTS, *ARM))
        assert isinstance(told.decide(NOW), planning.Goal)
        message.header.frame_id = "base_link"
        getattr(told, receive)(message)
        assert reason(told) == f"frame: the {what} are in 'base_link', and the arm is in 'camera'"


def test_a_joint_may_be_missing_for_a_moment_and_then_stops_it_with_its_own_reason() -> None:
    told = planner("point at my head")
    told.on_person(keypoints(JOINTS, "head"))
    for late in (0.1, 0.4, 0.7):
        refused = {"head": (State.LOW_CONFIDENCE, "confidence 0.1 is below 0.3")}
        told.on_person(keypoints(JOINTS, missing=refused, at=NOW + late))
    assert isinstance(told.decide(NOW + 0.45), planning.Goal)
    assert reason(told, NOW + 0.8) == "missing: head: confidence 0.1 is below 0.3"


def test_an_unsure_joint_is_not_approached() -> None:
    told = planner("point at my head")
    told.on_person(keypoints(JOINTS, "head", deviation_m=0.3))
    assert reason(told) == "unsure: the standard deviation of head is 0.30 m"


@pytest.mark.parametrize(
    "covariance",
    [
        np.full((3, 3), np.nan),
        np.diag([1e-4, 1e-4, np.inf]),
        np.zeros((3, 3)),  # in ROS: not known
        np.diag([1e-4, 1e-4, -1e-4]),
        np.array([[1e-4, 0.9, 0.9], [0.0, 1e-4, 0.9], [0.0, 0.0, 1e-4]]),
        np.full((3, 3), 1e308),
    ],
)
def test_what_is_no_covariance_is_not_approached_and_kept_away_from(covariance: NDArray[np.float64]) -> None:
    told, message = planner("shake my hand"), keypoints(JOINTS, *ARM)
    for each in message.keypoints:
        each.covariance = covariance.ravel()
    told.on_person(message)
    assert reason(told) == "unsure: the standard deviation of right_wrist is inf m"
    assert [limb.radius for limb in told.limbs(NOW)] == [pytest.approx(1.08)]


def test_a_goal_out_of_reach_stops_it() -> None:
    told = planner("pat my shoulder")
    told.on_person(keypoints(JOINTS + np.array([0.0, 0.0, 1.0]), "left_shoulder"))
    assert reason(told).startswith("unreachable: left_shoulder needs 2.1")


def test_a_hand_that_is_not_held_out_is_not_shaken() -> None:
    told = planner("shake my hand")
    told.on_person(keypoints(person(is_hand_held_out=False), *ARM))
    assert reason(told).startswith("waits: no hand is held out")
    told = planner("shake my hand")
    told.on_person(keypoints(JOINTS, "right_wrist"))
    assert reason(told) == "missing: right_elbow, which shows where the hand points"


def test_the_hand_is_slower_near_the_body() -> None:
    speeds = [planning.speed(distance) for distance in (-0.1, 0.0, 0.1, 0.2, 1.0)]
    assert speeds == sorted(speeds)
    assert speeds[0] == speeds[1] == 0.25
    assert speeds[-1] == 0.5


def test_a_hand_beside_the_line_of_approach_goes_round() -> None:
    shaken = goal("shake my hand", *ARM)
    across = np.cross(shaken.approach, [0.0, 1.0, 0.0])
    before = shaken.position - 0.25 * shaken.approach
    np.testing.assert_allclose(planning.waypoint(shaken, shaken.position + 0.3 * across), before)
    np.testing.assert_allclose(planning.waypoint(shaken, before), shaken.position)
