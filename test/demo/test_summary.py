from __future__ import annotations

import json

import numpy as np
import pytest
from recorded import MEAN_POSE, TRUTH, answer, keypoint, record

from taihri_ros.demo.summary import check, describe, errors, summarize
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, State
from taihri_ros.skeleton import INDEX


def test_the_summary_has_the_errors_of_the_answers_and_of_the_mean_pose() -> None:
    answers = [answer(0, "shake my hand", keypoint("right_wrist", 0.1)), answer(0, "head", keypoint("head", -0.3))]
    found = errors(record(*answers), answers, MEAN_POSE)
    assert found == {"gmpjpe_mm": 200.0, "baseline_gmpjpe_mm": 500.0, "joints_scored": 2, "joints_missing": 0}


def test_joints_outside_the_image_do_not_count() -> None:
    answers = [answer(0, "head, neck", keypoint("head", 0.1), keypoint("neck", 0.5), keypoint("spine1", 0.3))]
    recorded = record(*answers)
    truth = TRUTH.copy()
    truth[INDEX["head"]] = [0.0, 2.0, 2.0]
    truth[INDEX["spine1"], 2] = -1.0
    recorded.truths[0] = truth
    found = errors(recorded, answers, MEAN_POSE)
    assert (found["gmpjpe_mm"], found["joints_scored"]) == (500.0, 1)


def test_a_joint_without_an_answer_is_missing_only_if_it_was_requested_by_name() -> None:
    lost = Keypoint("neck", State.NOT_ANSWERED)
    answers = [answer(0, "head, neck", keypoint("head", 0.1), lost), answer(0, "hug me", lost)]
    found = errors(record(*answers), answers, MEAN_POSE)
    assert (found["joints_scored"], found["joints_missing"]) == (1, 1)


def test_an_answer_without_ground_truth_is_left_out() -> None:
    late = answer(77, "head", keypoint("head", 0.1))
    assert errors(record(late), [late], MEAN_POSE) == {
        "gmpjpe_mm": None,
        "baseline_gmpjpe_mm": None,
        "joints_scored": 0,
        "joints_missing": 0,
    }


def test_an_answer_is_compared_with_the_truth_of_the_same_stamp() -> None:
    moved = answer(100_000_000, "head", keypoint("head", 0.0))
    recorded = record(moved)
    recorded.truths[100_000_000] = TRUTH + np.array([0.04, 0.0, 0.0])
    assert errors(recorded, [moved], MEAN_POSE)["gmpjpe_mm"] == 40.0


def test_summary_counts_joints_by_command() -> None:
    recorded = record(
        answer(0, "shake my hand", keypoint("right_wrist", 0.1)),
        answer(0, "shake my hand", keypoint("right_elbow", 0.1), keypoint("right_wrist", 0.1)),
        answer(0, "head", keypoint("head", 0.3)),
    )
    summary = summarize(recorded, MEAN_POSE)
    assert summary["joints"] == {"shake my hand": {"right_wrist": 2, "right_elbow": 1}, "head": {"head": 1}}
    assert summary["by_command"]["head"]["gmpjpe_mm"] == 300.0
    assert summary["gmpjpe_mm"] == 150.0
    assert (summary["frames_in"], summary["published"], summary["dropped"]) == (5, 3, {"newer_frame": 2})
    assert summary["camera_rate_hz"] == 10.0
    assert json.loads(json.dumps(summary)) == summary
    check(summary)


def test_lost_frames_are_an_error() -> None:
    summary = summarize(record(answer(0, "head", keypoint("head", 0.3))), MEAN_POSE)
    summary["frames_in"] += 1
    with pytest.raises(TaihriError, match="4 frames arrived, but 1 were published and 2 dropped"):
        check(summary)


def test_the_summary_in_words() -> None:
    lost = Keypoint("neck", State.NOT_ANSWERED)
    recorded = record(
        answer(0, "shake my hand", keypoint("right_wrist", 0.1)),
        answer(100_000_000, "head, neck", keypoint("head", 0.3), lost),
        answer(200_000_000, "neck", lost),
    )
    recorded.empty = 1
    assert describe(summarize(recorded, MEAN_POSE)).splitlines() == [
        "'shake my hand': joints found 1; 100 mm off on average (the mean pose: 500 mm)",
        "'head, neck': joints found 1, not found 1; 300 mm off on average (the mean pose: 500 mm)",
        "'neck': joints found 0, not found 1",
        "the person was found in 2 of 3 answers, 10.0 a second, 200 ms after the image (95 %: 200 ms)",
    ]


@pytest.mark.parametrize(
    ("received", "reason"), [(0, "no keypoints were received"), (2, "the person was found in none of 2 answers")]
)
def test_a_record_without_keypoints_is_an_error(received: int, reason: str) -> None:
    recorded = record(*[answer(0, "head")] * received)
    recorded.empty = received
    with pytest.raises(TaihriError, match=reason):
        summarize(recorded, MEAN_POSE)
