"""What the application asks of a host: to send messages, and to say in which frame the poses are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from taihri_ros.node.messages import Placement
from taihri_ros.node.topics import Topic


class Outputs(Protocol):
    """Interface of a host for sending messages. Calls come from the scheduler's threads, one at a time."""

    def publish(self, topic: Topic, message: Any) -> None:
        """Publish a message."""

    def subscribers(self, topic: Topic) -> int:
        """Return the number of subscribers of an output."""

    def retire(self, retired: Iterable[Topic]) -> None:
        """Destroy the publishers of topics that are not among `topics.OUTPUTS`; their first use created them."""

    def broadcast(self, transforms: list[Any]) -> None:
        """Broadcast geometry_msgs/TransformStamped messages on /tf."""

    def place(self, frame_id: str, stamp: int) -> Placement:
        """Return the placement of the poses of an image.

        Args:
            frame_id: Frame id of the image.
            stamp: Time stamp of the image, nanoseconds.

        Returns:
            The frame of the image, or the parameter `target_frame` with the transform to it at the stamp.
        """
