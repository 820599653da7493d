"""Records the simulated robot camera with its depth in a bag, instead of publishing it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.node import topics
from taihri_ros.node.compressed_depth import CONFIG_HEADER
from taihri_ros.node.dds_host import RosTypes, resolve
from taihri_ros.node.messages import Messages
from taihri_ros.node.recordings.bag_writer import BagWriter
from taihri_ros.resources import share_directory
from taihri_ros.synthetic.depth_sensor import measured
from taihri_ros.synthetic.robot_camera import (
    NODE_NAME,
    TRUE_PEOPLE,
    TRUTH,
    Scene,
    camera_info,
    image_header,
    true_joints,
)
from taihri_ros.synthetic.true_detections import true_detections

FIRST_STAMP_NS = 1_000_000_000
"""Stamp of the first image, nanoseconds: a simulated clock."""

_JPEG_QUALITY = 95


class DepthScene(Scene, Protocol):
    """A scene that a depth camera sees, too."""

    def depth(self) -> NDArray[np.float32]:
        """Return the depths of the view that was exposed last, (height, width) float32 metres, without noise."""


def record(
    scene: DepthScene,
    path: Path,
    *,
    rate_hz: float,
    images: int,
    seed: int = 0,
    storage: str = "mcap",
    distro: str = "jazzy",
    uninterrupted: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Generator[int, None, None]:
    """Record a scene as a camera with registered depth sees it.

    The topics are `/image/compressed` (JPEG), `/camera_info`, `/depth/compressedDepth` (16UC1, PNG) and the true joints
    `/sim/keypoints`, all with the stamp of the image; for several people also `/sim/people` and their true boxes
    `/detections`.

    Args:
        scene: The scene.
        path: The bag to write; it must not exist.
        rate_hz: Images per second of the simulated clock.
        images: Number of images.
        seed: Seed of the noise of the depth.
        storage: `sqlite3` or `mcap`.
        distro: ROS 2 distribution whose message definitions are used.
        uninterrupted: Returns the context in which the bag is written, so that no signal leaves half a message.

    Yields:
        The number of images that are recorded.

    Raises:
        BagError: The bag cannot be written.
    """
    types = RosTypes(distro, share_directory())
    messages, rng = Messages(types.message), np.random.default_rng(seed)
    info = camera_info(messages, scene.camera)
    inputs = [topics.CAMERA_INFO, topics.COMPRESSED_IMAGE, topics.COMPRESSED_DEPTH, TRUTH]
    if scene.people > 1:
        inputs += [TRUE_PEOPLE, topics.DETECTIONS]
    names = {topic: resolve(topic.name, NODE_NAME) for topic in inputs}
    with uninterrupted():
        writer = BagWriter(path, {names[topic]: topic.type for topic in inputs}, types.store, storage=storage)
    try:
        for number in range(images):
            seconds = number / rate_hz
            snapshot = scene.expose(seconds)
            stamp = FIRST_STAMP_NS + round(seconds * 1e9)
            header = image_header(messages, stamp)
            made = {
                topics.CAMERA_INFO: messages.make(topics.CAMERA_INFO.type, header=header, **info),
                topics.COMPRESSED_IMAGE: _jpeg(messages, header, snapshot.image),
                topics.COMPRESSED_DEPTH: _compressed_depth(messages, header, measured(scene.depth(), rng)),
                TRUTH: true_joints(messages, header, [snapshot.joints]),
            }
            if scene.people > 1:
                made[TRUE_PEOPLE] = true_joints(messages, header, snapshot.people)
                made[topics.DETECTIONS] = true_detections(messages, header, snapshot.boxes)
            with uninterrupted():
                writer.write(stamp, [(names[topic], message) for topic, message in made.items()])
            yield number + 1
    finally:
        with uninterrupted():
            writer.close()


def _jpeg(messages: Messages, header: Any, image: NDArray[np.uint8]) -> Any:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1], np.uint8).ravel()
    return messages.make(
        topics.COMPRESSED_IMAGE.type, header=header, format="rgb8; jpeg compressed bgr8", data=messages.sequence(data)
    )


def _compressed_depth(messages: Messages, header: Any, depth: NDArray[np.float32]) -> Any:
    png = cv2.imencode(".png", np.rint(1e3 * depth).astype(np.uint16))[1]
    data = np.frombuffer(CONFIG_HEADER.pack(0, 0.0, 0.0) + png.tobytes(), np.uint8)
    return messages.make(
        topics.COMPRESSED_DEPTH.type,
        header=header,
        format="16UC1; compressedDepth png",
        data=messages.sequence(data),
    )
