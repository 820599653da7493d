"""A simulated robot camera as a ROS 2 node: publishes images, camera_info, the true joint positions and boxes."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from threading import Event
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.commands.command import Command, CommandError, parse_command
from taihri_ros.node import topics
from taihri_ros.node.dds_host import DdsNode, Publisher, QoS, RosTypes, resolve
from taihri_ros.node.messages import SECOND_NS, Messages
from taihri_ros.node.topics import Topic
from taihri_ros.resources import share_directory
from taihri_ros.synthetic.true_detections import Boxes, true_detections

logger = logging.getLogger(__name__)

NODE_NAME = "sim"
FRAME_ID = "sim_camera_optical_frame"
TRUTH = Topic("~/keypoints", "geometry_msgs/msg/PoseArray")
"""The 22 joints in the skeleton's order, visible or not, in the image's frame and with its stamp."""

TRUE_PEOPLE = Topic("~/people", "geometry_msgs/msg/PoseArray")
"""The 22 joints of each person after those of the one before, in the same order in all images. Only for scenes of
several people; `TRUTH` then has the nearest visible person."""


class Snapshot(Protocol):
    """The camera's view at one moment."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 RGB."""

    @property
    def joints(self) -> NDArray[np.float64]:
        """(22, 3) metres, camera optical frame, in the skeleton's order."""

    @property
    def people(self) -> Sequence[NDArray[np.float64]]:
        """The joints of everybody, (22, 3) each, in the same order in all images."""

    @property
    def boxes(self) -> Boxes:
        """The boxes of those of several people who can be seen."""


class Scene(Protocol):
    """The scene in front of the camera."""

    @property
    def camera(self) -> Camera:
        """The camera that looks at it."""

    @property
    def people(self) -> int:
        """The number of people who are there at the same time."""

    def set_command(self, command: Command | None) -> None:
        """React to the newest command, None for `stop`. Called in another thread than `expose`."""

    def expose(self, seconds: float) -> Snapshot:
        """Return the view at a time, in seconds since the start. Times never decrease between calls."""


class RobotCamera:
    """A camera that publishes a scene. Use it as a context manager, or call `close`.

    Attributes:
        frames: Number of published images.
    """

    def __init__(
        self, scene: Scene, *, rate_hz: float = 10.0, distro: str = "jazzy", remaps: Sequence[str] = ()
    ) -> None:
        """Join the ROS 2 graph as the node `/sim`; `run` starts the camera.

        Args:
            scene: The scene in front of the camera.
            rate_hz: Images per second.
            distro: ROS 2 distribution of the robot.
            remaps: Rules `from:=to`.

        Raises:
            TaihriError: A name or environment variable is not valid, or DDS cannot start.
        """
        self.frames = 0
        self._scene, self._period_ns = scene, round(SECOND_NS / rate_hz)
        types = RosTypes(distro, share_directory())
        self._messages = Messages(types.message)
        self._info = camera_info(self._messages, scene.camera)
        self._node = DdsNode(NODE_NAME, types=types, remaps=remaps)
        self._image = self._publisher(topics.IMAGE)
        self._camera_info = self._publisher(topics.CAMERA_INFO)
        self._truth = self._publisher(TRUTH)
        self._of_several: dict[Topic, Publisher] = {}
        if scene.people > 1:
            self._of_several = {topic: self._publisher(topic) for topic in (TRUE_PEOPLE, topics.DETECTIONS)}
        self._node.subscribe(topics.COMMAND.type, resolve(topics.COMMAND.name, "taihri"), self._on_command)

    def run(self, stop: Event, duration_s: float = float("inf")) -> None:
        """Publish images at the camera's rate.

        An image shows the scene at its stamp. It is rendered ahead of that time if possible; a late image delays the
        ones after it.

        Args:
            stop: Event that ends the run.
            duration_s: Longest run, in seconds.
        """
        width, height = self._scene.camera.width, self._scene.camera.height
        logger.info(
            "publishing %dx%d images on %s, true joints on %s", width, height, self._image.topic, self._truth.topic
        )
        due = start = time.time_ns() + self._period_ns
        while due - start < duration_s * SECOND_NS:
            snapshot = self._scene.expose((due - start) / SECOND_NS)
            if stop.wait(max(0.0, (due - time.time_ns()) / SECOND_NS)):
                break
            self._publish(snapshot, due)
            due = max(due + self._period_ns, time.time_ns())
        logger.info("published %d images", self.frames)

    def close(self) -> None:
        """Leave the graph."""
        self._node.close()

    def __enter__(self) -> RobotCamera:
        """Return the camera itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the camera."""
        self.close()

    def _publisher(self, topic: Topic) -> Publisher:
        return self._node.publisher(topic.type, topic.name, QoS(depth=topic.depth))

    def _on_command(self, message: Any) -> None:
        try:
            command = parse_command(message.data)
        except CommandError:
            return  # the node logs what is wrong with it
        self._scene.set_command(command)

    def _publish(self, snapshot: Snapshot, stamp_ns: int) -> None:
        make = self._messages.make
        header = image_header(self._messages, stamp_ns)
        height, width = snapshot.image.shape[:2]
        self._truth.publish(true_joints(self._messages, header, [snapshot.joints]))
        if self._of_several:
            self._of_several[TRUE_PEOPLE].publish(true_joints(self._messages, header, snapshot.people))
            detections = true_detections(self._messages, header, snapshot.boxes)
            self._of_several[topics.DETECTIONS].publish(detections)
        self._camera_info.publish(make(topics.CAMERA_INFO.type, header=header, **self._info))
        self._image.publish(
            make(
                topics.IMAGE.type,
                header=header,
                height=height,
                width=width,
                encoding="rgb8",
                is_bigendian=0,
                step=width * 3,
                data=snapshot.image.ravel(),
            )
        )
        self.frames += 1


def image_header(messages: Messages, stamp_ns: int) -> Any:
    """Return the std_msgs/Header of an image with a stamp in nanoseconds."""
    return messages.make("std_msgs/msg/Header", stamp=messages.time(stamp_ns), frame_id=FRAME_ID)


def true_joints(messages: Messages, header: Any, people: Sequence[NDArray[np.float64]]) -> Any:
    """Return the geometry_msgs/PoseArray of the true joints of people, (22, 3) each, with the header of their image."""
    poses = [messages.pose(joint) for joints in people for joint in joints]
    return messages.make(TRUTH.type, header=header, poses=poses)


def camera_info(messages: Messages, camera: Camera) -> dict[str, Any]:
    """Return the fields of a camera's sensor_msgs/CameraInfo, except the header.

    Args:
        messages: Builds the region of interest.
        camera: The camera.

    Returns:
        The fields by name.
    """
    fields = camera.to_mapping()
    region = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
    return {
        **fields,
        "d": np.array(fields["d"]),
        "k": camera.K.ravel(),
        "r": np.eye(3).ravel(),
        "p": np.column_stack([camera.K, np.zeros(3)]).ravel(),
        "binning_x": 0,
        "binning_y": 0,
        "roi": messages.make("sensor_msgs/msg/RegionOfInterest", **region),
    }
