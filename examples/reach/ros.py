"""The connection to the ROS 2 graph: rclpy where it is installed, else the embedded participant of taihri_ros."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import rclpy
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from rosidl_runtime_py.utilities import get_message
except ModuleNotFoundError:
    from taihri_ros.node.dds_host import DEFAULT, LATCHED, DdsNode, RosTypes
    from taihri_ros.resources import share_directory

    rclpy = None


class Node:
    """A node that keeps what it receives until `deliver`. `message` returns the class of a type of messages."""

    def __init__(self, name: str) -> None:
        self._received: queue.Queue[tuple[Callable[[Any], None], Any]] = queue.Queue()
        if rclpy is None:
            types = RosTypes("jazzy", share_directory())
            self._node, self.message, self.floats = DdsNode(name, types=types), types.message, np.asarray
        else:
            rclpy.init()
            self._node, self.message, self.floats = rclpy.create_node(name), get_message, list
            threading.Thread(target=rclpy.spin, args=(self._node,), daemon=True).start()

    def subscribe(self, kind: str, topic: str, callback: Callable[[Any], None], *, latched: bool = False) -> None:
        """Call a function, in `deliver`, with every message of a topic."""

        def keep(message: Any) -> None:
            self._received.put((callback, message))

        if rclpy is None:
            self._node.subscribe(kind, topic, keep, LATCHED if latched else DEFAULT)
        else:
            durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
            self._node.create_subscription(get_message(kind), topic, keep, QoSProfile(depth=10, durability=durability))

    def publisher(self, kind: str, topic: str) -> Any:
        """Return an object whose method `publish` sends a message."""
        return (
            self._node.publisher(kind, topic)
            if rclpy is None
            else self._node.create_publisher(get_message(kind), topic, 10)
        )

    def deliver(self) -> None:
        """Call the functions of all messages that have come."""
        while not self._received.empty():
            callback, message = self._received.get()
            callback(message)
