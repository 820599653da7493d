"""The robot of a test in a process of its own, in the domain of ROS_DOMAIN_ID.

`python robot_process.py robot` configures and activates the node, publishes images, and prints a line for each answer.
`python robot_process.py camera RATE SECONDS` publishes 640x480 images whose stamps have one distance, and prints how
many they were.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Event

from geometry_msgs.msg import PoseArray
from hosted import ACTIVATE, CONFIGURE, change
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from robot import FRAME, Robot, camera_info, wait_for
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT = 640, 480


def answer(_: PoseArray) -> None:
    print("answer", flush=True)


def play_robot(robot: Robot) -> None:
    stopped = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    robot.node.create_subscription(PoseArray, "/taihri/keypoints", answer, 10)
    assert change(robot, CONFIGURE)
    assert change(robot, ACTIVATE)
    robot.start_camera()
    stopped.wait()


def play_camera(robot: Robot, rate_hz: float, seconds: float) -> None:
    images = robot.node.create_publisher(Image, "image", qos_profile_sensor_data)
    infos = robot.node.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
    info = camera_info(WIDTH, HEIGHT)
    image = Image(width=WIDTH, height=HEIGHT, encoding="rgb8", step=3 * WIDTH)
    image.data.frombytes(bytes(3 * WIDTH * HEIGHT))
    wait_for(lambda: images.get_subscription_count() and infos.get_subscription_count())
    number, began_ns, started = 0, time.time_ns(), time.monotonic()
    while (elapsed_s := time.monotonic() - started) < seconds:
        stamp = Time(nanoseconds=began_ns + int(number * 1e9 / rate_hz)).to_msg()
        for message in (info, image):
            message.header.stamp, message.header.frame_id = stamp, FRAME
        infos.publish(info)
        images.publish(image)
        number += 1
        time.sleep(max(0.0, number / rate_hz - elapsed_s))
    print(number, flush=True)
    time.sleep(0.5)


def start_camera(
    domain: int, *, rate_hz: float, seconds: float, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a camera in another process; its output is the number of images."""
    return subprocess.Popen(
        [sys.executable, __file__, "camera", str(rate_hz), str(seconds)],
        env=os.environ | {"ROS_DOMAIN_ID": str(domain)} | (environment or {}),
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    with Robot(int(os.environ["ROS_DOMAIN_ID"])) as process_robot:
        if sys.argv[1] == "robot":
            play_robot(process_robot)
        else:
            play_camera(process_robot, *map(float, sys.argv[2:]))
