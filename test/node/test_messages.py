"""Messages hold the values of a result, in the frame of their placement."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from taihri_ros.keypoints import DepthUse, Person
from taihri_ros.node import topics
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.diagnostics import Report
from taihri_ros.node.markers import marker_array
from taihri_ros.node.messages import Messages, Placement, stamp_ns
from taihri_ros.pipeline.frames import Result

CAMERA = Placement("head_camera_optical_frame")
ROTATION = Rotation.from_euler("xyz", [20, -35, 110], degrees=True).as_matrix()
BASE = Placement("base_link", ROTATION, np.array([0.125, -1.0, 0.5]))


def round_trip(types: RosTypes, message: Any, msg_type: str) -> Any:
    return types.deserialize(types.serialize(message, msg_type), msg_type)


def xyz(point: Any) -> list[float]:
    return [point.x, point.y, point.z]


def check_header(header: Any, frame_id: str = "head_camera_optical_frame") -> None:
    assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert header.frame_id == frame_id


def test_pose_array_has_the_located_joints_only(types: RosTypes, messages: Messages, result: Result) -> None:
    built = round_trip(types, messages.pose_array(result, CAMERA), topics.KEYPOINTS.type)
    check_header(built.header)
    assert [xyz(pose.position) for pose in built.poses] == [[0.25, -0.5, 1.5], [0.5, 0.125, 1.25]]
    for pose in built.poses:
        assert [*xyz(pose.orientation), pose.orientation.w] == [0, 0, 0, 1]


def test_pose_array_is_empty_when_nothing_is_located(types: RosTypes, messages: Messages, nobody: Result) -> None:
    built = round_trip(types, messages.pose_array(nobody, CAMERA), topics.KEYPOINTS.type)
    check_header(built.header)
    assert built.poses == []


def test_person_has_every_joint_with_its_state(types: RosTypes, messages: Messages, result: Result) -> None:
    person = round_trip(types, messages.person(result, CAMERA), topics.PERSON.type)
    check_header(person.header)
    assert person.command == "head, left_shoulder, left_elbow, left_wrist, right_wrist"
    assert person.model == "manual"
    assert person.has_box
    np.testing.assert_array_equal(person.box, [10, 20, 300, 400])
    assert person.stages == ["decode", "engine"]
    np.testing.assert_allclose(person.durations, [0.0015, 0.1])
    states = {keypoint.name: (keypoint.state, keypoint.reason) for keypoint in person.keypoints}
    keypoint = types.message("taihri_ros/msg/Keypoint")
    assert states == {
        "head": (keypoint.NOT_ANSWERED, "not answered"),
        "left_shoulder": (keypoint.OUT_OF_RANGE, "out of range"),
        "left_elbow": (keypoint.MEASURED, ""),
        "left_wrist": (keypoint.MEASURED, ""),
        "right_wrist": (keypoint.DUPLICATE, "answered twice"),
    }


def test_person_has_the_presence_and_the_thresholds_in_force(
    types: RosTypes, messages: Messages, doubtful: Result, result: Result
) -> None:
    person = round_trip(types, messages.person(doubtful, CAMERA), topics.PERSON.type)
    assert (person.presence, person.min_confidence, person.min_presence) == (0.875, 0.5, 0.75)
    person = round_trip(types, messages.person(result, CAMERA), topics.PERSON.type)
    assert np.isnan(person.presence)
    assert (person.min_confidence, person.min_presence) == (0.0, 0.0)


def values(joint: Any) -> list[float]:
    return [*xyz(joint.position), *joint.covariance, joint.u, joint.v]


def test_a_joint_that_is_not_believed_is_only_in_person_and_without_its_numbers(
    types: RosTypes, messages: Messages, doubtful: Result
) -> None:
    person = round_trip(types, messages.person(doubtful, CAMERA), topics.PERSON.type)
    elbow, wrist = person.keypoints[2:]
    assert (elbow.name, elbow.state, elbow.confidence) == ("left_elbow", elbow.LOW_CONFIDENCE, 0.125)
    assert elbow.reason == "confidence 0.125 is below min_confidence 0.5"
    assert np.isnan(values(elbow)).all()
    assert elbow.depth == elbow.DEPTH_FUSED, "one can see that depth was used"
    assert (wrist.name, wrist.state) == ("left_wrist", wrist.MEASURED)
    assert np.isfinite(values(wrist)).all()
    poses = round_trip(types, messages.pose_array(doubtful, CAMERA), topics.KEYPOINTS.type).poses
    assert [xyz(pose.position) for pose in poses] == [[0.5, 0.25, 1.0], [0.5, 0.125, 1.25]]
    assert [one.child_frame_id for one in messages.transforms(doubtful, "p/")] == ["p/head", "p/left_wrist"]


def test_a_joint_out_of_view_has_a_position_without_a_pixel(
    types: RosTypes, messages: Messages, doubtful: Result
) -> None:
    head = round_trip(types, messages.person(doubtful, CAMERA), topics.PERSON.type).keypoints[0]
    assert (head.name, head.state, head.reason) == ("head", head.OUT_OF_VIEW, "v beyond")
    assert xyz(head.position) == [0.5, 0.25, 1.0]
    assert np.isfinite(head.covariance).all()
    assert np.isnan([head.u, head.v]).all()


def test_where_nobody_is_believed_nothing_but_the_confidences_is_published(
    types: RosTypes, messages: Messages, unbelieved: Result
) -> None:
    person = round_trip(types, messages.person(unbelieved, CAMERA), topics.PERSON.type)
    assert (person.presence, person.min_presence, person.has_box) == (0.25, 0.75, False)
    assert np.isnan(person.box).all()
    assert [joint.name for joint in person.keypoints] == ["head", "left_shoulder", "left_elbow", "left_wrist"]
    for joint, confidence in zip(person.keypoints, (0.75, np.nan, 0.125, 0.75), strict=True):
        assert joint.state == joint.NOBODY
        assert np.isnan(values(joint)).all()
        np.testing.assert_equal(joint.confidence, confidence)
    assert round_trip(types, messages.pose_array(unbelieved, CAMERA), topics.KEYPOINTS.type).poses == []
    assert messages.transforms(unbelieved, "p/") == []
    assert marker_array(messages, unbelieved, CAMERA, 0.5).markers == []


def test_unknown_values_are_nan_and_never_zero(types: RosTypes, messages: Messages, result: Result) -> None:
    person = round_trip(types, messages.person(result, CAMERA), topics.PERSON.type)
    located = [each for each in person.keypoints if each.state == each.MEASURED]
    missing = [each for each in person.keypoints if each.state != each.MEASURED]
    assert len(located) == 2
    assert len(missing) == 3
    for each in missing:
        assert np.all(np.isnan([*xyz(each.position), *each.covariance, each.confidence, each.u, each.v]))
    wrist = located[1]
    assert [*xyz(wrist.position), wrist.confidence, wrist.u, wrist.v] == [0.5, 0.125, 1.25, 0.75, 50, 12.5]
    np.testing.assert_allclose(wrist.covariance, np.array([4, 1, 0.5, 1, 3, 0.25, 0.5, 0.25, 2]) * 1e-4)


def test_person_has_the_depth_use_of_each_joint(types: RosTypes, messages: Messages, result: Result) -> None:
    uses = [DepthUse.NONE, DepthUse.NONE, DepthUse.FUSED, DepthUse.DISAGREES, DepthUse.NONE]
    keypoints = zip(result.estimate.person.keypoints, uses, strict=True)
    person = Person(tuple(replace(keypoint, depth=use) for keypoint, use in keypoints), None)
    refined = replace(result, estimate=replace(result.estimate, person=person))
    received = round_trip(types, messages.person(refined, CAMERA), topics.PERSON.type)
    keypoint = types.message("taihri_ros/msg/Keypoint")
    none, fused, disagrees = keypoint.DEPTH_NONE, keypoint.DEPTH_FUSED, keypoint.DEPTH_DISAGREES
    assert [each.depth for each in received.keypoints] == [none, none, fused, disagrees, none]


def test_person_without_a_box(types: RosTypes, messages: Messages, nobody: Result) -> None:
    person = round_trip(types, messages.person(nobody, CAMERA), topics.PERSON.type)
    assert not person.has_box
    assert np.all(np.isnan(person.box))
    assert person.stages == []
    assert len(person.keypoints) == 5


def test_a_placement_rotates_positions_and_covariances(types: RosTypes, messages: Messages, result: Result) -> None:
    poses = round_trip(types, messages.pose_array(result, BASE), topics.KEYPOINTS.type)
    person = round_trip(types, messages.person(result, BASE), topics.PERSON.type)
    check_header(poses.header, "base_link")
    check_header(person.header, "base_link")
    located = result.estimate.person.located
    expected = Rotation.from_matrix(ROTATION).apply([each.position for each in located]) + BASE.translation
    np.testing.assert_allclose([xyz(pose.position) for pose in poses.poses], expected, atol=1e-12)
    published = [each for each in person.keypoints if each.state == each.MEASURED]
    np.testing.assert_allclose([xyz(each.position) for each in published], expected, atol=1e-12)
    samples = np.random.default_rng(0).multivariate_normal(np.zeros(3), located[0].covariance, 100_000)
    rotated = np.cov(Rotation.from_matrix(ROTATION).apply(samples).T)
    np.testing.assert_allclose(np.reshape(published[0].covariance, (3, 3)), rotated, atol=1e-5)
    assert published[0].u == located[0].pixel[0], "the pixel does not depend on the frame"
    missing = person.keypoints[0]
    assert np.all(np.isnan([*xyz(missing.position), *missing.covariance]))


def test_transforms_are_relative_to_the_camera_frame(types: RosTypes, messages: Messages, result: Result) -> None:
    message = messages.tf_message(messages.transforms(result, "person/"))
    transforms = round_trip(types, message, topics.TRANSFORMS.type).transforms
    assert [each.child_frame_id for each in transforms] == ["person/left_elbow", "person/left_wrist"]
    assert [xyz(each.transform.translation) for each in transforms] == [[0.25, -0.5, 1.5], [0.5, 0.125, 1.25]]
    for each in transforms:
        check_header(each.header)
        assert [*xyz(each.transform.rotation), each.transform.rotation.w] == [0, 0, 0, 1]


def test_compressed_image_has_the_jpeg_and_the_stamp(types: RosTypes, messages: Messages, result: Result) -> None:
    jpeg = np.arange(200, dtype=np.uint8)
    built = round_trip(types, messages.compressed_image(result, jpeg), topics.OVERLAY.type)
    check_header(built.header)
    assert built.format == "jpeg"
    np.testing.assert_array_equal(built.data, jpeg)


def test_diagnostics_have_one_status_per_report(types: RosTypes, messages: Messages) -> None:
    reports = {"taihri: input": Report(1, "no image arrives", {"rate_hz": "0.00"}), "taihri: engine": Report(2, "bad")}
    message = messages.diagnostics(1_500_000_002, reports, "tiny")
    built = round_trip(types, message, topics.DIAGNOSTICS.type)
    assert (built.header.stamp.sec, built.header.stamp.nanosec, built.header.frame_id) == (1, 500_000_002, "")
    first, second = built.status
    assert (first.name, first.level, first.message, first.hardware_id) == (
        "taihri: input",
        1,
        "no image arrives",
        "tiny",
    )
    assert [(entry.key, entry.value) for entry in first.values] == [("rate_hz", "0.00")]
    assert (second.name, second.level, second.message, second.values) == ("taihri: engine", 2, "bad", [])


def test_a_text_that_no_message_can_hold_does_not_stop_the_diagnostics(types: RosTypes, messages: Messages) -> None:
    path = os.fsdecode(b"/caf\xe9")
    message = messages.diagnostics(1, {"taihri: engine": Report(2, path, {"pid": path})}, path)
    (status,) = round_trip(types, message, topics.DIAGNOSTICS.type).status
    assert (status.message, status.hardware_id, status.values[0].value) == ("/caf?", "/caf?", "/caf?")


@pytest.mark.parametrize("stamp", [0, 1, 999_999_999, 1_000_000_000, 2**31 * 10**9 - 1])
def test_stamps_round_trip(messages: Messages, stamp: int) -> None:
    header = messages.make("std_msgs/msg/Header", stamp=messages.time(stamp), frame_id="")
    assert stamp_ns(header) == stamp


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, (0, 500_000_000)), (2.25, (2, 250_000_000)), (60, (60, 0))])
def test_durations_are_split_into_seconds_and_nanoseconds(
    messages: Messages, seconds: float, expected: tuple[int, int]
) -> None:
    duration = messages.duration(seconds)
    assert (duration.sec, duration.nanosec) == expected


def test_sequences_are_converted_by_the_function_of_the_host(types: RosTypes, result: Result) -> None:
    listing = Messages(types.message, sequence=np.ndarray.tolist)
    person = listing.person(result, CAMERA)
    assert person.durations == [0.0015, 0.1]
    assert listing.compressed_image(result, np.array([1, 2], np.uint8)).data == [1, 2]
