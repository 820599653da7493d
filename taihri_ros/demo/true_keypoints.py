"""A node /taihri without an engine: it answers every command with the true joints of the simulated person.

`python -m taihri_ros.demo.true_keypoints` shows what a robot does when nothing is wrong with its keypoints. Commands,
choice of joints (by the task table) and messages are those of the real node.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Sequence
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.commands.tasks import Tasks
from taihri_ros.keypoints import Keypoint, Person, State
from taihri_ros.node import topics
from taihri_ros.node.dds_host import LATCHED, DdsNode, QoS, RosTypes, resolve
from taihri_ros.node.messages import Messages, Placement, stamp_ns
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.running_command import RunningCommand
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.resources import share_directory
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.robot_camera import NODE_NAME, TRUTH

DEVIATION_M = 0.002
"""Standard deviation that is published, metres."""

_OUTPUTS = (topics.KEYPOINTS, topics.PERSON, topics.BODY_JOINTS)

_NO_PIXELS = np.zeros((1, 1, 3), np.uint8)


class TrueKeypoints:
    """The node. Use it as a context manager, or call `close`."""

    def __init__(self) -> None:
        """Join the ROS 2 graph as /taihri."""
        types, parameters = RosTypes("jazzy", share_directory()), Parameters()
        self._messages = Messages(types.message)
        self._selection = JointSelection(Tasks.load())
        self._node = DdsNode(topics.NODE_NAME, types=types)
        self._publishers = {topic: self._node.publisher(topic.type, topic.name) for topic in _OUTPUTS}
        active = self._node.publisher(topics.ACTIVE_COMMAND.type, topics.ACTIVE_COMMAND.name, LATCHED)
        self._command = RunningCommand(parameters, self._messages, active.publish)
        self._command.activate(parameters, lambda _: None, self._selection.current)
        self._node.subscribe(topics.COMMAND.type, topics.COMMAND.name, self._command.on_message)
        self._node.subscribe(TRUTH.type, resolve(TRUTH.name, NODE_NAME), self._on_truth, QoS(depth=TRUTH.depth))

    def close(self) -> None:
        """Leave the graph."""
        self._node.close()

    def __enter__(self) -> TrueKeypoints:
        """Return the node itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the node."""
        self.close()

    def _on_truth(self, message: Any) -> None:
        command = self._command.command
        if command is None:
            return
        joints = np.array([(at.x, at.y, at.z) for at in (pose.position for pose in message.poses)])
        names = self._selection.current(command).joints
        for topic, answer in true_answer(self._messages, command, names, joints, message.header).items():
            self._publishers[topic].publish(answer)


def true_answer(
    messages: Messages, command: Command, names: Sequence[str], joints: NDArray[np.float64], header: Any
) -> dict[Topic, Any]:
    """Return what the node would publish about an image if it knew the true joints.

    Args:
        messages: Builds the messages.
        command: The command.
        names: The joints that it needs.
        joints: (22, 3) metres, camera optical frame.
        header: The header of the image.

    Returns:
        The messages by topic.
    """
    keypoints = tuple(
        Keypoint(
            name, State.MEASURED, position=joints[INDEX[name]], covariance=DEVIATION_M**2 * np.eye(3), confidence=1.0
        )
        for name in names
    )
    frame = Frame(stamp_ns(header), header.frame_id, lambda _: _NO_PIXELS)
    estimate = Estimate(command, Person(keypoints, None, presence=1.0), "", {}, "truth")
    result, placement = Result(estimate, frame, _NO_PIXELS, {"total": 0.0}), Placement(header.frame_id)
    body = messages.make(
        topics.BODY_JOINTS.type,
        header=header,
        names=list(JOINTS),
        poses=[messages.pose(joint) for joint in joints],
        standard_deviations=np.full(len(JOINTS), DEVIATION_M),
    )
    return {
        topics.KEYPOINTS: messages.pose_array(result, placement),
        topics.PERSON: messages.person(result, placement),
        topics.BODY_JOINTS: body,
    }


def main() -> None:
    """Run until interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with TrueKeypoints():
        stop.wait()


if __name__ == "__main__":
    main()
