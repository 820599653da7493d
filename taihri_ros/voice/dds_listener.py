"""The node /taihri_listen as a ROS 2 participant on Cyclone DDS, without a ROS installation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from taihri_ros.node.dds_host import DdsNode, Publisher, QoS, RosTypes
from taihri_ros.node.messages import Messages
from taihri_ros.node.topics import Topic
from taihri_ros.resources import share_directory
from taihri_ros.voice import topics
from taihri_ros.voice.application import SpeechApplication, SpeechOutputs
from taihri_ros.voice.audio_messages import AudioMessages
from taihri_ros.voice.configured_listener import ListenOptions, configured_listener
from taihri_ros.voice.message_definitions import register_speech_types
from taihri_ros.voice.microphone import Microphone

_POLL_S = 0.05


class DdsListener:
    """The node on DDS. Use it as a context manager.

    Attributes:
        application: Receives audio and messages.
    """

    def __init__(self, options: ListenOptions, *, distro: str = "jazzy", remaps: Sequence[str] = ()) -> None:
        """Load the recogniser, join the ROS 2 graph and listen.

        Args:
            options: The options.
            distro: ROS 2 distribution of the robot.
            remaps: Rules `from:=to`.

        Raises:
            TaihriError: An option, a name or a model is not valid, a microphone is missing, or DDS cannot start.
        """
        types = RosTypes(distro, share_directory())
        register_speech_types(types, ros_drivers=options.audio == "audio_data")
        messages = Messages(types.message)
        self._publishers: dict[Topic, Publisher] = {}
        with ExitStack() as stack:
            self.application = SpeechApplication(configured_listener(options, SpeechOutputs(self, messages)))
            self._node = stack.enter_context(DdsNode(topics.NODE_NAME, types=types, remaps=remaps))
            for topic in topics.OUTPUTS:
                self._publishers[topic] = self._node.publisher(topic.type, topic.name, _qos(topic))
            stack.enter_context(self.application)
            self._subscribe(topics.PUSH_TO_TALK, self.application.on_push_to_talk)
            for bridge in options.bridges:
                self._subscribe(topics.BRIDGES[bridge], getattr(self.application, f"on_{bridge}"))
            audio = AudioMessages(self.application.on_samples, rate_hz=options.rate_hz, channels=options.channels)
            if options.audio == "audio_stamped":
                self._subscribe(topics.AUDIO_STAMPED, audio.on_stamped)
            elif options.audio == "audio_data":
                self._subscribe(topics.AUDIO_DATA, audio.on_raw)
            elif options.audio == "microphone":
                stack.enter_context(Microphone(self.application.on_samples, options.device))
            self._lifetime = stack.pop_all()

    def publish(self, topic: Topic, message: Any) -> None:
        """Publish a message; part of `Publishes`."""
        self._publishers[topic].publish(message)

    def await_node(self, seconds: float) -> None:
        """Wait until somebody subscribes to the commands, at most for a time in seconds."""
        end = time.monotonic() + seconds
        while not self._publishers[topics.COMMAND].matched and time.monotonic() < end:
            time.sleep(_POLL_S)

    def __enter__(self) -> DdsListener:
        """Return the node itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the graph."""
        self._lifetime.close()

    def _subscribe(self, topic: Topic, callback: Any) -> None:
        self._node.subscribe(topic.type, topic.name, callback, _qos(topic))


def _qos(topic: Topic) -> QoS:
    return QoS(reliable=topic.reliable, depth=topic.depth, transient_local=topic.latched)
