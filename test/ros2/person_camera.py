"""A camera that sees a real person, and a detector that finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import cv2
import pytest
from rclpy.qos import qos_profile_sensor_data
from robot import FRAME, HEIGHT, WIDTH, Robot, camera_info, image
from sensor_msgs.msg import CameraInfo, Image

from taihri_ros.resources import PERSON

vision_msgs = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")


def detections(stamp: Any) -> Any:
    """Return the detection of one person who fills the image."""
    hypothesis = vision_msgs.ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = "person", 0.9
    found = vision_msgs.Detection2D(results=[hypothesis])
    found.bbox.size_x, found.bbox.size_y = float(WIDTH - 2), float(HEIGHT - 2)
    found.bbox.center.position.x, found.bbox.center.position.y = WIDTH / 2, HEIGHT / 2
    array = vision_msgs.Detection2DArray(detections=[found])
    for header in (found.header, array.header):
        header.stamp, header.frame_id = stamp, FRAME
    return array


@contextmanager
def person_in_view(robot: Robot) -> Iterator[None]:
    """Publish images of a person, and their detection, inside a `with` block."""
    node, stop = robot.node, Event()
    images = node.create_publisher(Image, "image", qos_profile_sensor_data)
    infos = node.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
    found = node.create_publisher(vision_msgs.Detection2DArray, "detections", qos_profile_sensor_data)
    picture = cv2.resize(cv2.imread(str(PERSON)), (WIDTH, HEIGHT))
    message, info = image("bgr8"), camera_info()
    message.data = picture.tobytes()

    def publish() -> None:
        while not stop.wait(0.2):
            stamp = node.get_clock().now().to_msg()
            for each in (info, message):
                each.header.stamp, each.header.frame_id = stamp, FRAME
            infos.publish(info)
            found.publish(detections(stamp))
            images.publish(message)

    thread = Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
