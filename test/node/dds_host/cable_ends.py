"""The two ends of a test's cable: `python cable_ends.py host` is the node, `python cable_ends.py robot` its robot.

The robot publishes images at 10 Hz and prints a line for each answer.
"""

from __future__ import annotations

import signal
import sys
import threading
import time

from camera_messages import MESSAGES, TYPES, camera_info, image
from oracle import Oracle
from quick_host import WRIST

from taihri_ros.node import topics
from taihri_ros.node.dds_host import LATCHED, DdsNode, QoS
from taihri_ros.node.dds_host.embedded_host import EmbeddedHost
from taihri_ros.node.parameters import Parameters


def host(stop: threading.Event) -> None:
    parameters = Parameters(command_initial="left_wrist", person_crop_mode="never")
    with EmbeddedHost(parameters, Oracle({"left_wrist": WRIST})) as node:
        node.run(stop)


def robot(stop: threading.Event) -> None:
    with DdsNode("robot", types=TYPES) as node:
        node.publisher(topics.CAMERA_INFO.type, "/camera_info", LATCHED).publish(camera_info(1))
        images = node.publisher(topics.IMAGE.type, "/image", QoS(depth=1))
        message = image(1)
        node.subscribe(topics.KEYPOINTS.type, "/taihri/keypoints", lambda _: print("answer", flush=True), QoS(depth=10))
        while not stop.wait(0.1):
            message.header.stamp = MESSAGES.time(time.time_ns())
            images.publish(message)


if __name__ == "__main__":
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    {"host": host, "robot": robot}[sys.argv[1]](stopped)
