"""The planner of the demo, one ROS 2 node: sends commands, and records answers, images and the ground truth."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.commands.command import Command, parse_command
from taihri_ros.demo.people import PeopleRecord
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, QoS, RosTypes, resolve
from taihri_ros.node.diagnostics import Report
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, stamp_ns
from taihri_ros.node.received_messages import read_body_joints, read_person, read_poses, read_stages_ms
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.estimate import Estimate, PersonInFrame
from taihri_ros.pipeline.people.person_track import TrackedPerson, TrackState
from taihri_ros.resources import share_directory
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.synthetic.robot_camera import NODE_NAME, TRUE_PEOPLE, TRUTH

_PICTURES_KEPT = 64
"""Number of images kept until their answer arrives: more than six seconds at 10 Hz."""

_BODY_FRAME = re.compile(r"person_(?P<id>\w+)/body/(?P<joint>\w+)")
"""TF frames of the bodies of several people, with the node's default `tf_prefix`."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The node's answer for one image.

    Attributes:
        stamp_ns: The image's stamp in nanoseconds.
        estimate: The command and the joints, as published.
        picture: The image, (height, width, 3) uint8 RGB; None if it was not received.
    """

    stamp_ns: int
    estimate: Estimate
    picture: NDArray[np.uint8] | None


@dataclass
class Record:
    """Everything that the planner has received.

    Attributes:
        camera: The camera; None before its first camera_info.
        truths: True joint positions by the image's stamp (ns), (22, 3) metres each, camera optical frame.
        answers: The answers, in order of arrival.
        latencies_ms: Time from each image's stamp to the arrival of its keypoints.
        empty: Number of keypoint messages without a pose.
        body_joints: Joints of the body by the image's stamp (ns): (22, 3) metres, camera optical frame, NaN where no
            keypoint showed them; and (22,) their standard deviations, metres. Empty without `body.enabled`.
        people: What was received about several people; empty without `people.enabled`.
        transforms: Number of transforms by TF frame.
        statuses: The newest diagnostics by part of the node, such as `engine`.
    """

    camera: Camera | None = None
    truths: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    empty: int = 0
    body_joints: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)
    people: PeopleRecord = field(default_factory=PeopleRecord)
    transforms: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, Report] = field(default_factory=dict)


class Planner:
    """A node that sends commands to /taihri, and records what it and the simulated camera publish.

    Use it as a context manager, or call `close`.
    """

    def __init__(self) -> None:
        """Join the ROS 2 graph."""
        self.record = Record()
        self._lock = Lock()
        self._pictures: dict[int, NDArray[np.uint8]] = {}
        types = RosTypes("jazzy", share_directory())
        self._messages = Messages(types.message)
        self._node = DdsNode("taihri_demo", types=types)
        self._command = self._node.publisher(topics.COMMAND.type, _name(topics.COMMAND))
        for topic, callback in (
            (topics.CAMERA_INFO, self._on_camera_info),
            (topics.KEYPOINTS, self._on_keypoints),
            (topics.PERSON, self._on_person),
            (topics.PEOPLE, self._on_people),
            (topics.BODY_JOINTS, self._on_body_joints),
            (topics.TRANSFORMS, self._on_transforms),
            (topics.DIAGNOSTICS, self._on_diagnostics),
        ):
            self._subscribe(topic.type, _name(topic), callback, QoS(reliable=topic.reliable, depth=topic.depth))
        self._subscribe(topics.IMAGE.type, _name(topics.IMAGE), self._on_image, QoS(reliable=False, depth=4))
        for topic, callback in (
            (TRUTH, self._on_truth),
            (TRUE_PEOPLE, self._on_true_people),
            (topics.DETECTIONS, self._on_detections),
        ):
            self._subscribe(topic.type, resolve(topic.name, NODE_NAME), callback, QoS(depth=topic.depth))

    def send_command(self, text: str) -> None:
        """Publish a command."""
        self._command.publish(self._messages.make(topics.COMMAND.type, data=text))

    def status(self, name: str) -> Report | None:
        """Return the newest diagnostics of a part of the node, such as `engine`; None before the first."""
        with self._lock:
            return self.record.statuses.get(name)

    def close(self) -> None:
        """Leave the graph."""
        self._node.close()

    def __enter__(self) -> Planner:
        """Return the planner itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the planner."""
        self.close()

    def _subscribe(self, msg_type: str, topic: str, callback: Any, qos: QoS) -> None:
        def locked(message: Any) -> None:
            with self._lock:
                callback(message)

        self._node.subscribe(msg_type, topic, locked, qos)

    def _on_camera_info(self, message: Any) -> None:
        self.record.camera = self.record.camera or Camera.from_info(message)

    def _on_image(self, message: Any) -> None:
        self._pictures[stamp_ns(message.header)] = decode_image(message)
        if len(self._pictures) > _PICTURES_KEPT:
            del self._pictures[min(self._pictures)]

    def _on_truth(self, message: Any) -> None:
        self.record.truths[stamp_ns(message.header)] = read_poses(message)

    def _on_true_people(self, message: Any) -> None:
        self.record.people.truths[stamp_ns(message.header)] = read_poses(message).reshape(-1, len(JOINTS), 3)

    def _on_detections(self, message: Any) -> None:
        visible = frozenset(int(detection.id) for detection in message.detections)
        self.record.people.visible[stamp_ns(message.header)] = visible

    def _on_keypoints(self, message: Any) -> None:
        self.record.latencies_ms.append((time.time_ns() - stamp_ns(message.header)) / 1e6)
        self.record.empty += not message.poses

    def _on_person(self, message: Any) -> None:
        stamp = stamp_ns(message.header)
        self.record.answers.append(Answer(stamp, _estimate(message), self._pictures.pop(stamp, None)))

    def _on_people(self, message: Any) -> None:
        stamp = stamp_ns(message.header)
        self.record.people.latencies_ms[stamp] = (time.time_ns() - stamp) / 1e6
        self.record.people.tracked[stamp] = tuple(map(_tracked, message.people))

    def _on_body_joints(self, message: Any) -> None:
        self.record.body_joints[stamp_ns(message.header)] = read_body_joints(message)

    def _on_transforms(self, message: Any) -> None:
        self.record.transforms.update(transform.child_frame_id for transform in message.transforms)
        for transform in message.transforms:
            if (found := _BODY_FRAME.fullmatch(transform.child_frame_id)) is not None:
                bodies = self.record.people.bodies[stamp_ns(transform.header)]
                joints = bodies.setdefault(found["id"], np.full((len(JOINTS), 3), np.nan))
                at = transform.transform.translation
                joints[INDEX[found["joint"]]] = at.x, at.y, at.z

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {entry.key: entry.value for entry in status.values}
            part = status.name.removeprefix("taihri: ")
            self.record.statuses[part] = Report(status.level, status.message, values)


def _estimate(message: Any) -> Estimate:
    """Convert a taihri_ros/HumanKeypoints to an estimate."""
    command = parse_command(message.command) or Command(message.command)
    stages_ms = read_stages_ms(message)
    return Estimate(command, read_person(message), answer="", stages_ms=stages_ms, model=message.model)


def _tracked(message: Any) -> PersonInFrame:
    """Convert a taihri_ros/TrackedPerson."""
    state = list(TrackState)[message.state]
    is_seen = message.since_seen == 0.0 and state is not TrackState.ENDED
    track = TrackedPerson(
        id=message.id,
        root=np.array([message.position.x, message.position.y, message.position.z]),
        velocity=np.array([message.velocity.x, message.velocity.y, message.velocity.z]),
        covariance=np.reshape(message.covariance, (3, 3)),
        age_s=message.age,
        since_seen_s=message.since_seen,
        state=state,
        detection=0 if is_seen else None,
    )
    return PersonInFrame(track, _estimate(message.joints).person if is_seen else None, message.selected)


def _name(topic: Topic) -> str:
    """Return the absolute name of one of the node's topics."""
    return resolve(topic.name, "taihri")
