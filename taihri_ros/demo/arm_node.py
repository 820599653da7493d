"""The program of `examples/reach` on the embedded participant, for machines without ROS.

`python -m taihri_ros.demo.arm_node SECONDS`: an image older than SECONDS (0.5) is stale. Planner and controller are the
example's. Its `reach.py` does the same on rclpy.
"""

from __future__ import annotations

import importlib
import queue
import signal
import sys
import time
from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np

from taihri_ros.demo.simulated_arm import SimulatedArm
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DEFAULT, LATCHED, DdsNode, QoS, RosTypes, resolve
from taihri_ros.node.messages import Messages
from taihri_ros.node.topics import Topic
from taihri_ros.resources import share_directory

_STATE, _STATUS = "sensor_msgs/msg/JointState", "std_msgs/msg/String"

EXAMPLE = share_directory() / "examples" / "reach"
"""The folder of the example."""


def example_module(name: str) -> Any:
    """Import a module of the example, such as `planning`."""
    if str(EXAMPLE) not in sys.path:
        sys.path.insert(0, str(EXAMPLE))
    return importlib.import_module(name)


def arm_and_controller(max_age_s: float = 0.5) -> tuple[SimulatedArm, Any, Any]:
    """Return a simulated arm with the example's planner and controller.

    Args:
        max_age_s: Age from which on an image is stale, seconds.

    Returns:
        The arm, its `planning.Planner` and its `controller.Controller`.
    """
    controller = example_module("controller")
    arm = SimulatedArm(kept_m=controller.KEPT + 0.03)
    planner = example_module("planning").Planner(arm.shoulder, arm.reach, max_age_s)
    return arm, planner, controller.Controller(planner, arm)


class ArmNode:
    """The node /reach. Use it as a context manager, or call `close`."""

    def __init__(self, max_age_s: float = 0.5) -> None:
        """Join the ROS 2 graph.

        Args:
            max_age_s: Age from which on an image is stale, seconds.
        """
        self._arm, self._planner, self._controller = arm_and_controller(max_age_s)
        types = RosTypes("jazzy", share_directory())
        self._messages, self._node = Messages(types.message), DdsNode("reach", types=types)
        self._received: queue.SimpleQueue[tuple[Callable[[Any], None], Any]] = queue.SimpleQueue()
        self._subscribe(topics.ACTIVE_COMMAND, self._planner.on_command, LATCHED)
        self._subscribe(topics.PERSON, self._planner.on_person)
        self._subscribe(topics.BODY_JOINTS, self._planner.on_body)
        self._states = self._node.publisher(_STATE, "/joint_states")
        self._status = self._node.publisher(_STATUS, "/reach/status")

    def step(self) -> None:
        """Take the messages that have come, move the arm, and publish where it is and what it does."""
        while not self._received.empty():
            callback, message = self._received.get()
            callback(message)
        now_ns, make, none = time.time_ns(), self._messages.make, np.empty(0)
        status = self._controller.step(now_ns / 1e9)
        header = make("std_msgs/msg/Header", stamp=self._messages.time(now_ns), frame_id="")
        angles = self._arm.angles
        self._states.publish(
            make(_STATE, header=header, name=self._arm.joints, position=angles, velocity=none, effort=none)
        )
        self._status.publish(make(_STATUS, data=status))

    def close(self) -> None:
        """Leave the graph."""
        self._node.close()

    def __enter__(self) -> ArmNode:
        """Return the node itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the node."""
        self.close()

    def _subscribe(self, topic: Topic, callback: Callable[[Any], None], qos: QoS = DEFAULT) -> None:
        def keep(message: Any) -> None:
            self._received.put((callback, message))

        self._node.subscribe(topic.type, resolve(topic.name, topics.NODE_NAME), keep, qos)


def main() -> None:
    """Run until interrupted."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ArmNode(*map(float, sys.argv[1:2])) as node:
        while not stop.wait(example_module("controller").PERIOD):
            node.step()


if __name__ == "__main__":
    main()
