"""Metrics in total and by group equal a plain computation joint by joint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evaluated_people import CAMERA, STANDING, WIDTH, answered, free_answer, moved, person, truth

from taihri_ros.commands.command import joint_command
from taihri_ros.evaluation.datasets.items import Visibility
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.predictions import Prediction
from taihri_ros.evaluation.question_plan import Question
from taihri_ros.evaluation.summary import latency_metrics, summarize
from taihri_ros.skeleton import INDEX, JOINTS, PARTS

MEAN = MeanPose(STANDING, "one person", 1)


@pytest.fixture(scope="module")
def run() -> list[LabelledAnswer]:
    """Twelve people, answered with noise; one joint in ten is missing."""
    rng = np.random.default_rng(4)
    entries = []
    for number in range(12):
        joints = person(rng)
        guess = joints + rng.normal(0, 0.06, joints.shape)
        guess[rng.random(22) < 0.1] = np.nan
        entries.append(answered(truth(joints, f"{number}.png"), guess, number=number))
    return entries


def joint_by_joint(run: list[LabelledAnswer]) -> list[dict[str, Any]]:
    """Compute the errors of every joint."""
    found = []
    for entry in run:
        for joint, name in enumerate(JOINTS):
            guess = entry.prediction.joints[name].positions["bins"]
            missing = bool(np.isnan(guess).any())
            guess = STANDING[joint] if missing else guess
            error = guess - entry.truth.joints[joint]
            u, v = (CAMERA.K @ guess / guess[2])[:2] - (CAMERA.K @ entry.truth.joints[joint])[:2] / entry.truth.joints[
                joint, 2
            ]
            found.append(
                {
                    "name": name,
                    "missing": missing,
                    "mm": 1000 * float(error @ error) ** 0.5,
                    "mean_mm": 1000 * float(np.linalg.norm(STANDING[joint] - entry.truth.joints[joint])),
                    "depth_mm": 1000 * abs(float(error[2])),
                    "percent": 100 * float(np.hypot(u, v)) / WIDTH,
                    "z": entry.truth.joints[joint, 2],
                    "out": entry.truth.visibility[joint] == Visibility.OUT_OF_IMAGE,
                }
            )
    return found


def check(metrics: dict[str, Any], joints: list[dict[str, Any]]) -> None:
    assert metrics["joints"] == len(joints)
    assert metrics["missing"] == sum(joint["missing"] for joint in joints)
    assert metrics["g_mpjpe_mm"] == pytest.approx(np.mean([joint["mm"] for joint in joints]), abs=1e-3)
    assert metrics["depth_mm"] == pytest.approx(np.mean([joint["depth_mm"] for joint in joints]), abs=1e-3)
    percents = [joint["percent"] for joint in joints if not joint["out"]]
    assert metrics["out_of_image"] == len(joints) - len(percents)
    expected = pytest.approx(np.mean(percents), abs=1e-3) if percents else None
    assert metrics["pixel_percent_of_width"] == expected
    answered_mm = [joint["mm"] for joint in joints if not joint["missing"]]
    assert metrics["g_mpjpe_answered_mm"] == pytest.approx(np.mean(answered_mm), abs=1e-3)
    assert metrics["pck3d"]["100mm"] == pytest.approx(sum(mm <= 100 for mm in answered_mm) / len(joints), abs=1e-4)


def test_the_total_and_every_group(run: list[LabelledAnswer]) -> None:
    joints = joint_by_joint(run)
    summary = summarize(run, MEAN)
    metrics = summary["named"]["bins"]
    assert sum(joint["missing"] for joint in joints) > 10
    check(metrics, joints)
    for name in JOINTS:
        check(metrics["by_joint"][name], [joint for joint in joints if joint["name"] == name])
    for part, members in PARTS.items():
        check(metrics["by_part"][part], [joint for joint in joints if joint["name"] in members])
    for name, near, far in (("1-1.5 m", 1, 1.5), ("1.5-2 m", 1.5, 2), ("2-3 m", 2, 3)):
        check(metrics["by_distance"][name], [joint for joint in joints if near <= joint["z"] < far])
    assert set(metrics["by_visibility"]) == {"unknown", "out_of_image"}
    check(metrics["by_visibility"]["out_of_image"], [joint for joint in joints if joint["out"]])
    baseline = summary["named"]["baseline"]
    assert baseline["g_mpjpe_mm"] == pytest.approx(np.mean([joint["mean_mm"] for joint in joints]), abs=1e-3)
    assert baseline["missing"] == 0
    assert sum(group["joints"] for group in metrics["by_distance"].values()) == len(joints)


def test_joints_outside_the_image_have_no_2d_error() -> None:
    """A wrist beside the camera projects to a pixel far away, which no answer about the image can match."""
    joints = STANDING.copy()
    joints[INDEX["left_wrist"]] = [0.5, 0.0, 1e-6]
    known = truth(joints)
    assert known.pixels[INDEX["left_wrist"], 0] > 1e6
    names = ("left_wrist", "head", "neck")
    metrics = summarize([answered(known, moved(0.1, 0, 0), names)], MEAN)["named"]["bins"]
    assert (metrics["joints"], metrics["out_of_image"]) == (3, 1)
    wrist = metrics["by_joint"]["left_wrist"]
    assert (wrist["pixel_px"], wrist["pixel_percent_of_width"]) == (None, None)
    assert wrist["g_mpjpe_mm"] == pytest.approx(
        1e3 * np.linalg.norm(STANDING[INDEX["left_wrist"]] + [0.1, 0, 0] - joints[INDEX["left_wrist"]]), abs=0.1
    )
    focal = CAMERA.K[0, 0]
    expected = [focal * 0.1 / STANDING[INDEX[name], 2] for name in ("head", "neck")]
    assert metrics["pixel_px"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert metrics["pixel_percent_of_width"] == pytest.approx(100 * np.mean(expected) / WIDTH, abs=1e-3)


def test_missing_joints_never_improve_a_metric(run: list[LabelledAnswer]) -> None:
    """A model without answers has the errors of the mean pose, and only misses in PCK3D."""
    before = summarize(run, MEAN)["named"]["bins"]
    unanswered = [replace(entry, prediction=Prediction(malformed="nonsense")) for entry in run]
    after = summarize(unanswered, MEAN)
    metrics = after["named"]["bins"]
    assert metrics["missing_share"] == 1
    assert metrics["g_mpjpe_mm"] == after["named"]["baseline"]["g_mpjpe_mm"] > before["g_mpjpe_mm"]
    assert metrics["pixel_px"] == after["named"]["baseline"]["pixel_px"] > before["pixel_px"]
    assert set(metrics["pck3d"].values()) == {0.0}
    assert metrics["g_mpjpe_answered_mm"] is None
    assert after["malformed"] == len(run)
    assert after["malformed_share"] == 1


def test_aligned_errors_need_the_root_or_three_joints() -> None:
    behind = moved(0, 0, 0.5)
    whole = summarize([answered(truth(), behind)], MEAN)["named"]["bins"]
    assert whole["g_mpjpe_mm"] == pytest.approx(500)
    assert whole["root_relative_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert whole["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    arm = summarize([answered(truth(), behind, PARTS["left_arm"])], MEAN)["named"]["bins"]
    assert arm["root_relative_mpjpe_mm"] is None, "the pelvis was not requested"
    assert arm["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    two = summarize([answered(truth(), behind, ("head", "neck"))], MEAN)["named"]["bins"]
    assert two["pa_mpjpe_mm"] is None, "two points can always be aligned"


def test_the_metrics_of_a_part_set_use_only_its_own_question() -> None:
    known, near, far = truth(), moved(0, 0, 0.01), moved(0, 0, 0.2)
    entries = []
    for part, joints in (("left_arm", near), ("upper_body", far)):
        entry = answered(known, joints, PARTS[part])
        entries.append(replace(entry, question=replace(entry.question, part=part)))
    metrics = summarize(entries, MEAN)["named"]["bins"]["by_part"]
    assert metrics["left_arm"]["g_mpjpe_mm"] == pytest.approx(10)
    assert metrics["left_arm"]["joints"] == 3
    assert metrics["upper_body"]["g_mpjpe_mm"] == pytest.approx(200)


def test_joints_without_labels_do_not_count() -> None:
    joints = STANDING.copy()
    joints[INDEX["head"]] = np.nan
    metrics = summarize([answered(truth(joints), STANDING)], MEAN)["named"]["bins"]
    assert metrics["joints"] == 21
    assert "head" not in metrics["by_joint"]


def test_a_malformed_answer_selects_no_joint() -> None:
    entry = replace(free_answer((), ("head",)), prediction=Prediction(malformed="nonsense"))
    assert summarize([entry], MEAN)["joint_selection"]["recall"] == 0


def test_latency_percentiles() -> None:
    entries = []
    for number in range(101):
        stages = {"view": 1.0, "engine": float(number), "parse": 1.0}
        entries.append(
            LabelledAnswer(truth(), Question(number, "a", joint_command(["head"])), Prediction(stages_ms=stages))
        )
    times = latency_metrics(entries)
    assert times["engine"] == {"p50": 50.0, "p95": 95.0}
    assert times["total"] == {"p50": 52.0, "p95": 97.0}
    assert latency_metrics([replace(entries[0], prediction=Prediction(malformed="nonsense"))]) == {}
