"""Messages of a small camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages
from taihri_ros.resources import share_directory

WIDTH, HEIGHT = 96, 64
FRAME_ID = "bag_camera"
TYPES = RosTypes("jazzy", share_directory())
MESSAGES = Messages(TYPES.message)
PIXELS = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def header(stamp: int) -> Any:
    return MESSAGES.make("std_msgs/msg/Header", stamp=MESSAGES.time(stamp), frame_id=FRAME_ID)


def camera_info(stamp: int, **changes: Any) -> Any:
    k = np.array([100.0, 0, WIDTH / 2, 0, 100.0, HEIGHT / 2, 0, 0, 1])
    roi = MESSAGES.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    fields = {
        "height": HEIGHT,
        "width": WIDTH,
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": k,
        "r": np.eye(3).ravel(),
        "p": np.insert(k, [3, 6, 9], 0.0),
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return MESSAGES.make("sensor_msgs/msg/CameraInfo", header=header(stamp), **(fields | changes))


def image(stamp: int, **changes: Any) -> Any:
    fields = {
        "height": HEIGHT,
        "width": WIDTH,
        "encoding": "rgb8",
        "is_bigendian": 0,
        "step": WIDTH * 3,
        "data": PIXELS.ravel(),
    }
    return MESSAGES.make("sensor_msgs/msg/Image", header=header(stamp), **(fields | changes))


def compressed(stamp: int) -> Any:
    data = cv2.imencode(".jpg", PIXELS)[1].ravel()
    return MESSAGES.make("sensor_msgs/msg/CompressedImage", header=header(stamp), format="jpeg", data=data)


def depth(stamp: int, metres: float, **changes: Any) -> Any:
    """Return a depth image of a wall at a distance in metres."""
    data = np.full((HEIGHT, WIDTH), metres, np.float32).view(np.uint8).ravel()
    fields = {
        "height": HEIGHT,
        "width": WIDTH,
        "encoding": "32FC1",
        "is_bigendian": 0,
        "step": WIDTH * 4,
        "data": data,
    }
    return MESSAGES.make("sensor_msgs/msg/Image", header=header(stamp), **(fields | changes))
