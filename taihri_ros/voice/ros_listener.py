"""The node /taihri_listen on rclpy."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import Any

from taihri_ros.node.messages import Messages
from taihri_ros.node.ros_host.message_classes import message_class, sequence
from taihri_ros.node.stop_event import ignore_signals, set_by_signals
from taihri_ros.node.topics import Topic
from taihri_ros.voice import topics
from taihri_ros.voice.application import SpeechApplication, SpeechOutputs
from taihri_ros.voice.audio_messages import AudioMessages
from taihri_ros.voice.configured_listener import ListenOptions, configured_listener
from taihri_ros.voice.errors import VoiceError
from taihri_ros.voice.microphone import Microphone


class RosListener:
    """Subscriptions and publishers of a rclpy node. Use it as a context manager."""

    def __init__(self, node: Any) -> None:
        """Declare the parameters, load the recogniser and listen.

        Args:
            node: A `rclpy.node.Node`.

        Raises:
            TaihriError: A parameter or a model is not valid, a microphone or a message package is missing.
        """
        self._node = node
        options = _options(node)
        messages = Messages(message_class, sequence)
        self._publishers = {
            topic: node.create_publisher(message_class(topic.type), topic.name, topic.depth) for topic in topics.OUTPUTS
        }
        with ExitStack() as stack:
            application = stack.enter_context(
                SpeechApplication(
                    configured_listener(
                        options, SpeechOutputs(self, messages, lambda: int(node.get_clock().now().nanoseconds))
                    )
                )
            )
            self._subscribe(topics.PUSH_TO_TALK, application.on_push_to_talk)
            for bridge in options.bridges:
                self._subscribe(topics.BRIDGES[bridge], getattr(application, f"on_{bridge}"))
            audio = AudioMessages(application.on_samples, rate_hz=options.rate_hz, channels=options.channels)
            if options.audio == "audio_stamped":
                self._subscribe(topics.AUDIO_STAMPED, audio.on_stamped)
            elif options.audio == "audio_data":
                self._subscribe(topics.AUDIO_DATA, audio.on_raw)
            elif options.audio == "microphone":
                stack.enter_context(Microphone(application.on_samples, options.device))
            self._lifetime = stack.pop_all()

    def publish(self, topic: Topic, message: Any) -> None:
        """Publish a message; part of `Publishes`."""
        self._publishers[topic].publish(message)

    def __enter__(self) -> RosListener:
        """Return the listener itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._lifetime.close()

    def _subscribe(self, topic: Topic, callback: Any) -> None:
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        reliability = ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=topic.depth, reliability=reliability)
        self._node.create_subscription(message_class(topic.type), topic.name, callback, qos)


def _options(node: Any) -> ListenOptions:
    """Declare a parameter for each option, and return their values."""
    from rclpy.exceptions import ParameterException

    values: dict[str, Any] = {}
    for field in dataclasses.fields(ListenOptions):
        # rclpy reads an empty list as a list of bytes, so names of bridges are one string
        default = " ".join(field.default) if field.name == "bridges" else field.default  # type: ignore[arg-type]
        try:
            value = node.declare_parameter(field.name, default).value
        except ParameterException as error:
            raise VoiceError(" ".join(str(error).split())) from error
        values[field.name] = tuple(value.split()) if field.name == "bridges" else value
    return ListenOptions(**values)


@contextmanager
def _opened_node() -> Iterator[Any]:
    import rclpy

    from taihri_ros.node.ros_host.log import RosLogHandler

    node = rclpy.create_node(topics.NODE_NAME)
    try:
        with RosLogHandler(node.get_logger()), RosListener(node):
            yield node
    finally:
        node.destroy_node()


def main() -> None:
    """Run the node until SIGINT, SIGTERM or SIGHUP. A fault prints one line on stderr and exits with code 1."""
    stop = set_by_signals(Event())
    # Imported here, so that Ctrl-C during these slow imports is handled too.
    from taihri_ros.node.ros_host import process

    status = process.run(topics.NODE_NAME, stop, _opened_node)
    ignore_signals()
    sys.exit(status)
