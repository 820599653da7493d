"""The embedded host: the node /taihri as a ROS 2 participant on Cyclone DDS, without a ROS installation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from threading import Event
from typing import Any

from taihri_ros.inference.engine import Engine
from taihri_ros.node import topics
from taihri_ros.node.application import Application
from taihri_ros.node.dds_host import DdsError, DdsNode, Publisher, QoS, RosTypes, Subscription, receive_buffer_warning
from taihri_ros.node.diagnostics import engine_tasks, scheduler_tasks
from taihri_ros.node.graph_warnings import GraphWarnings
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, Placement
from taihri_ros.node.node_names import hardware_id, status_prefix, with_own_names
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.node.topics import NODE_NAME, Topic
from taihri_ros.pipeline.problem_log import ProblemLog
from taihri_ros.resources import share_directory

logger = logging.getLogger(__name__)

_NO_CAMERA_WARNING_S = 5.0
"""Time in seconds without an image publisher until the warning."""

_LATCHED_CHECK_S = 0.5
"""Period in which the host looks for publishers that keep their camera_info for late subscribers, seconds."""


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
        self._image_input = topics.image_input(parameters.image_transport)
        types = RosTypes(distro, share_directory())
        self._messages = Messages(types.message)
        with ExitStack() as stack:
            self._node = stack.enter_context(DdsNode(NODE_NAME, namespace, types=types, remaps=remaps))
            self._full_name = f"{self._node.namespace.rstrip('/')}/{self._node.name}"
            self._parameters = parameters = with_own_names(parameters, self._full_name)
            self._publishers: dict[Topic, Publisher] = {
                topic: self._node.publisher(topic.type, topic.name, _qos(topic)) for topic in topics.OUTPUTS
            }
            self.application = Application(parameters, engine, self._messages, self, decode_image)
            self._subscribe(topics.COMMAND, self.application.on_command)
            self._inputs = {topic: self._subscribe(topic, on) for topic, on in self.application.camera_inputs().items()}
            self._camera_info, self._image = self._inputs[topics.CAMERA_INFO], self._inputs[self._image_input]
            self._latched_camera_info: Subscription | None = None
            stack.pop_all()
        self._tasks = [
            *scheduler_tasks(
                self.application.scheduler,
                lambda: self._image.matched,
                lambda: self.application.stamp_gaps.missing,
                lambda: self._image.incompatible_qos,
            ),
            *engine_tasks(engine),
        ]
        self.application.start()

    def run(self, stop: Event) -> None:
        """Publish diagnostics until `stop` is set; log a small receive buffer and a missing camera as warnings.

        Args:
            stop: Ends the run.
        """
        if warning := receive_buffer_warning():
            logger.warning("%s", warning)
        started = reported = time.monotonic()
        awaits_camera = True
        period = self._parameters.diagnostics_period_s
        graph, problems = GraphWarnings(self._full_name), ProblemLog(logger)
        while not stop.wait(max(0.0, min(_LATCHED_CHECK_S, reported + period - time.monotonic()))):
            self._subscribe_latched()
            if time.monotonic() < reported + period:
                continue
            reported = time.monotonic()
            graph.check({each.topic: each.matched for each in self._inputs.values()}, self._node.namesakes, reported)
            self._publish_diagnostics(problems)
            awaits_camera = awaits_camera and not self._image.matched
            if awaits_camera and reported - started > _NO_CAMERA_WARNING_S and not self._image.incompatible_qos:
                awaits_camera = False
                logger.warning(
                    "no publisher on %s: start the camera, or remap the topic with -r %s:=/camera/...",
                    self._image.topic,
                    self._image_input.name,
                )

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
        self._publisher(topic).publish(message)

    def subscribers(self, topic: Topic) -> int:
        """Return the number of subscribers of an output; part of `Outputs`."""
        return self._publisher(topic).matched

    def retire(self, retired: Iterable[Topic]) -> None:
        """Destroy the publishers of topics; part of `Outputs`."""
        for topic in retired:
            if (publisher := self._publishers.pop(topic, None)) is not None:
                publisher.destroy()

    def broadcast(self, transforms: list[Any]) -> None:
        """Broadcast transforms on /tf; part of `Outputs`."""
        self.publish(topics.TRANSFORMS, self._messages.tf_message(transforms))

    def place(self, frame_id: str, stamp: int) -> Placement:  # noqa: ARG002 - independent of the stamp
        """Return the placement of poses in the camera's own frame; part of `Outputs`."""
        return Placement(frame_id)

    def _publish_diagnostics(self, problems: ProblemLog) -> None:
        reports = {f"{status_prefix(self._full_name)}: {task.name}": task.report() for task in self._tasks}
        identity = hardware_id(self._full_name, self._parameters.engine_model)
        try:
            self.publish(topics.DIAGNOSTICS, self._messages.diagnostics(time.time_ns(), reports, identity))
        except DdsError as error:
            problems.report("diagnostics", f"the diagnostics are not published: {error}")

    def _publisher(self, topic: Topic) -> Publisher:
        """Return the publisher of a topic, which is created at its first use."""
        if topic not in self._publishers:
            self._publishers[topic] = self._node.publisher(topic.type, topic.name, _qos(topic))
        return self._publishers[topic]

    def _subscribe(self, topic: Topic, callback: Callable[[Any], None]) -> Subscription:
        return self._node.subscribe(topic.type, topic.name, callback, _qos(topic))

    def _subscribe_latched(self) -> None:
        """Subscribe to the last CameraInfo that a publisher keeps, as soon as there is such a publisher."""
        if self._latched_camera_info is None and self._camera_info.has_latched_publisher:
            topic = topics.LATCHED_CAMERA_INFO
            self._latched_camera_info = self._node.subscribe(
                topic.type, topic.name, self.application.on_camera_info, _qos(topic), warn_incompatible=False
            )


def _qos(topic: Topic) -> QoS:
    return QoS(reliable=topic.reliable, depth=topic.depth, transient_local=topic.latched)
