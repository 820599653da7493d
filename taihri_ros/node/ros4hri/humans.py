"""Publishes the bodies of the people in each image as REP-155 (ROS4HRI) describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.kinematics import quaternions
from taihri_ros.body.recovery import Body
from taihri_ros.keypoints import Person
from taihri_ros.node.messages import Messages, Placement, tf_frame
from taihri_ros.node.outputs import Outputs
from taihri_ros.node.ros4hri.body_urdf import body_urdf
from taihri_ros.node.ros4hri.human_model import ROOT, HumanSize, human_joints, link_transforms
from taihri_ros.node.ros4hri.joint_angles import body_frame, joint_angles
from taihri_ros.node.ros4hri.skeleton import region, skeleton_points
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.frames import Result

Array = NDArray[np.float64]

TRACKED = Topic("/humans/bodies/tracked", "hri_msgs/msg/IdsList")

MAX_SIZE_CHANGE = 0.03
"""A body's URDF is published again when a length has changed by more than this share of the trunk's height."""


@dataclass(frozen=True, eq=False)
class Human:
    """A person who is tracked, at the stamp of one image.

    Attributes:
        id: Five letters; `body_<id>` is the frame of the body.
        person: All joints that were found in the image; None if the person is not seen in it.
        body: The body that fits them; None if none does.
        box: (4,) left, top, right and bottom of the person in the image, px; None if unknown.
    """

    id: str
    person: Person | None
    body: Body | None = None
    box: Array | None = None


@dataclass(frozen=True)
class BodyTopics:
    """The topics of one body."""

    roi: Topic
    cropped: Topic
    skeleton: Topic
    joint_states: Topic
    urdf: Topic

    @classmethod
    def of(cls, body_id: str) -> BodyTopics:
        """Return the topics of the body with an id."""
        name = f"/humans/bodies/{body_id}"
        return cls(
            roi=Topic(f"{name}/roi", "hri_msgs/msg/NormalizedRegionOfInterest2D"),
            cropped=Topic(f"{name}/cropped", "sensor_msgs/msg/Image", depth=1),
            skeleton=Topic(f"{name}/skeleton2d", "hri_msgs/msg/Skeleton2D"),
            joint_states=Topic(f"{name}/joint_states", "sensor_msgs/msg/JointState"),
            urdf=Topic(f"{name}/urdf", "std_msgs/msg/String", depth=1, latched=True),
        )

    @property
    def all(self) -> tuple[Topic, ...]:
        """Every topic."""
        return (self.roi, self.cropped, self.skeleton, self.joint_states, self.urdf)


class Humans:
    """The topics of everybody who is tracked.

    `prepare` must be called in the order of the frames, and again only after the messages were sent or given up.

    Attributes:
        publish_tf: Whether to broadcast the frames of the bodies; may change between two frames.
    """

    def __init__(self, messages: Messages, outputs: Outputs, *, publish_tf: bool = True) -> None:
        """Start without people.

        Args:
            messages: Builds the messages.
            outputs: Sends the messages.
            publish_tf: Whether to broadcast the frames of the bodies.
        """
        self._messages, self._outputs, self.publish_tf = messages, outputs, publish_tf
        self._topics: dict[str, BodyTopics] = {}
        self._sizes: dict[str, HumanSize] = {}
        self._header: Any = None
        self._lock = Lock()

    def prepare(self, humans: Sequence[Human], result: Result) -> list[Callable[[], None]]:
        """Build the messages about the people of one image.

        Args:
            humans: Everybody who is tracked.
            result: The result for the image.

        Returns:
            The functions that send the messages. They also end the topics of people who are gone.
        """
        with self._lock:
            self._header = self._messages.header(result, Placement(result.frame.frame_id))
            sends: list[Callable[[], None]] = [partial(self._send_tracked, [human.id for human in humans])]
            for human in humans:
                topics = self._topics.setdefault(human.id, BodyTopics.of(human.id))
                if human.person is not None:
                    sends += self._picture(human.person, human.box, result.image, topics)
                if human.body is not None:
                    sends += self._body(human.id, human.body, result, topics)
        return sends

    def close(self) -> None:
        """Publish that nobody is tracked, and end everybody's topics. No message may be sent at the same time."""
        if self._header is not None:
            self._send_tracked([])

    def _send_tracked(self, ids: list[str]) -> None:
        """Publish who is tracked, and end the topics of everybody else.

        Topics are ended here and not in `prepare`, because the messages of a frame may never be sent.
        """
        with self._lock:
            message = self._messages.make(TRACKED.type, header=self._header, ids=ids)
            self._outputs.publish(TRACKED, message)
            for gone in set(self._topics) - set(ids):
                self._outputs.retire(self._topics.pop(gone).all)
                self._sizes.pop(gone, None)

    def _send_urdf(self, body_id: str, size: HumanSize, topic: Topic) -> None:
        message = self._messages.make(topic.type, data=body_urdf(body_id, size))
        self._outputs.publish(topic, message)
        self._sizes[body_id] = size

    def _picture(
        self, person: Person, box: Array | None, image: NDArray[np.uint8], topics: BodyTopics
    ) -> list[Callable[[], None]]:
        """Build what says where the person is in the image."""
        make, publish = self._messages.make, self._outputs.publish
        height, width = image.shape[:2]
        points = skeleton_points(person, width, height)
        skeleton = make(
            topics.skeleton.type,
            header=self._header,
            skeleton=[make("hri_msgs/msg/NormalizedPointOfInterest2D", x=x, y=y, c=c) for x, y, c in points.tolist()],
        )
        sends: list[Callable[[], None]] = [partial(publish, topics.skeleton, skeleton)]
        found = region(person, person.box if box is None else box, width, height)
        if found is None:
            return sends
        xmin, ymin, xmax, ymax = (found / [width, height, width, height]).tolist()
        presence = 0.0 if np.isnan(person.presence) else float(person.presence)
        roi = make(topics.roi.type, header=self._header, xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, c=presence)
        sends.append(partial(publish, topics.roi, roi))
        if self._outputs.subscribers(topics.cropped):
            left, top, right, bottom = *np.floor(found[:2]).astype(int), *np.ceil(found[2:]).astype(int)
            sends.append(partial(publish, topics.cropped, self._image(image[top:bottom, left:right])))
        return sends

    def _image(self, pixels: NDArray[np.uint8]) -> Any:
        height, width = pixels.shape[:2]
        return self._messages.make(
            "sensor_msgs/msg/Image",
            header=self._header,
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=3 * width,
            data=self._messages.sequence(np.ascontiguousarray(pixels).reshape(-1)),
        )

    def _body(self, body_id: str, body: Body, result: Result, topics: BodyTopics) -> list[Callable[[], None]]:
        """Build what says how the body is posed, and how long its bones are."""
        messages, publish = self._messages, self._outputs.publish
        sends: list[Callable[[], None]] = []
        size, known = HumanSize.of(body), self._sizes.get(body_id)
        if known is None or size.differs(known, MAX_SIZE_CHANGE):
            known = size
            sends.append(partial(self._send_urdf, body_id, size, topics.urdf))
        angles = joint_angles(body, known)
        none = messages.sequence(np.empty(0))
        state = messages.make(
            topics.joint_states.type,
            header=self._header,
            name=[f"{name}_{body_id}" for name in angles],
            position=messages.sequence(np.array(list(angles.values()))),
            velocity=none,
            effort=none,
        )
        sends.append(partial(publish, topics.joint_states, state))
        camera = tf_frame(result.frame.frame_id)
        if self.publish_tf and camera:
            transforms = self._transforms(body_id, body, known, angles, camera)
            sends.append(partial(self._outputs.broadcast, transforms))
        return sends

    def _transforms(
        self, body_id: str, body: Body, size: HumanSize, angles: dict[str, float], camera: str
    ) -> list[Any]:
        """Return the frames of a body, as robot_state_publisher would for its URDF and its angles."""
        joints = human_joints(size)
        links = link_transforms(joints, angles)
        parents = {joint.child: f"{joint.parent}_{body_id}" for joint in joints}
        frames = [(camera, ROOT, body_frame(body)), *((parents[link], link, links[link]) for link in links)]
        orientations = quaternions(np.array([rotation for _, _, (_, rotation) in frames]))
        messages = self._messages
        return [
            messages.transform(
                messages.make("std_msgs/msg/Header", stamp=self._header.stamp, frame_id=parent),
                f"{link}_{body_id}",
                place,
                orientation,
            )
            for (parent, link, (place, _)), orientation in zip(frames, orientations, strict=True)
        ]
