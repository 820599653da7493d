"""The embedded host: the node /taihri as a ROS 2 participant on Cyclone DDS, without a ROS installation."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from threading import Event
from typing import Any

from taihri_ros.inference.engine import Engine
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.dds_host import DdsNode, Publisher, QoS, RosTypes, Subscription, receive_buffer_warning
from taihri_ros.node.diagnostics import engine_tasks, scheduler_tasks
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.node.topics import Topic
from taihri_ros.resources import share_directory

logger = logging.getLogger(__name__)

NODE_NAME = "taihri"
_NO_CAMERA_WARNING_S = 5.0
"""Time in seconds without an image publisher until the warning."""


class EmbeddedHost:
    """The node `/taihri` on DDS. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        parameters: Parameters,
        engine: Engine,
        *,
        distro: str = "jazzy",
        namespace: str = "/",
        remaps: Sequence[str] = (),
    ) -> None:
        """Join the ROS 2 graph and start.

        Args:
            parameters: The node's parameters.
            engine: The engine; the caller closes it.
            distro: ROS 2 distribution of the robot.
            namespace: Namespace of the node.
            remaps: Rules `from:=to`.

        Raises:
            TaihriError: A parameter, name or environment variable is not valid, or DDS cannot start.
        """
        if parameters.target_frame:
            raise ParameterError(
                "target_frame needs TF lookups, which only the rclpy host has: use ros2 launch, or leave it empty"
            )
        self._parameters = parameters
        self._image_input = topics.COMPRESSED_IMAGE if parameters.image_transport == "compressed" else topics.IMAGE
        types = RosTypes(distro, share_directory())
        self._messages = Messages(types.message)
        with ExitStack() as stack:
            self._node = stack.enter_context(DdsNode(NODE_NAME, namespace, types=types, remaps=remaps))
            self._publishers: dict[Topic, Publisher] = {
                topic: self._node.publisher(topic.type, topic.name, _qos(topic)) for topic in topics.OUTPUTS
            }
            self.application = Application(parameters, engine, self._messages, self, decode_image)
            self._image = self._subscribe_inputs()
            stack.pop_all()
        self._tasks = [
            *scheduler_tasks(self.application.scheduler, lambda: self._image.matched),
            *engine_tasks(engine),
        ]
        self.application.start()

    def run(self, stop: Event) -> None:
        """Publish diagnostics until `stop` is set, and warn when the system or the camera is not set up.

        Args:
            stop: Ends the run.
        """
        if warning := receive_buffer_warning():
            logger.warning("%s", warning)
        started = time.monotonic()
        while not stop.wait(self._parameters.diagnostics_period_s):
            reports = {f"{self._node.name}: {task.name}": task.report() for task in self._tasks}
            self.publish(
                topics.DIAGNOSTICS, self._messages.diagnostics(time.time_ns(), reports, self._parameters.engine_model)
            )
            if started and self._image.matched:
                started = 0.0
            elif started and time.monotonic() - started > _NO_CAMERA_WARNING_S:
                logger.warning(
                    "no publisher on %s: start the camera, or remap the topic with -r %s:=/camera/...",
                    self._image.topic,
                    self._image_input.name,
                )
                started = 0.0

    def close(self) -> None:
        """Stop and leave the graph."""
        self.application.stop()
        self._node.close()

    def __enter__(self) -> EmbeddedHost:
        """Return the host itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the host."""
        self.close()

    def publish(self, topic: Topic, message: Any) -> None:
        """Publish a message; part of `Outputs`."""
        self._publishers[topic].publish(message)

    def subscribers(self, topic: Topic) -> int:
        """Return the number of subscribers of an output; part of `Outputs`."""
        return self._publishers[topic].matched

    def broadcast(self, transforms: list[Any]) -> None:
        """Broadcast transforms on /tf; part of `Outputs`."""
        self.publish(topics.TRANSFORMS, self._messages.tf_message(transforms))

    def place(self, frame_id: str, stamp: int) -> Placement:  # noqa: ARG002 - independent of the stamp
        """Return the placement of poses in the camera's own frame; part of `Outputs`."""
        return Placement(frame_id)

    def _subscribe_inputs(self) -> Subscription:
        application, node = self.application, self._node
        node.subscribe(topics.COMMAND.type, topics.COMMAND.name, application.on_command, _qos(topics.COMMAND))
        camera_info = topics.CAMERA_INFO
        node.subscribe(camera_info.type, camera_info.name, application.on_camera_info, _qos(camera_info))
        if self._parameters.depth_enabled:
            node.subscribe(topics.DEPTH.type, topics.DEPTH.name, application.on_depth, _qos(topics.DEPTH))
        image = self._image_input
        on_image = application.on_image if image is topics.IMAGE else application.on_compressed_image
        return node.subscribe(image.type, image.name, on_image, _qos(image))


def _qos(topic: Topic) -> QoS:
    return QoS(reliable=topic.reliable, depth=topic.depth)
