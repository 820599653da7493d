"""Outputs of the rclpy host: publishers, TF, and the frame of the published poses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.node import PublisherEventCallbacks  # its own module has other names in other distributions
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from tf2_ros import TransformBroadcaster

from taihri_ros.node import topics
from taihri_ros.node.messages import Placement
from taihri_ros.node.ros_host.message_classes import message_class
from taihri_ros.node.ros_host.target_frame import TargetFrame
from taihri_ros.node.topics import Topic

PUBLISHED = tuple(topic for topic in topics.OUTPUTS if topic not in (topics.TRANSFORMS, topics.DIAGNOSTICS))
"""All outputs except /tf and /diagnostics, which tf2_ros and diagnostic_updater publish."""


def qos_profile(topic: Topic) -> QoSProfile:
    """Return the default quality of service of a topic; `qos_overrides` parameters can change it."""
    reliability = ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT
    durability = DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=topic.depth, reliability=reliability, durability=durability)


class RosOutputs:
    """The node's publishers, as the application's `Outputs`.

    Attributes:
        target: The frame of the published poses; None for the camera's own.
    """

    def __init__(self, node: LifecycleNode) -> None:
        """Create the publishers.

        Args:
            node: The node.
        """
        self._node = node
        self._publishers = {
            topic: node.create_publisher(
                message_class(topic.type),
                topic.name,
                qos_profile(topic),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for topic in PUBLISHED
        }
        self._broadcaster = TransformBroadcaster(node)
        self.target: TargetFrame | None = None

    def publish(self, topic: Topic, message: Any) -> None:
        """Publish a message; part of `Outputs`."""
        self._publisher(topic).publish(message)

    def subscribers(self, topic: Topic) -> int:
        """Return the number of subscribers of an output; part of `Outputs`."""
        return int(self._publisher(topic).get_subscription_count())

    def retire(self, retired: Iterable[Topic]) -> None:
        """Destroy the publishers of topics; part of `Outputs`."""
        for topic in retired:
            if (publisher := self._publishers.pop(topic, None)) is not None:
                self._node.destroy_publisher(publisher)

    def broadcast(self, transforms: list[Any]) -> None:
        """Broadcast transforms on /tf; part of `Outputs`."""
        self._broadcaster.sendTransform(transforms)

    def place(self, frame_id: str, stamp: int) -> Placement:
        """Return the placement of poses in the target frame or in the camera's own; part of `Outputs`.

        Raises:
            PlacementError: TF has no transform to the target frame at this stamp.
        """
        return self.target.placement(frame_id, stamp) if self.target else Placement(frame_id)

    def _publisher(self, topic: Topic) -> Publisher:
        """Return the publisher of a topic, which is created at its first use.

        Such a publisher has no `qos_overrides`, because these are parameters, which would outlive it, and no events,
        because the executor may be waiting for them in another thread when it is destroyed.
        """
        if topic not in self._publishers:
            kind = message_class(topic.type)
            events = PublisherEventCallbacks(use_default_callbacks=False)
            self._publishers[topic] = self._node.create_publisher(
                kind, topic.name, qos_profile(topic), event_callbacks=events
            )
        return self._publishers[topic]
