"""The body of a person becomes joints with orientations, TF frames and a surface."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.errors import TaihriError
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node import topics
from taihri_ros.node.body_fits import Bodies, fit_body
from taihri_ros.node.body_output import BodyOutput, BodyUnavailableError, body_joints, body_marker, body_transforms
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.node.overlay import draw_overlay
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.frames import Result
from taihri_ros.skeleton import JOINTS

STAMP_NS = 1_700_000_000_123_456_789
CAMERA = Placement("head_camera_optical_frame")
TURNED = Placement("base", np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([0.1, 0.2, 1.5]))
"""A robot's base, x forward and z up, under a level camera."""
LEFT_ARM = ("left_elbow", "left_wrist")


@pytest.fixture(scope="module")
def true() -> NDArray[np.float64]:
    """Joints of somebody who stands 2 m in front of the camera and faces it."""
    return BodyRecovery().rest_joints() + np.array([0.1, 0.2, 2.0])


def person(points: NDArray[np.float64], missing: tuple[str, ...] = ()) -> Person:
    covariance = 0.02**2 * np.eye(3)
    return Person(
        tuple(
            Keypoint(name, State.NOT_ANSWERED)
            if name in missing
            else Keypoint(name, State.MEASURED, position=point, covariance=covariance)
            for name, point in zip(JOINTS, points, strict=True)
        ),
        None,
    )


def fitted(points: NDArray[np.float64], missing: tuple[str, ...] = ()) -> Body:
    body = fit_body(BodyRecovery(), person(points, missing), stamp_ns=1)
    assert body is not None
    return body


def serialized(types: RosTypes, message: Any, kind: str) -> Any:
    return types.deserialize(types.serialize(message, kind), kind)


def axes(orientation: Any) -> NDArray[np.float64]:
    """Return the rotation matrix of a geometry_msgs/Quaternion."""
    x, y, z, w = orientation.x, orientation.y, orientation.z, orientation.w
    vector = np.array([x, y, z])
    assert vector @ vector + w * w == pytest.approx(1.0)
    crossed = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * crossed + 2 * crossed @ crossed


def test_each_joint_has_its_place_orientation_and_doubt(
    types: RosTypes, messages: Messages, result: Result, true: NDArray[np.float64]
) -> None:
    message = body_joints(messages, result, CAMERA, fitted(true))
    message = serialized(types, message, topics.BODY_JOINTS.type)
    assert tuple(message.names) == JOINTS
    found = np.array([[pose.position.x, pose.position.y, pose.position.z] for pose in message.poses])
    np.testing.assert_allclose(found, true, atol=0.02)
    forward, left, up = axes(message.poses[JOINTS.index("pelvis")].orientation).T
    np.testing.assert_allclose([forward, left, up], [[0, 0, -1], [1, 0, 0], [0, -1, 0]], atol=0.2)
    assert 0.0 < min(message.standard_deviations) <= max(message.standard_deviations) < 0.05
    assert message.header.frame_id == CAMERA.frame_id


def test_positions_and_orientations_are_placed_in_the_target_frame(
    types: RosTypes, messages: Messages, result: Result, true: NDArray[np.float64]
) -> None:
    message = serialized(types, body_joints(messages, result, TURNED, fitted(true)), topics.BODY_JOINTS.type)
    pelvis = message.poses[JOINTS.index("pelvis")]
    np.testing.assert_allclose(
        [pelvis.position.x, pelvis.position.y, pelvis.position.z],
        [true[0, 2] + 0.1, -true[0, 0] + 0.2, -true[0, 1] + 1.5],
        atol=0.02,
    )
    np.testing.assert_allclose(axes(pelvis.orientation), np.diag([-1.0, -1.0, 1.0]), atol=0.2)


def test_a_limb_without_keypoints_is_left_out_and_grey(
    types: RosTypes, messages: Messages, result: Result, true: NDArray[np.float64]
) -> None:
    body = fitted(true, missing=LEFT_ARM)
    message = body_joints(messages, result, CAMERA, body)
    assert {"left_elbow", "left_wrist"}.isdisjoint(message.names)
    assert "right_wrist" in message.names
    frames = [each.child_frame_id for each in body_transforms(messages, result, body, "person/body/")]
    assert frames == [f"person/body/{name}" for name in message.names]
    marker = serialized(types, body_marker(messages, result, CAMERA, body, 0.5), topics.BODY.type)
    opacities = {round(color.a, 2) for color in marker.colors}
    assert opacities == {0.9, 0.25}
    assert len(marker.colors) == len(marker.points)
    whole = body_marker(messages, result, CAMERA, fitted(true), 0.5)
    assert (round(whole.color.a, 2), whole.colors) == (0.9, [])


def test_the_surface_surrounds_the_joints(
    types: RosTypes, messages: Messages, result: Result, true: NDArray[np.float64]
) -> None:
    marker = serialized(types, body_marker(messages, result, CAMERA, fitted(true), 0.5), topics.BODY.type)
    assert (marker.type, marker.action) == (marker.TRIANGLE_LIST, marker.ADD)
    assert (marker.scale.x, marker.scale.y, marker.scale.z) == (1.0, 1.0, 1.0)
    corners = np.array([[point.x, point.y, point.z] for point in marker.points])
    assert len(corners) == 3 * len(BodyRecovery().template.display_triangles)
    assert (corners.min(axis=0) < true.min(axis=0)).all()
    assert (corners.max(axis=0) > true.max(axis=0)).all()


