"""The other side of the node in these tests: a robot with a camera, a commander and a planner."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
FRAME = "camera_optical_frame"


def wait_for(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """Wait until a condition is true, and return its value."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"timed out after {timeout_s:g} s"
        time.sleep(0.02)
    return value


def camera_info(width: int = WIDTH, height: int = HEIGHT) -> CameraInfo:
    k = [FOCAL, 0.0, width / 2, 0.0, FOCAL, height / 2, 0.0, 0.0, 1.0]
    return CameraInfo(
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=k,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    )


def image(encoding: str = "rgb8", pixel_bytes: int = 3) -> Image:
    message = Image(width=WIDTH, height=HEIGHT, encoding=encoding, step=WIDTH * pixel_bytes)
    message.data.frombytes(np.random.default_rng(0).integers(0, 256, HEIGHT * message.step, np.uint8).tobytes())
    return message


class Robot:
    """A node with its own context and executor thread. Use it as a context manager."""

    def __init__(self, domain: int) -> None:
        self.context = Context()
        self.context.init(domain_id=domain)
        self.node = Node("robot", context=self.context)
        self.stamps: set[tuple[int, int]] = set()
        self._lock = Lock()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._stop = Event()
        self._threads = [Thread(target=self._spin)]
        self._threads[0].start()

    def __enter__(self) -> Robot:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def start_camera(self, image_topic: str = "image", info_topic: str = "camera_info") -> None:
        """Start publishing images and their CameraInfo at 10 Hz."""
        images = self.node.create_publisher(Image, image_topic, qos_profile_sensor_data)
        infos = self.node.create_publisher(CameraInfo, info_topic, qos_profile_sensor_data)
        picture, info = image(), camera_info()

        def publish_images() -> None:
            while not self._stop.wait(0.1):
                stamp = self.node.get_clock().now().to_msg()
                for message in (info, picture):
                    message.header.stamp, message.header.frame_id = stamp, FRAME
                with self._lock:
                    self.stamps.add((stamp.sec, stamp.nanosec))
                infos.publish(info)
                images.publish(picture)

        self._threads.append(Thread(target=publish_images))
        self._threads[-1].start()

    def listen(self, message_type: Any, topic: str) -> list[Any]:
        """Return a list that collects the messages of a topic."""
        received: list[Any] = []
        self.node.create_subscription(message_type, topic, received.append, 10)
        return received

    def send_command(self, command: str) -> None:
        """Publish a command as soon as the node is subscribed."""
        publisher = self.node.create_publisher(String, "/taihri/command", 10)
        wait_for(lambda: publisher.get_subscription_count() > 0)
        publisher.publish(String(data=command))

    def call(self, service_type: Any, name: str, timeout_s: float = 30.0, **fields: Any) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(service_type, name)
        assert client.wait_for_service(timeout_sec=timeout_s), f"no service {name}"
        answered = client.call_async(service_type.Request(**fields))
        wait_for(answered.done, timeout_s)
        self.node.destroy_client(client)
        return answered.result()

    def has_stamp_of_image(self, header: Any) -> bool:
        """Return whether the header belongs to one of this camera's images."""
        with self._lock:
            return header.frame_id == FRAME and (header.stamp.sec, header.stamp.nanosec) in self.stamps

    def _spin(self) -> None:
        while not self._stop.is_set():
            with suppress(InvalidHandle):  # a test destroys entities in its own thread meanwhile
                self._executor.spin_once(timeout_sec=0.1)


class Diagnosis:
    """The newest status of each name on /diagnostics."""

    def __init__(self, robot: Robot) -> None:
        self._arrays = robot.listen(DiagnosticArray, "/diagnostics")

    @property
    def count(self) -> int:
        """Number of arrays that have been received."""
        return len(self._arrays)

    def wait_until_ready(self) -> None:
        """Wait until the engine can answer."""
        wait_for(lambda: self.values("taihri: engine").get("state") == "ready", 120)

    def status(self, name: str) -> Any:
        """Return the newest status of a name; None before the first."""
        statuses = (status for array in reversed(self._arrays) for status in array.status)
        return next((status for status in statuses if status.name == name), None)

    def values(self, name: str) -> dict[str, str]:
        """Return the values of the newest status of a name."""
        status = self.status(name)
        return {} if status is None else {pair.key: pair.value for pair in status.values}
