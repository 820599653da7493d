"""The embedded host in the graph of a real ROS 2."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import engines
import pytest
from geometry_msgs.msg import PoseArray
from rclpy.utilities import get_rmw_implementation_identifier
from robot import Diagnosis, Robot, wait_for
from taihri_ros.msg import HumanKeypoints

TAIHRI = os.environ.get("TAIHRI_EMBEDDED", str(engines.ROOT / ".venv" / "bin" / "taihri"))

TOPICS = {
    "/taihri/keypoints": "geometry_msgs/msg/PoseArray",
    "/taihri/person": "taihri_ros/msg/HumanKeypoints",
    "/taihri/markers": "visualization_msgs/msg/MarkerArray",
    "/taihri/overlay/compressed": "sensor_msgs/msg/CompressedImage",
    "/taihri/command": "std_msgs/msg/String",
    "/image": "sensor_msgs/msg/Image",
    "/camera_info": "sensor_msgs/msg/CameraInfo",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    "/tf": "tf2_msgs/msg/TFMessage",
}


@pytest.fixture(scope="module", autouse=True)
def embedded(domain: int, engine_python: str, checkpoint: str) -> Iterator[None]:
    if get_rmw_implementation_identifier() != "rmw_cyclonedds_cpp":
        pytest.skip("this test needs RMW_IMPLEMENTATION=rmw_cyclonedds_cpp")
    if not Path(TAIHRI).exists():
        pytest.skip(f"{TAIHRI} is missing: make .venv/.ready, or set TAIHRI_EMBEDDED to the taihri command")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [TAIHRI, "run", "--model", checkpoint, "--engine", "transformers", "--engine-python", engine_python]
    process = subprocess.Popen(command, env=environment | {"ROS_DOMAIN_ID": str(domain)})
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_the_graph_shows_the_node_and_its_topics_with_their_types(robot: Robot) -> None:
    wait_for(lambda: ("taihri", "/") in robot.node.get_node_names_and_namespaces())
    wait_for(lambda: TOPICS.keys() <= dict(robot.node.get_topic_names_and_types()).keys())
    types = dict(robot.node.get_topic_names_and_types())
    assert {topic: types[topic] for topic in TOPICS} == {topic: [name] for topic, name in TOPICS.items()}
    publishers = dict(robot.node.get_publisher_names_and_types_by_node("taihri", "/"))
    assert publishers["/taihri/keypoints"] == ["geometry_msgs/msg/PoseArray"]


def test_the_type_hash_equals_the_one_of_ros(robot: Robot) -> None:
    (theirs,) = robot.node.get_publishers_info_by_topic("/taihri/person")
    ours = robot.node.create_publisher(HumanKeypoints, "/elsewhere", 1)
    (mine,) = wait_for(lambda: robot.node.get_publishers_info_by_topic("/elsewhere"))
    robot.node.destroy_publisher(ours)
    if not hasattr(mine, "topic_type_hash"):
        pytest.skip("this ROS has no type hashes")
    assert str(theirs.topic_type_hash) == str(mine.topic_type_hash)


def test_images_are_answered_with_poses(robot: Robot) -> None:
    diagnosis = Diagnosis(robot)
    poses, people = robot.listen(PoseArray, "/taihri/keypoints"), robot.listen(HumanKeypoints, "/taihri/person")
    robot.start_camera()
    diagnosis.wait_until_ready()
    robot.send_command("left_wrist")
    wait_for(lambda: len(poses) > 1 and len(people) > 1)
    assert all(robot.has_stamp_of_image(message.header) for message in [*poses, *people])
    assert people[-1].keypoints[0].name == "left_wrist"
