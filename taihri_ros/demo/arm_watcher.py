"""Watches the simulated arm of the demo: what it did, where it was, and where the person really was."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS, RosTypes, resolve
from taihri_ros.node.diagnostics import Report
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, stamp_ns
from taihri_ros.resources import share_directory
from taihri_ros.synthetic.robot_camera import NODE_NAME, TRUTH

_PICTURE_WIDTH = 320


@dataclass(frozen=True, eq=False)
class Sample:
    """The arm at one moment.

    Attributes:
        time_ns: Time of the joint state, nanoseconds.
        angles: (7,) radians.
        status: What the arm said that it was doing.
    """

    time_ns: int
    angles: NDArray[np.float64]
    status: str


@dataclass
class ArmRecord:
    """Everything that the watcher has received.

    Attributes:
        camera: The camera; None before its first camera_info.
        commands: What was said, with the time in nanoseconds.
        samples: The arm, in order of arrival.
        truths: (22, 3) true joints by the image's stamp (ns), metres, camera optical frame.
        pictures: JPEG of the images by stamp (ns), 320 px wide.
        answers: Stamps of the answered images (ns).
    """

    camera: Camera | None = None
    commands: list[tuple[int, str]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    truths: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    pictures: dict[int, bytes] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)


class ArmWatcher:
    """A node that sends commands to /taihri, and records what the arm and the simulated camera publish.

    Use it as a context manager, or call `close`.

    Attributes:
        record: What was received.
        doing: What the arm says that it is doing; empty before it says anything.
    """

    def __init__(self) -> None:
        """Join the ROS 2 graph."""
        self.record = ArmRecord()
        self.doing = ""
        self._statuses: dict[str, Report] = {}
        types = RosTypes("jazzy", share_directory())
        self._messages = Messages(types.message)
        self._node = DdsNode("taihri_arm_watcher", types=types)
        self._command = self._node.publisher(topics.COMMAND.type, resolve(topics.COMMAND.name, topics.NODE_NAME))
        for kind, name, callback, qos in (
            ("sensor_msgs/msg/JointState", "/joint_states", self._on_joints, QoS(depth=50)),
            ("std_msgs/msg/String", "/reach/status", self._on_status, QoS(depth=50)),
            (TRUTH.type, resolve(TRUTH.name, NODE_NAME), self._on_truth, QoS(depth=TRUTH.depth)),
            (topics.PERSON.type, resolve(topics.PERSON.name, topics.NODE_NAME), self._on_person, QoS(depth=10)),
            (topics.DIAGNOSTICS.type, topics.DIAGNOSTICS.name, self._on_diagnostics, QoS(depth=10)),
            (topics.CAMERA_INFO.type, f"/{topics.CAMERA_INFO.name}", self._on_camera_info, QoS(depth=10)),
            (topics.IMAGE.type, f"/{topics.IMAGE.name}", self._on_image, QoS(reliable=False, depth=4)),
        ):
            self._node.subscribe(kind, name, callback, qos)

    def say(self, text: str) -> None:
        """Publish a command."""
        self.record.commands.append((time.time_ns(), text))
        self._command.publish(self._messages.make(topics.COMMAND.type, data=text))

    def status(self, name: str) -> Report | None:
        """Return the newest diagnostics of a part of the node, such as `engine`; None before the first."""
        return self._statuses.get(name)

    def close(self) -> None:
        """Leave the graph."""
        self._node.close()

    def __enter__(self) -> ArmWatcher:
        """Return the watcher itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the watcher."""
        self.close()

    def _on_joints(self, message: Any) -> None:
        self.record.samples.append(Sample(stamp_ns(message.header), np.array(message.position), self.doing))

    def _on_status(self, message: Any) -> None:
        self.doing = message.data

    def _on_truth(self, message: Any) -> None:
        points = [(at.x, at.y, at.z) for at in (pose.position for pose in message.poses)]
        self.record.truths[stamp_ns(message.header)] = np.array(points)

    def _on_person(self, message: Any) -> None:
        self.record.answers.append(stamp_ns(message.header))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {entry.key: entry.value for entry in status.values}
            self._statuses[status.name.removeprefix("taihri: ")] = Report(status.level, status.message, values)

    def _on_camera_info(self, message: Any) -> None:
        self.record.camera = self.record.camera or Camera.from_info(message)

    def _on_image(self, message: Any) -> None:
        picture = decode_image(message)
        size = (_PICTURE_WIDTH, round(_PICTURE_WIDTH * picture.shape[0] / picture.shape[1]))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        self.record.pictures[stamp_ns(message.header)] = jpeg.tobytes()