def test_too_few_joints_are_no_body(
    types: RosTypes, messages: Messages, result: Result, true: NDArray[np.float64]
) -> None:
    arm = person(true).with_joints(("left_shoulder", "left_elbow", "left_wrist"))
    assert fit_body(BodyRecovery(), arm, stamp_ns=1) is None
    joints = serialized(types, body_joints(messages, result, CAMERA, None), topics.BODY_JOINTS.type)
    marker = serialized(types, body_marker(messages, result, CAMERA, None, 0.5), topics.BODY.type)
    assert (len(joints.names), len(joints.poses), len(joints.standard_deviations)) == (0, 0, 0)
    assert (marker.action, len(marker.points)) == (marker.DELETE, 0)


class Subscribed:
    """Outputs that drop everything; all topics have a subscriber."""

    def publish(self, topic: Topic, message: Any) -> None: ...

    def subscribers(self, topic: Topic) -> int:
        return 1

    def retire(self, retired: Iterable[Topic]) -> None: ...

    def broadcast(self, transforms: list[Any]) -> None: ...

    def place(self, frame_id: str, stamp: int) -> Placement:
        return TURNED


def asked(frame_id: str = "", x: float = 0.0, y: float = 0.0, z: float = 1.0, max_age: float = 0.0) -> SimpleNamespace:
    """Return a request about a vertical segment, 0.2 m long."""
    start, end = SimpleNamespace(x=x, y=y, z=z), SimpleNamespace(x=x, y=y, z=z + 0.2)
    return SimpleNamespace(frame_id=frame_id, start=start, end=end, max_age=max_age)


def test_the_distance_is_that_in_the_frame_of_the_poses(
    messages: Messages, result: Result, true: NDArray[np.float64]
) -> None:
    output = BodyOutput(messages, Subscribed(), Parameters())
    with pytest.raises(BodyUnavailableError, match="no body"):
        output.distance(asked(), STAMP_NS)
    body = fitted(true)
    assert len(output.prepare(result, TURNED, Bodies(body))) == 3, "joints, surface, TF"
    spine = true[JOINTS.index("spine2")]
    height = 1.5 - spine[1]
    answer = output.distance(asked("base", x=0.1, y=0.2 - spine[0], z=height - 0.1), STAMP_NS)
    assert answer["supported"] is True
    vertices = TURNED.points(body.vertices.astype(np.float64))
    away = vertices - np.array([0.1, 0.2 - spine[0], height])
    away[:, 2] = np.maximum(np.abs(away[:, 2]) - 0.1, 0.0)
    to_vertices = float(np.linalg.norm(away, axis=1).min())
    assert to_vertices - 0.03 < answer["distance"] <= to_vertices + 1e-6
    ends = [np.array([place.x, place.y, place.z]) for place in (answer["on_body"], answer["on_segment"])]
    assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(answer["distance"])
    assert ends[1][0] == pytest.approx(0.1)
    assert 0.0 < answer["standard_deviation"] < 0.1
    inside = output.distance(asked(x=0.1 + spine[2], y=0.2 - spine[0], z=height - 0.1), STAMP_NS)
    assert inside["distance"] == 0.0
    with pytest.raises(TaihriError, match="in 'map', but this node answers in 'base'"):
        output.distance(asked("map"), STAMP_NS)
    with pytest.raises(BodyUnavailableError, match=r"0\.6 s old"):
        output.distance(asked(), STAMP_NS + 600_000_000)
    assert output.distance(asked(max_age=1.0), STAMP_NS + 600_000_000)["distance"] > 0
    output.prepare(result, TURNED, Bodies())
    with pytest.raises(BodyUnavailableError, match="no body"):
        output.distance(asked(), STAMP_NS)


@pytest.mark.filterwarnings("error")
def test_parts_outside_of_the_field_of_view_are_not_drawn(result: Result, true: NDArray[np.float64]) -> None:
    """A strong barrel distortion ends the field of view of the lens model between the middle and the arms."""
    matrix = np.array([[300.0, 0, 319.5], [0, 300.0, 239.5], [0, 0, 1]])
    camera = Camera(640, 480, matrix, np.array([-3.0, 0.0, 0.0, 0.0, 0.0]), DistortionModel.PLUMB_BOB)
    body = fitted(true)
    assert np.isnan(camera.project(body.vertices)).any()
    estimate = dataclasses.replace(result.estimate, person=Person((), None))
    image = np.zeros((480, 640, 3), np.uint8)
    plain = draw_overlay(image, estimate, camera=camera)
    changed = (plain != draw_overlay(image, estimate, camera=camera, body=body)).any(axis=2)
    assert 0.0 < changed.mean() < 0.3


def test_the_overlay_shows_the_outline(result: Result, true: NDArray[np.float64]) -> None:
    matrix = np.array([[300.0, 0, 319.5], [0, 300.0, 239.5], [0, 0, 1]])
    camera = Camera(640, 480, matrix, np.array([]), DistortionModel.NONE)
    image = np.zeros((480, 640, 3), np.uint8)
    estimate = dataclasses.replace(result.estimate, person=Person((), None))
    plain = draw_overlay(image, estimate, camera=camera)
    drawn = draw_overlay(image, estimate, camera=camera, body=fitted(true))
    changed = (plain != drawn).any(axis=2)
    column, row = np.round(camera.project(true[JOINTS.index("spine2")])[0]).astype(int)
    assert changed[row, column], "the body is shaded"
    assert 0.02 < changed.mean() < 0.5
