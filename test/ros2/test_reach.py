"""The example of an arm that reaches, as a node on rclpy: it shakes a hand, and stops with its reasons."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from required import ROOT, require
from robot import wait_for
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from taihri_ros.msg import ActiveCommand, HumanKeypoints, Keypoint

ARM_PYTHON = os.environ.get("TAIHRI_ARM_PYTHON", sys.executable)
"""Python interpreter that has ROS's packages, MuJoCo and mink."""

HAND = {"right_elbow": (-0.22, 0.1, 1.2), "right_wrist": (-0.12, 0.12, 0.95)}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Person:
    """Somebody who holds out a hand, a node like /taihri that sees it, and what the arm answers."""

    def __init__(self, context: Context) -> None:
        self.node = rclpy.create_node("taihri", context=context)
        self.executor = SingleThreadedExecutor(context=context)
        self.executor.add_node(self.node)
        self.statuses: list[str] = []
        self.states: list[JointState] = []
        self.commands = self.node.create_publisher(ActiveCommand, "/taihri/active_command", LATCHED)
        self.people = self.node.create_publisher(HumanKeypoints, "/taihri/person", 10)
        self.node.create_subscription(String, "/reach/status", lambda message: self.statuses.append(message.data), 10)
        self.node.create_subscription(JointState, "/joint_states", self.states.append, 10)

    def say(self, text: str) -> None:
        self.commands.publish(ActiveCommand(text=text, joints=list(HAND)))

    def see(self, state: int = Keypoint.MEASURED) -> None:
        message = HumanKeypoints()
        message.header.stamp = self.node.get_clock().now().to_msg()
        for name, place in HAND.items():
            keypoint = Keypoint(name=name, state=state, covariance=(0.002**2 * np.eye(3)).ravel())
            keypoint.position.x, keypoint.position.y, keypoint.position.z = place
            message.keypoints.append(keypoint)
        self.people.publish(message)

    def sees_until(self, status: str, state: int = Keypoint.MEASURED) -> None:
        def is_reported() -> bool:
            self.see(state)
            return self.waits_once(status)

        wait_for(is_reported, 60.0)

    def waits_once(self, status: str) -> bool:
        self.executor.spin_once(timeout_sec=0.05)
        return bool(self.statuses) and self.statuses[-1].startswith(status)


@pytest.fixture
def person(domain: int) -> Iterator[Person]:
    has_arm = subprocess.run([ARM_PYTHON, "-c", "import mink, mujoco"], check=False, capture_output=True)
    require(has_arm.returncode == 0, "MuJoCo or mink", "set TAIHRI_ARM_PYTHON, see CONTRIBUTING.md")
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
    arguments = [ARM_PYTHON, str(ROOT / "examples" / "reach" / "reach.py"), "--ros-args", "-p", "max_age:=2.0"]
    context = Context()
    context.init(domain_id=domain)
    with subprocess.Popen(arguments, env=environment) as arm:
        person = Person(context)
        try:
            yield person
        finally:
            arm.terminate()
            person.executor.shutdown()
            context.try_shutdown()
    assert arm.returncode == 0


def test_it_shakes_the_hand_and_stops(person: Person) -> None:
    def wait(status: str) -> None:
        wait_for(lambda: person.waits_once(status), 60.0)

    wait("stopped: stop: no command runs")
    person.say("shake my hand")
    person.sees_until("reached: shake right_wrist")
    assert person.states[-1].name[0] == "shoulder_yaw"
    assert len(person.states[-1].position) == 7
    person.sees_until("stopped: nobody is in view", Keypoint.NOBODY)
    person.sees_until("reached: shake right_wrist")
    wait("stopped: stale: the newest image is 2.")
    person.sees_until("reached: shake right_wrist")
    person.say("")
    wait("stopped: stop: no command runs")
