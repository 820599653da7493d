"""Bodies and people through the rclpy host: a picture of a real person, the light engine, a detector, and ROS4HRI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import engines
import numpy as np
import pytest
from geometry_msgs.msg import Point
from hosted import ACTIVATE, CONFIGURE, DEACTIVATE, Hosted, change
from person_camera import person_in_view
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import Diagnosis, Robot, wait_for
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from taihri_ros.msg import BodyJoints, HumanKeypoints, People
from taihri_ros.srv import Distance
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

hri_msgs = pytest.importorskip("hri_msgs.msg", reason="hri_msgs (ROS4HRI) is not installed")


@pytest.fixture(scope="module")
def robot(robot: Robot) -> Iterator[Robot]:
    """The robot with a camera that sees a person, and a detector."""
    with person_in_view(robot):
        yield robot


@pytest.fixture(scope="module")
def active(domain: int, robot: Robot) -> Iterator[Hosted]:
    parameters = {
        "engine.kind": "mediapipe",
        "engine.python": engines.light_python(),
        "command.initial": "left_shoulder, right_shoulder",
        "people.enabled": True,
        "people.detections": True,
        "people.tolerance_s": 1.0,
        "body.enabled": True,
        "ros4hri.enabled": True,
        "min_presence": 0.0,
        "diagnostics_period_s": 0.2,
    }
    with Hosted(domain, parameters) as hosted:
        diagnosis = Diagnosis(robot)
        assert change(robot, CONFIGURE)
        diagnosis.wait_until_ready()
        assert change(robot, ACTIVATE)
        yield hosted
        assert change(robot, DEACTIVATE)


def receive(robot: Robot, kind: Any, topic: str, wanted: Any = bool) -> Any:
    """Return the newest message of a topic that is as wanted."""
    messages = robot.listen(kind, topic)
    return wait_for(lambda: next((each for each in reversed(messages) if wanted(each)), None), 60)


def test_people_have_ids_and_one_is_selected(active: Hosted, robot: Robot) -> None:
    message = receive(robot, People, "/taihri/people", lambda each: each.people and each.people[0].selected)
    (person,) = message.people
    assert len(person.id) == 5
    assert person.state == person.CONFIRMED
    assert {keypoint.name for keypoint in person.joints.keypoints} == {"left_shoulder", "right_shoulder"}
    assert 0.3 < person.position.z < 10.0
    selected = receive(robot, HumanKeypoints, "/taihri/person", lambda each: each.keypoints)
    assert {keypoint.state for keypoint in selected.keypoints} == {selected.keypoints[0].MEASURED}


def test_a_body_is_published_as_joints_mesh_and_frames(active: Hosted, robot: Robot) -> None:
    joints = receive(robot, BodyJoints, "/taihri/body_joints", lambda each: each.names)
    assert len(joints.names) == len(joints.poses) == len(joints.standard_deviations) >= 20
    for pose in joints.poses:
        q = pose.orientation
        assert np.linalg.norm([q.x, q.y, q.z, q.w]) == pytest.approx(1.0, abs=1e-6)
    mesh = receive(robot, Marker, "/taihri/body", lambda each: each.points)
    assert mesh.type == Marker.TRIANGLE_LIST
    assert len(mesh.points) % 3 == 0
    assert receive(robot, MarkerArray, "/taihri/markers", lambda each: each.markers)
    frames = receive(robot, TFMessage, "/tf", lambda each: "person/body/" in each.transforms[0].child_frame_id)
    assert all(each.header.frame_id for each in frames.transforms)


def test_the_distance_of_a_segment_from_the_body_is_measured(active: Hosted, robot: Robot) -> None:
    joints = receive(robot, BodyJoints, "/taihri/body_joints", lambda each: each.names)
    at = joints.poses[0].position
    start, end = (Point(x=at.x, y=at.y, z=at.z - beside) for beside in (0.4, 0.5))

    def ask() -> Any:
        answer = robot.call(Distance, "/taihri/distance", start=start, end=end, max_age=10.0)
        return answer if answer.success else None

    answer = wait_for(ask)
    assert 0.0 < answer.distance < 0.6
    assert answer.joint


def test_bodies_follow_rep_155(active: Hosted, robot: Robot) -> None:
    (body,) = receive(robot, hri_msgs.IdsList, "/humans/bodies/tracked", lambda each: each.ids).ids
    name = f"/humans/bodies/{body}"
    roi = receive(robot, hri_msgs.NormalizedRegionOfInterest2D, f"{name}/roi")
    assert 0.0 <= roi.xmin < roi.xmax <= 1.0
    assert 0.0 <= roi.ymin < roi.ymax <= 1.0
    skeleton = receive(robot, hri_msgs.Skeleton2D, f"{name}/skeleton2d").skeleton
    assert len(skeleton) == 18
    assert max(point.c for point in skeleton) > 0.0
    states = receive(robot, JointState, f"{name}/joint_states")
    assert len(states.name) == len(states.position) == 22
    assert all(each.endswith(f"_{body}") for each in states.name)
    cropped = receive(robot, Image, f"{name}/cropped")
    assert len(cropped.data) == cropped.height * cropped.step > 0
    urdf: list[String] = []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    robot.node.create_subscription(String, f"{name}/urdf", urdf.append, latched)
    wait_for(lambda: urdf)
    assert f"body_{body}" in urdf[0].data
    receive(robot, TFMessage, "/tf", lambda each: any(one.child_frame_id == f"body_{body}" for one in each.transforms))
