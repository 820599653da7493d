"""A person whom BlazePose finds, as the node reads them: positions, covariances and confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from landmark_person import FOCAL_PX, SIZE, adult, seen

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.inference.mediapipe.answers import AnswerWriter
from taihri_ros.inference.mediapipe.joints import WEIGHTS
from taihri_ros.inference.mediapipe.landmarks import NUMBER, Landmarks
from taihri_ros.inference.mediapipe.person import locate
from taihri_ros.keypoints import Person, State
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.parser import parse
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.decoder import AnswerDecoder, XySource
from taihri_ros.resources import BLAZEPOSE
from taihri_ros.skeleton import JOINTS

SPEC = replace(ModelSpec.load(BLAZEPOSE), focal_px=FOCAL_PX)
CAMERA = Camera.ideal(FOCAL_PX, *SIZE)
VIEW = CanonicalView(CAMERA, FOCAL_PX, *SIZE, np.eye(3))


def decoded(found: Landmarks, xy_source: XySource = "bins") -> Person:
    """Return what the node reads from the engine's answer for all joints."""
    writer = AnswerWriter(locate(found, SPEC), 20)
    answer = writer.answer(named_grammar(JOINTS, SPEC.answer or AnswerFormat()), 1000)
    return AnswerDecoder(parse(answer.tokens, JOINTS), answer.top_k, VIEW, SPEC).person(xy_source)


@pytest.mark.parametrize("xy_source", ["bins", "pixel"])
def test_positions_and_pixels(xy_source: XySource) -> None:
    points = adult(3.2, beside_m=0.4, turned=0.3)
    person = decoded(seen(points), xy_source)
    truth = WEIGHTS @ points
    assert [keypoint.state for keypoint in person.keypoints] == [State.MEASURED] * 22
    assert np.linalg.norm([keypoint.position for keypoint in person.keypoints] - truth, axis=1).max() < 0.1
    assert np.abs([keypoint.pixel for keypoint in person.keypoints] - CAMERA.project(truth)).max() < 3.0
    assert person.presence > 0.9


def test_depth_is_less_certain_than_the_rest_and_grows_with_the_distance() -> None:
    near, far = (decoded(seen(adult(distance))).keypoints[0].covariance for distance in (1.5, 4.5))
    assert near[2, 2] > 4 * near[0, 0]
    assert far[2, 2] == pytest.approx(9 * near[2, 2], rel=0.3)


def test_a_joint_that_is_hidden_has_a_lower_confidence() -> None:
    found = seen(adult(2.0))
    visibility = found.visibility.copy()
    for part in ("elbow", "wrist"):
        visibility[NUMBER[f"left_{part}"]] = 0.1
    person = {keypoint.name: keypoint for keypoint in decoded(replace(found, visibility=visibility)).keypoints}
    assert person["left_wrist"].confidence < 0.6 * person["right_wrist"].confidence
    assert person["left_shoulder"].confidence == pytest.approx(person["right_shoulder"].confidence, rel=0.01)


def test_a_pose_that_needs_a_dwarf_is_doubted() -> None:
    """BlazePose misreads somebody of whom little is seen; then the bones do not fit."""
    usual = seen(adult(2.0))
    narrow = usual.pixels.copy()
    narrow[[NUMBER["left_shoulder"], NUMBER["left_hip"]]] -= (25.0, 0.0)
    narrow[[NUMBER["left_knee"], NUMBER["right_knee"], NUMBER["left_ankle"], NUMBER["right_ankle"]]] -= (0.0, 80.0)
    doubted = decoded(replace(usual, pixels=narrow)).keypoints[0]
    assert doubted.covariance[2, 2] > 1.5 * decoded(usual).keypoints[0].covariance[2, 2]


def test_joints_out_of_the_view_and_out_of_the_range() -> None:
    beside = {keypoint.name: keypoint for keypoint in decoded(seen(adult(2.0, beside_m=1.0))).keypoints}
    assert beside["left_wrist"].state is State.OUT_OF_VIEW
    assert beside["left_wrist"].has_position
    assert beside["right_wrist"].state is State.MEASURED
    far = decoded(seen(adult(8.0)))
    assert {keypoint.state for keypoint in far.keypoints} == {State.OUT_OF_RANGE}
