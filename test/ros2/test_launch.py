"""End to end: the launch file and vLLM in its process, from images and a command to every output."""

from __future__ import annotations

import os
import unittest
from typing import Any, ClassVar

import engines
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import pytest
from ament_index_python.packages import get_package_share_directory
from domains import new_domain
from geometry_msgs.msg import PoseArray
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from robot import Diagnosis, Robot, wait_for
from sensor_msgs.msg import CompressedImage
from taihri_ros.msg import HumanKeypoints
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from taihri_ros.camera.picture_decoder import decode_picture

DOMAIN = new_domain()


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
    file = f"{get_package_share_directory('taihri_ros')}/launch/taihri.launch.py"
    arguments = {
        "model": engines.checkpoint(),
        "engine": "vllm",
        "engine_python": engines.python(),
        "image": "/camera/image_raw",
        "camera_info": "/camera/camera_info",
        "command": "left_wrist, right_wrist",
    }
    node = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=arguments.items())
    return LaunchDescription([node, launch_testing.actions.ReadyToTest()])


class TestEndToEnd(unittest.TestCase):
    robot: ClassVar[Robot]
    diagnosis: ClassVar[Diagnosis]

    @classmethod
    def setUpClass(cls) -> None:
        cls.robot = Robot(DOMAIN)
        cls.diagnosis = Diagnosis(cls.robot)
        cls.robot.start_camera("/camera/image_raw", "/camera/camera_info")
        wait_for(lambda: cls.diagnosis.values("taihri: engine").get("state") in ("ready", "busy"), 180)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.robot.__exit__()

    def receive(self, message_type: Any, topic: str, number: int = 2) -> list[Any]:
        messages = self.robot.listen(message_type, topic)
        wait_for(lambda: len(messages) >= number)
        return messages

    def test_keypoints(self) -> None:
        for message in self.receive(PoseArray, "/taihri/keypoints"):
            assert self.robot.has_stamp_of_image(message.header)
            assert all(pose.orientation.w == 1.0 for pose in message.poses)

    def test_person(self) -> None:
        for message in self.receive(HumanKeypoints, "/taihri/person"):
            assert self.robot.has_stamp_of_image(message.header)
            assert message.command == "left_wrist, right_wrist"
            assert [keypoint.name for keypoint in message.keypoints] == ["left_wrist", "right_wrist"]
            assert len(message.stages) == len(message.durations) > 5

    def test_person_and_keypoints_agree(self) -> None:
        people, poses = (
            self.robot.listen(HumanKeypoints, "/taihri/person"),
            self.robot.listen(PoseArray, "/taihri/keypoints"),
        )
        wait_for(lambda: len(people) > 2 and len(poses) > 2)
        by_stamp = {(person.header.stamp.sec, person.header.stamp.nanosec): person for person in people}
        pairs = [(by_stamp.get((pose.header.stamp.sec, pose.header.stamp.nanosec)), pose) for pose in poses]
        pairs = [(person, pose) for person, pose in pairs if person]
        assert pairs
        for person, pose in pairs:
            located = [keypoint.position for keypoint in person.keypoints if keypoint.state == keypoint.MEASURED]
            assert [each.position for each in pose.poses] == located

    def test_tf(self) -> None:
        for transform in (each for message in self.receive(TFMessage, "/tf") for each in message.transforms):
            assert self.robot.has_stamp_of_image(transform.header)
            assert transform.child_frame_id in ("person/left_wrist", "person/right_wrist")

    def test_markers(self) -> None:
        for message in self.receive(MarkerArray, "/taihri/markers"):
            for marker in message.markers:
                assert self.robot.has_stamp_of_image(marker.header)
                assert marker.lifetime.nanosec == 500_000_000

    def test_overlay(self) -> None:
        for message in self.receive(CompressedImage, "/taihri/overlay/compressed", 1):
            assert self.robot.has_stamp_of_image(message.header)
            assert decode_picture(message.data).shape == (240, 320, 3)

    def test_diagnostics(self) -> None:
        wait_for(lambda: self.diagnosis.values("taihri: perception").get("published", "0") > "0")
        levels = {name: self.diagnosis.status(f"taihri: {name}").level for name in ("node", "engine", "input")}
        assert set(levels.values()) == {b"\x00"}, levels
        values = self.diagnosis.values("taihri: perception")
        dropped = sum(int(count) for name, count in values.items() if name.startswith("dropped."))
        assert int(values["frames_in"]) == int(values["published"]) + dropped + int(values["pending"])
        assert float(values["engine_ms.p50"]) > 0
        assert self.diagnosis.values("taihri: engine")["kind"].startswith("vllm")

    def test_a_changed_parameter_is_logged(self) -> None:
        log = self.robot.listen(Log, "/rosout")
        change = [Parameter("marker_lifetime_s", value=0.5).to_parameter_msg()]
        wait_for(lambda: self.robot.call(SetParameters, "/taihri/set_parameters", parameters=change) and log)
        expected = "marker_lifetime_s = 0.5"
        wait_for(lambda: any(entry.msg == expected and entry.name == "taihri" for entry in log))


@launch_testing.post_shutdown_test()
class TestShutdown(unittest.TestCase):
    def test_every_process_exits_cleanly(self, proc_info: Any, proc_output: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
        for process in proc_info:
            assert not any(b"Traceback" in entry.text for entry in proc_output[process.action])
