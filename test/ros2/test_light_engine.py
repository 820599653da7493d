"""The launch argument engine:=mediapipe: the light engine answers images without a checkpoint being named."""

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
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from robot import Diagnosis, Robot, wait_for
from taihri_ros.msg import HumanKeypoints

DOMAIN = new_domain()


@pytest.mark.launch_test
def generate_test_description() -> LaunchDescription:
    os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
    file = f"{get_package_share_directory('taihri_ros')}/launch/taihri.launch.py"
    arguments = {"engine": "mediapipe", "engine_python": engines.light_python(), "command": "shake my hand"}
    node = IncludeLaunchDescription(PythonLaunchDescriptionSource(file), launch_arguments=arguments.items())
    return LaunchDescription([node, launch_testing.actions.ReadyToTest()])


class TestLightEngine(unittest.TestCase):
    robot: ClassVar[Robot]

    @classmethod
    def setUpClass(cls) -> None:
        cls.robot = Robot(DOMAIN)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.robot.__exit__()

    def test_it_finds_nobody_in_noise_and_the_task_table_chooses_the_joints(self) -> None:
        diagnosis = Diagnosis(self.robot)
        people = self.robot.listen(HumanKeypoints, "/taihri/person")
        self.robot.start_camera()
        wait_for(lambda: people, 120)
        kind = wait_for(lambda: diagnosis.values("taihri: engine").get("kind"))
        assert kind.startswith("mediapipe")
        assert people[-1].command == "shake my hand"
        names = {keypoint.name for keypoint in people[-1].keypoints}
        assert names == {"right_elbow", "right_wrist"}
        assert all(keypoint.state != keypoint.MEASURED for keypoint in people[-1].keypoints)


@launch_testing.post_shutdown_test()
class TestShutdown(unittest.TestCase):
    def test_every_process_exits_cleanly(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
