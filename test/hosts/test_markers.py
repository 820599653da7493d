from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from taihri_ros.frames import Result
from taihri_ros.hosts import topics
from taihri_ros.hosts.dds import RosTypes
from taihri_ros.hosts.markers import marker_array
from taihri_ros.hosts.messages import Messages, Placement
from taihri_ros.keypoints import Person

CAMERA = Placement("head_camera_optical_frame")


def build(types: RosTypes, messages: Messages, result: Result, placement: Placement = CAMERA) -> list[Any]:
    message = marker_array(messages, result, placement, 0.5)
    markers: list[Any] = types.deserialize(types.serialize(message, topics.MARKERS.type), topics.MARKERS.type).markers
    return markers


def points(marker: Any) -> list[list[float]]:
    return [[point.x, point.y, point.z] for point in marker.points]


def test_joints_bones_and_names(types: RosTypes, messages: Messages, result: Result) -> None:
    joints, bones, elbow, wrist = build(types, messages, result)
    assert (joints.ns, joints.type) == ("joints", joints.SPHERE_LIST)
    assert points(joints) == [[0.25, -0.5, 1.5], [0.5, 0.125, 1.25]]
    assert (bones.ns, bones.type) == ("bones", bones.LINE_LIST)
    assert points(bones) == points(joints), "one bone, from the elbow to the wrist"
    for marker, text, position in ((elbow, "left_elbow", points(joints)[0]), (wrist, "left_wrist", points(joints)[1])):
        assert (marker.ns, marker.type, marker.text) == ("names", marker.TEXT_VIEW_FACING, text)
        at = marker.pose.position
        np.testing.assert_allclose([at.x, at.y, at.z], np.array(position) - [0, 0.05, 0])


def test_all_are_of_the_image_vanish_and_can_be_seen(types: RosTypes, messages: Messages, result: Result) -> None:
    markers = build(types, messages, result)
    for marker in markers:
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
        assert marker.header.frame_id == "head_camera_optical_frame"
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (0, 500_000_000)
        assert marker.action == marker.ADD
        assert marker.color.a == 1
        assert min(marker.scale.x, marker.scale.y, marker.scale.z) > 0
        assert marker.pose.orientation.w == 1
    assert len({(marker.ns, marker.id) for marker in markers}) == len(markers), "none replaces another"


def test_another_frame(types: RosTypes, messages: Messages, result: Result) -> None:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    joints = build(types, messages, result, Placement("base", turn, np.array([1.0, 2.0, 3.0])))[0]
    assert joints.header.frame_id == "base"
    assert points(joints) == [[1.5, 2.25, 4.5], [0.875, 2.5, 4.25]]


def test_joints_that_no_bone_connects(types: RosTypes, messages: Messages, result: Result) -> None:
    wrist = result.estimate.person.located[1]
    estimate = dataclasses.replace(result.estimate, person=Person((wrist,), None))
    markers = build(types, messages, dataclasses.replace(result, estimate=estimate))
    assert [marker.ns for marker in markers] == ["joints", "names"]


def test_there_are_no_markers_of_nobody(types: RosTypes, messages: Messages, nobody: Result) -> None:
    assert build(types, messages, nobody) == []
