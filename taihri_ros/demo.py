"""The other side of the demo, one ROS 2 participant: a camera, someone who gives commands, a planner that receives."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.errors import TaihriError
from taihri_ros.hosts import topics
from taihri_ros.hosts.dds import DdsNode, QoS, RosTypes, resolve
from taihri_ros.hosts.images import decode_compressed
from taihri_ros.hosts.messages import Messages, stamp_ns
from taihri_ros.hosts.topics import Topic
from taihri_ros.resources import share_directory

_FRAME_ID = "demo_camera_optical_frame"
_FOCAL_PX = 700.0
"""The photograph's own focal length is not known; this one puts a head of common size at about arm's length."""


def photograph() -> NDArray[np.uint8]:
    """Give the portrait of astronaut Eileen Collins (NASA, public domain) that ships with scikit-image.

    Returns:
        (512, 512, 3) uint8 RGB.

    Raises:
        TaihriError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise TaihriError("the demo needs scikit-image for its photograph: pip install 'taihri_ros[demo]'") from error
    return np.asarray(data.astronaut(), np.uint8)


@dataclass
class Record:
    """What the planner received.

    Attributes:
        latencies_ms: From each image's stamp to the receipt of its keypoints.
        empty: How many of them had no pose.
        commands: How many answers came for each command, and which joints they had.
        transforms: How often each TF frame came.
        overlay: The newest overlay picture, (height, width, 3) uint8 RGB.
        statuses: The newest diagnostics by name: (level, message, values).
    """

    latencies_ms: list[float] = field(default_factory=list)
    empty: int = 0
    commands: dict[str, Counter[str]] = field(default_factory=dict)
    transforms: Counter[str] = field(default_factory=Counter)
    overlay: NDArray[np.uint8] | None = None
    statuses: dict[str, tuple[int, str, dict[str, str]]] = field(default_factory=dict)


class Peer:
    """Plays a picture as a camera and records what the node publishes. Use it as a context manager."""

    def __init__(self, picture: NDArray[np.uint8], rate_hz: float = 10.0) -> None:
        """Join the ROS 2 graph and begin to play.

        Args:
            picture: (height, width, 3) uint8 RGB.
            rate_hz: Frames per second.
        """
        self.record = Record()
        self.frames = 0
        self._lock = Lock()
        self._types = RosTypes("jazzy", share_directory())
        self._messages = Messages(self._types.message)
        self._node = DdsNode("taihri_demo", types=self._types)
        self._image = self._publisher(topics.IMAGE)
        self._camera_info = self._publisher(topics.CAMERA_INFO)
        self._command = self._publisher(topics.COMMAND)
        for topic, callback in (
            (topics.KEYPOINTS, self._on_keypoints),
            (topics.PERSON, self._on_person),
            (topics.TRANSFORMS, self._on_transforms),
            (topics.OVERLAY, self._on_overlay),
            (topics.DIAGNOSTICS, self._on_diagnostics),
        ):
            self._node.subscribe(topic.type, _name(topic), callback, QoS(depth=topic.depth))
        self._picture, self._period = picture, 1 / rate_hz
        self._stop = Event()
        self._thread = Thread(target=self._play, name="demo camera", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Give a command."""
        self._command.publish(self._messages.make(topics.COMMAND.type, data=text))

    def status(self, name: str) -> tuple[int, str, dict[str, str]] | None:
        """Give the newest diagnostics of a part of the node, such as `engine`: level, message, values."""
        with self._lock:
            return self.record.statuses.get(f"taihri: {name}")

    def close(self) -> None:
        """Stop playing and leave the graph."""
        self._stop.set()
        self._thread.join()
        self._node.close()

    def __enter__(self) -> Peer:
        """Return the peer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the peer."""
        self.close()

    def _publisher(self, topic: Topic) -> Any:
        return self._node.publisher(topic.type, _name(topic), QoS(reliable=True, depth=topic.depth))

    def _play(self) -> None:
        height, width = self._picture.shape[:2]
        image_fields = {
            "height": height,
            "width": width,
            "encoding": "rgb8",
            "is_bigendian": 0,
            "step": width * 3,
            "data": self._picture.ravel(),
        }
        info_fields = calibration(self._messages, width, height, _FOCAL_PX)
        due = time.monotonic()
        while not self._stop.is_set():
            stamp = self._messages.time(time.time_ns())
            header = self._messages.make("std_msgs/msg/Header", stamp=stamp, frame_id=_FRAME_ID)
            self._camera_info.publish(self._messages.make(topics.CAMERA_INFO.type, header=header, **info_fields))
            self._image.publish(self._messages.make(topics.IMAGE.type, header=header, **image_fields))
            self.frames += 1
            due += self._period
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _on_keypoints(self, message: Any) -> None:
        with self._lock:
            self.record.latencies_ms.append((time.time_ns() - stamp_ns(message.header)) / 1e6)
            self.record.empty += not message.poses

    def _on_person(self, message: Any) -> None:
        with self._lock:
            joints = self.record.commands.setdefault(message.command, Counter())
            joints.update(keypoint.name for keypoint in message.keypoints if keypoint.state == keypoint.MEASURED)

    def _on_transforms(self, message: Any) -> None:
        with self._lock:
            self.record.transforms.update(transform.child_frame_id for transform in message.transforms)

    def _on_overlay(self, message: Any) -> None:
        with self._lock:
            self.record.overlay = decode_compressed(message.data)

    def _on_diagnostics(self, message: Any) -> None:
        with self._lock:
            for status in message.status:
                values = {entry.key: entry.value for entry in status.values}
                self.record.statuses[status.name] = (status.level, status.message, values)


def calibration(messages: Messages, width: int, height: int, focal_px: float) -> dict[str, Any]:
    """Give the fields of a sensor_msgs/CameraInfo without distortion, all but the header.

    Args:
        messages: Builds the region of interest.
        width: Width of the image in px.
        height: Height of the image in px.
        focal_px: Focal length in px; the principal point is the image's centre.

    Returns:
        The fields by name.
    """
    matrix = np.array([focal_px, 0.0, (width - 1) / 2, 0.0, focal_px, (height - 1) / 2, 0.0, 0.0, 1.0])
    region = {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False}
    return {
        "height": height,
        "width": width,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": matrix,
        "r": np.eye(3).ravel(),
        "p": np.insert(matrix, [3, 6, 9], 0.0),
        "binning_x": 0,
        "binning_y": 0,
        "roi": messages.make("sensor_msgs/msg/RegionOfInterest", **region),
    }


def _name(topic: Topic) -> str:
    """Give a topic's name as it is seen from outside the node."""
    return resolve(topic.name, "taihri")
