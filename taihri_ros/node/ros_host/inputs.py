"""Inputs of the rclpy host: subscriptions, and what is said about those that have no publisher."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.node import SubscriptionEventCallbacks  # its own module has other names in other distributions
from rclpy.qos import DurabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros_host.message_classes import message_class
from taihri_ros.node.ros_host.outputs import qos_profile
from taihri_ros.node.ros_host.timers import steady_timer
from taihri_ros.node.topics import Topic

logger = logging.getLogger(__name__)

_NO_CAMERA_WARNING_S = 5.0
"""Time in seconds without an image publisher until the warning."""

_LATCHED_CHECK_S = 0.5
"""Period in which the node looks for publishers that keep their camera_info for late subscribers, seconds."""

Receive = Callable[[Any], None]


class RosInputs:
    """The node's subscriptions: the command while it is configured, and the camera's topics while it is active."""

    def __init__(self, node: LifecycleNode) -> None:
        """Start without subscriptions.

        Args:
            node: The node.
        """
        self._node = node
        self._single: list[str] = []

    @property
    def publishers(self) -> dict[str, int]:
        """Number of publishers of each subscribed topic that must have one publisher only."""
        return {topic: self._node.count_publishers(topic) for topic in self._single}

    @contextmanager
    def command(self, receive: Receive) -> Iterator[None]:
        """Receive commands inside a `with` block.

        Args:
            receive: Receives each std_msgs/String.
        """
        with self._subscribed(topics.COMMAND, receive):
            yield

    @contextmanager
    def camera(self, application: Application, parameters: Parameters) -> Iterator[str]:
        """Give images, and what belongs to them, to an application inside a `with` block.

        A camera that does not publish is logged once.

        Args:
            application: The application.
            parameters: The parameters of the application.

        Returns:
            The full name of the topic of the images.
        """
        with ExitStack() as stack:
            names = {
                topic: stack.enter_context(self._only_publisher(topic, receive))
                for topic, receive in application.camera_inputs().items()
            }
            stack.enter_context(self._latched_camera_info(names[topics.CAMERA_INFO], application))
            image = names[topics.image_input(parameters.image_transport)]
            stack.enter_context(self._missing_camera_logged(image))
            yield image

    @contextmanager
    def _subscribed(self, topic: Topic, receive: Receive) -> Iterator[str]:
        """Subscribe to a topic inside a `with` block, and return its full name."""
        subscription = self._node.create_subscription(
            message_class(topic.type),
            topic.name,
            receive,
            qos_profile(topic),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        try:
            yield subscription.topic_name
        finally:
            self._node.destroy_subscription(subscription)

    @contextmanager
    def _only_publisher(self, topic: Topic, receive: Receive) -> Iterator[str]:
        """Subscribe to a topic that must have one publisher only."""
        with self._subscribed(topic, receive) as name:
            self._single.append(name)
            try:
                yield name
            finally:
                self._single.remove(name)

    @contextmanager
    def _latched_camera_info(self, camera_info: str, application: Application) -> Iterator[None]:
        """Subscribe to the last CameraInfo that a publisher keeps, as soon as there is such a publisher.

        Without one, the subscription would only cause warnings about incompatible QoS in the camera driver. The graph
        may lack a publisher, so that images without a CameraInfo are a reason, too.
        """

        def check() -> None:
            publishers = self._node.get_publishers_info_by_topic(camera_info)
            latched = any(each.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL for each in publishers)
            if latched or application.lacks_camera_info:
                timer.cancel()
                topic = topics.LATCHED_CAMERA_INFO
                subscription = self._node.create_subscription(
                    message_class(topic.type),
                    topic.name,
                    application.on_camera_info,
                    qos_profile(topic),
                    event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
                )
                stack.callback(self._node.destroy_subscription, subscription)

        with ExitStack() as stack, steady_timer(self._node, _LATCHED_CHECK_S, check) as timer:
            yield

    @contextmanager
    def _missing_camera_logged(self, image: str) -> Iterator[None]:
        """Log once if no camera publishes."""

        def check() -> None:
            timer.cancel()
            if not self._node.count_publishers(image):
                logger.warning(
                    "no publisher on %s: start the camera, or launch with image:=/camera/... (-r image:=/camera/...)",
                    image,
                )

        with steady_timer(self._node, _NO_CAMERA_WARNING_S, check) as timer:
            yield
