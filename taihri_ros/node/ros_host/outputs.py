"""What the rclpy host sends: topics, TF, and the frame that poses are given in."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from tf2_ros import TransformBroadcaster

from taihri_ros.node import topics
from taihri_ros.node.messages import Placement
from taihri_ros.node.ros_host.message_classes import message_class
from taihri_ros.node.ros_host.target_frame import TargetFrame
from taihri_ros.node.topics import Topic

PUBLISHED = (topics.KEYPOINTS, topics.PERSON, topics.MARKERS, topics.OVERLAY)
"""The outputs beside /tf and /diagnostics, which tf2_ros and diagnostic_updater publish."""


def qos_profile(topic: Topic) -> QoSProfile:
    """Give the quality of service of a topic, which `qos_overrides` parameters may change."""
    reliability = ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(depth=topic.depth, reliability=reliability)


class RosOutputs:
    """The node's publishers; `Outputs` for the application."""

    def __init__(self, node: LifecycleNode) -> None:
        """Create the publishers.

        Args:
            node: The node.
        """
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
        """Publish a message, as `Outputs` has it."""
        self._publishers[topic].publish(message)

    def subscribers(self, topic: Topic) -> int:
        """Count the subscribers of an output, as `Outputs` has it."""
        return int(self._publishers[topic].get_subscription_count())

    def broadcast(self, transforms: list[Any]) -> None:
        """Broadcast on /tf, as `Outputs` has it."""
        self._broadcaster.sendTransform(transforms)

    def place(self, frame_id: str, stamp: int) -> Placement:
        """Give poses in the target frame, or in the camera's own, as `Outputs` has it.

        Raises:
            PlacementError: TF does not know the way to the target frame at this stamp.
        """
        return self.target.placement(frame_id, stamp) if self.target else Placement(frame_id)
