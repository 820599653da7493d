"""Markers show joints, bones, names and confidence ellipsoids of a result."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.keypoints import Keypoint, Person
from taihri_ros.node import topics
from taihri_ros.node.colors import person_color
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.markers import marker_array
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState

CAMERA = Placement("head_camera_optical_frame")


def build(types: RosTypes, messages: Messages, result: Result, placement: Placement = CAMERA) -> list[Any]:
    message = marker_array(messages, result, placement, 0.5)
    markers: list[Any] = types.deserialize(types.serialize(message, topics.MARKERS.type), topics.MARKERS.type).markers
    return markers


def points(marker: Any) -> list[list[float]]:
    return [[point.x, point.y, point.z] for point in marker.points]


def with_keypoints(result: Result, *keypoints: Keypoint) -> Result:
    return dataclasses.replace(result, estimate=dataclasses.replace(result.estimate, person=Person(keypoints, None)))


def shape(marker: Any) -> NDArray[np.float64]:
    """Return the matrix whose eigenvalues are the squared diameters of an ellipsoid, in the frame of the marker."""
    turn = marker.pose.orientation
    axis = np.array([turn.x, turn.y, turn.z])
    assert abs(axis @ axis + turn.w**2 - 1) < 1e-9
    columns = np.eye(3) * [marker.scale.x, marker.scale.y, marker.scale.z]
    columns = columns + 2 * np.cross(axis, turn.w * columns + np.cross(axis, columns))
    return np.asarray(columns.T @ columns)


def test_located_joints_have_joints_bones_and_names(types: RosTypes, messages: Messages, result: Result) -> None:
    joints, bones, elbow, wrist = build(types, messages, result)[:4]
    assert (joints.ns, joints.type) == ("joints", joints.SPHERE_LIST)
    assert points(joints) == [[0.25, -0.5, 1.5], [0.5, 0.125, 1.25]]
    assert (bones.ns, bones.type) == ("bones", bones.LINE_LIST)
    assert points(bones) == points(joints), "one bone, from the elbow to the wrist"
    for marker, text, position in ((elbow, "left_elbow", points(joints)[0]), (wrist, "left_wrist", points(joints)[1])):
        assert (marker.ns, marker.type, marker.text) == ("names", marker.TEXT_VIEW_FACING, text)
        at = marker.pose.position
        np.testing.assert_allclose([at.x, at.y, at.z], np.array(position) - [0, 0.05, 0])


def test_all_markers_have_the_stamp_a_lifetime_and_are_visible(
    types: RosTypes, messages: Messages, result: Result
) -> None:
    markers = build(types, messages, result)
    for marker in markers:
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
        assert marker.header.frame_id == "head_camera_optical_frame"
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (0, 500_000_000)
        assert marker.action == marker.ADD
        assert marker.color.a == (0.25 if marker.ns == "ellipsoids" else 1)
        assert min(marker.scale.x, marker.scale.y, marker.scale.z) > 0
        assert marker.ns == "ellipsoids" or marker.pose.orientation.w == 1
    assert len({(marker.ns, marker.id) for marker in markers}) == len(markers), "no marker replaces another"


def test_markers_are_in_the_frame_of_the_placement(types: RosTypes, messages: Messages, result: Result) -> None:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    joints = build(types, messages, result, Placement("base", turn, np.array([1.0, 2.0, 3.0])))[0]
    assert joints.header.frame_id == "base"
    assert points(joints) == [[1.5, 2.25, 4.5], [0.875, 2.5, 4.25]]


def test_joints_without_a_bone_have_no_bone_marker(types: RosTypes, messages: Messages, result: Result) -> None:
    wrist = result.estimate.person.located[1]
    markers = build(types, messages, with_keypoints(result, wrist))
    assert [marker.ns for marker in markers] == ["joints", "names", "ellipsoids"]


def test_ellipsoids_are_the_95_percent_confidence_regions(types: RosTypes, messages: Messages, result: Result) -> None:
    elbow, wrist = result.estimate.person.located
    markers = [marker for marker in build(types, messages, result) if marker.ns == "ellipsoids"]
    assert [(marker.type, marker.id) for marker in markers] == [(markers[0].SPHERE, 0), (markers[0].SPHERE, 1)]
    for marker, keypoint in zip(markers, (elbow, wrist), strict=True):
        centre = [marker.pose.position.x, marker.pose.position.y, marker.pose.position.z]
        assert centre == keypoint.position.tolist()
        np.testing.assert_allclose(shape(marker), 4 * 7.815 * keypoint.covariance, atol=1e-8)


def test_ellipsoids_rotate_with_the_frame(types: RosTypes, messages: Messages, result: Result) -> None:
    turn = np.array([[0.0, -0.6, 0.8], [1.0, 0.0, 0.0], [0.0, 0.8, 0.6]])
    placement = Placement("base", turn, np.array([1.0, 2.0, 3.0]))
    elbow = result.estimate.person.located[0]
    marker = build(types, messages, with_keypoints(result, elbow), placement)[-1]
    at = marker.pose.position
    np.testing.assert_allclose([at.x, at.y, at.z], turn @ elbow.position + [1.0, 2.0, 3.0])
    np.testing.assert_allclose(shape(marker), 4 * 7.815 * turn @ elbow.covariance @ turn.T, atol=1e-8)


def test_an_ellipsoid_is_never_flat(types: RosTypes, messages: Messages, result: Result) -> None:
    elbow = dataclasses.replace(result.estimate.person.located[0], covariance=np.diag([0.0, 1e-12, 1e-4]))
    scale = build(types, messages, with_keypoints(result, elbow))[-1].scale
    assert sorted([scale.x, scale.y, scale.z]) == [0.001, 0.001, 2 * np.sqrt(7.815e-4)]


def test_a_joint_without_a_covariance_has_no_ellipsoid(types: RosTypes, messages: Messages, result: Result) -> None:
    elbow, wrist = result.estimate.person.located
    unknown = dataclasses.replace(elbow, covariance=np.full((3, 3), np.nan))
    markers = build(types, messages, with_keypoints(result, unknown, wrist))
    assert [(marker.ns, marker.id) for marker in markers if marker.ns == "ellipsoids"] == [("ellipsoids", 1)]
    assert len(points(markers[0])) == 2, "both joints have a marker"


def test_without_located_joints_there_are_no_markers(types: RosTypes, messages: Messages, nobody: Result) -> None:
    assert build(types, messages, nobody) == []


def tracked(name: str, x: float, state: TrackState, person: Person | None) -> PersonInFrame:
    detection = None if person is None else 0
    track = TrackedPerson(name, np.array([x, 0.25, 2.0]), np.zeros(3), np.eye(3), 1.0, 0.0, state, detection)
    return PersonInFrame(track, person, selected=False)


def test_other_people_have_their_skeletons_in_the_colors_of_their_ids(
    types: RosTypes, messages: Messages, result: Result
) -> None:
    arm = result.estimate.person
    people = (
        tracked("kamul", -1.0, TrackState.CONFIRMED, arm),
        tracked("jodan", 1.0, TrackState.CONFIRMED, arm),
        tracked("wezit", 2.0, TrackState.LOST, None),
        tracked("tilon", 3.0, TrackState.ENDED, None),
    )
    alone = {(marker.ns, marker.id) for marker in build(types, messages, result)}
    seen = dataclasses.replace(result, estimate=dataclasses.replace(result.estimate, people=people, person_id="kamul"))
    markers = build(types, messages, seen)
    added = {marker.ns: marker for marker in markers if (marker.ns, marker.id) not in alone}
    assert len(markers) == len(alone) + len(added), "the selected person's own markers stay what they are"
    parts = {"kamul": ("pelvis", "id"), "jodan": ("pelvis", "id", "joints", "bones"), "wezit": ("pelvis", "id")}
    assert set(added) == {f"{name}/{part}" for name, own in parts.items() for part in own}
    for namespace, marker in added.items():
        name = namespace.partition("/")[0]
        color = [marker.color.r, marker.color.g, marker.color.b]
        np.testing.assert_allclose(color, np.array(person_color(name)) / 255, atol=1e-6)
        assert (marker.color.a < 0.5) == (name == "wezit"), "who is not seen is pale"
        assert min(marker.scale.x, marker.scale.y, marker.scale.z) > 0
    assert points(added["jodan/joints"]) == [[0.25, -0.5, 1.5], [0.5, 0.125, 1.25]]
    above, pelvis = (added[f"wezit/{part}"].pose.position for part in ("id", "pelvis"))
    assert added["wezit/id"].text == "wezit"
    assert (pelvis.x, pelvis.y, pelvis.z) == (2.0, 0.25, 2.0)
    assert above.y < pelvis.y, "y points down"
    base = Placement("base", np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
    turned = {marker.ns: marker.pose.position for marker in build(types, messages, seen, base)}
    assert turned["wezit/id"].z > turned["wezit/pelvis"].z, "z points up"


def test_two_ids_have_two_colors_that_stay() -> None:
    names = ("kamul", "jodan", "wezit", "tilon", "nanik")
    assert len({person_color(name) for name in names}) == len(names)
    assert person_color("kamul") == person_color("kamul")
    assert all(max(person_color(name)) == 255 for name in names), "bright"
