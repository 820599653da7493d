"""A ROS 2 node that moves an arm to the person as the command says. It hears the topics of /taihri and nothing else.

`python3 reach.py --ros-args -p max_age:=1.0 -p frame:=base_link`: older images are stale, other frames are refused.
"""

import signal
from contextlib import suppress

import rclpy
from controller import KEPT, PERIOD, Controller
from planning import Planner
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String
from taihri_ros.msg import ActiveCommand, BodyJoints, HumanKeypoints

from taihri_ros.demo.simulated_arm import SimulatedArm  # yours


class Reach(Node):
    """Publishes /joint_states and /reach/status."""

    def __init__(self) -> None:
        super().__init__("reach")
        self._arm = SimulatedArm(kept_m=KEPT + 0.03)
        chosen = [self.declare_parameter(name, value).value for name, value in (("max_age", 0.5), ("frame", ""))]
        planner = Planner(self._arm.shoulder, self._arm.reach, *chosen)
        self._controller = Controller(planner, self._arm)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ActiveCommand, "/taihri/active_command", planner.on_command, latched)
        self.create_subscription(HumanKeypoints, "/taihri/person", planner.on_person, 10)
        self.create_subscription(BodyJoints, "/taihri/body_joints", planner.on_body, 10)
        self._states = self.create_publisher(JointState, "/joint_states", 10)
        self._status = self.create_publisher(String, "/reach/status", 10)
        self.create_timer(PERIOD, self._step)

    def _step(self) -> None:
        now = self.get_clock().now()
        self._status.publish(String(data=self._controller.step(now.nanoseconds / 1e9)))
        header = Header(stamp=now.to_msg())
        self._states.publish(JointState(header=header, name=self._arm.joints, position=self._arm.angles.tolist()))


if __name__ == "__main__":
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # a context that ends in a step would make it fail
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        rclpy.spin(Reach())
