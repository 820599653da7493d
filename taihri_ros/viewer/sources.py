"""Where the viewer's messages come from: a running node, or recorded bags."""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event, Lock
from types import MappingProxyType
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.node import topics
from taihri_ros.node.bag_topics import choose_topics
from taihri_ros.node.dds_host import DdsNode, QoS, RosTypes, Subscription, node_identity, resolve
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.recordings.channels import Channel, Entry
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.recordings.message_types import MessageTypes
from taihri_ros.node.recordings.recording import Recording
from taihri_ros.node.topics import NODE_NAME, Topic
from taihri_ros.resources import share_directory
from taihri_ros.synthetic.robot_camera import NODE_NAME as SIMULATOR
from taihri_ros.synthetic.robot_camera import TRUTH
from taihri_ros.viewer.scene import ROSOUT, Scene

logger = logging.getLogger(__name__)

OUTPUTS = (
    topics.PERSON,
    topics.PEOPLE,
    topics.BODY,
    topics.BODY_JOINTS,
    topics.ACTIVE_COMMAND,
    topics.DIAGNOSTICS,
    ROSOUT,
)
"""What the viewer reads of the node's outputs."""

_PICTURES = {topics.IMAGE.type, topics.COMPRESSED_IMAGE.type}
_NO_CAMERA_INFO = "the bags have no CameraInfo: the picture is shown, but not in metres"

_TICK_S = 0.5
_SILENCE_S = 5.0
"""Time without a publisher until a warning, seconds."""


class LiveSource:
    """A node on DDS that shows what another one receives and publishes.

    Use it as a context manager, or call `close`.
    """

    def __init__(
        self, scene: Scene, parameters: Parameters, *, distro: str = "jazzy", remaps: Sequence[str] = ()
    ) -> None:
        """Join the ROS 2 graph and subscribe.

        Args:
            scene: Shows the messages.
            parameters: The parameters of the node that is watched; `image_transport` and `depth.*` are used.
            distro: ROS 2 distribution of the robot.
            remaps: The remapping rules of the node that is watched.

        Raises:
            TaihriError: A name or environment variable is not valid, or DDS cannot start.
        """
        self._scene = scene
        self._one_at_a_time = Lock()
        self._watched = node_identity(NODE_NAME, remaps=remaps)
        self._remaps = remaps
        image = topics.COMPRESSED_IMAGE if parameters.image_transport == "compressed" else topics.IMAGE
        depth = [topics.depth_input(parameters.depth_transport)] if parameters.depth_enabled else []
        with ExitStack() as stack:
            types = RosTypes(distro, share_directory())
            self._node = stack.enter_context(DdsNode("taihri_view", types=types))
            self._latched: Subscription | None = None
            self._subscriptions = {
                topic: self._subscribe(topic) for topic in (image, topics.CAMERA_INFO, *depth, *OUTPUTS)
            }
            truth, receive = resolve(TRUTH.name, SIMULATOR), partial(self._receive, TRUTH)
            self._node.subscribe(TRUTH.type, truth, receive, _qos(TRUTH))
            self._image = self._subscriptions[image]
            stack.pop_all()

    def run(self, stop: Event) -> None:
        """Wait until `stop` is set; say in the log and on the page when nobody publishes images or answers.

        Args:
            stop: Ends the run.
        """
        needed = {
            self._image: "start the camera, or name its topic with -r image:=/camera/...",
            self._subscriptions[topics.PERSON]: "start the node, or name it with -r __node:=... or -r __ns:=...",
        }
        last_seen, missing = dict.fromkeys(needed, time.monotonic()), list[str]()
        with self._one_at_a_time:
            self._scene.miss(missing)
        while not stop.wait(_TICK_S):
            if self._latched is None and self._subscriptions[topics.CAMERA_INFO].has_latched_publisher:
                self._latched = self._subscribe(topics.LATCHED_CAMERA_INFO)
            now = time.monotonic()
            last_seen |= {each: now for each in needed if each.matched}
            silent = [each for each in needed if now > last_seen[each] + _SILENCE_S]
            lines = [f"no publisher on {each.topic}: {needed[each]}" for each in silent]
            if lines != missing and (lines or all(each.matched for each in needed)):
                missing = lines
                for line in missing:
                    logger.warning("%s", line)
                with self._one_at_a_time:
                    self._scene.miss(missing)

    def close(self) -> None:
        """Leave the graph."""
        self._node.close()

    def __enter__(self) -> LiveSource:
        """Return the source itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the source."""
        self.close()

    def _receive(self, topic: Topic, message: Any) -> None:
        with self._one_at_a_time:
            self._scene.receive(topic, message)

    def _subscribe(self, topic: Topic) -> Subscription:
        name = resolve(topic.name, *self._watched, self._remaps)
        receive = partial(self._receive, topic)
        warn_incompatible = topic is not topics.LATCHED_CAMERA_INFO
        return self._node.subscribe(topic.type, name, receive, _qos(topic), warn_incompatible=warn_incompatible)


class BagSource:
    """Recorded bags, such as that of a camera and that with the answers of `taihri bag`.

    Use it as a context manager, or call `close`.

    Attributes:
        messages: Number of messages to show.
    """

    def __init__(
        self,
        bags: Sequence[Path],
        parameters: Parameters,
        *,
        inputs: Mapping[str, str] = MappingProxyType({}),
        remaps: Sequence[str] = (),
        distro: str = "jazzy",
    ) -> None:
        """Open the bags and choose their topics.

        Args:
            bags: The bags, those with pictures first.
            parameters: The node's parameters; `image_transport` and `depth.*` are used.
            inputs: Topics of the bag with pictures by the node's names: `image`, `camera_info` and `depth`.
            remaps: Rules `from:=to` as for the node.
            distro: ROS 2 distribution whose message definitions are used for bags without their own.

        Raises:
            TaihriError: A bag cannot be opened, or none has anything to show.
        """
        self._types = MessageTypes(RosTypes(distro, share_directory()))
        self._parameters, self._inputs, self._remaps = parameters, inputs, remaps
        self._watched = node_identity(NODE_NAME, remaps=remaps)
        with ExitStack() as stack:
            recordings = [stack.enter_context(Recording(bag)) for bag in bags]
            self._chosen = [(recording, self._wanted(recording.channels)) for recording in recordings]
            self._entries = [recording.index(tuple(wanted)) for recording, wanted in self._chosen]
            self.messages = sum(map(len, self._entries))
            if not self.messages:
                raise BagError(
                    f"{bags[0]} has no picture and no answer of {'/'.join(self._watched[::-1])}: name a bag with both, "
                    "or a recording and the bag that taihri bag wrote from it"
                )
            self._stack = stack.pop_all()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each part of the bags that cannot be read, or is missing."""
        unread = tuple(problem for recording, _ in self._chosen for problem in recording.problems)
        found = {topic for _, wanted in self._chosen for topic in wanted.values()}
        has_picture = not found.isdisjoint({topics.IMAGE, topics.COMPRESSED_IMAGE})
        return (*unread, _NO_CAMERA_INFO) if has_picture and topics.CAMERA_INFO not in found else unread

    def play(self, scene: Scene) -> Iterator[None]:
        """Show every message, in the order of their recording.

        Args:
            scene: Shows the messages.

        Yields:
            Nothing, after each message.
        """
        merged = heapq.merge(
            *([(entry, place) for entry in entries] for place, entries in enumerate(self._entries)),
            key=lambda each: (each[0].recorded, each[1]),
        )
        for entry, place in merged:
            self._show(scene, place, entry)
            yield

    def close(self) -> None:
        """Close the bags."""
        self._stack.close()

    def __enter__(self) -> BagSource:
        """Return the source itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bags."""
        self.close()

    def _show(self, scene: Scene, place: int, entry: Entry) -> None:
        recording, wanted = self._chosen[place]
        try:
            message: Any = self._types.deserialize(recording.read(entry), entry.channel)
        except TaihriError as error:
            scene.note(str(error))
        else:
            scene.receive(wanted[entry.channel], message)

    def _wanted(self, channels: Sequence[Channel]) -> dict[Channel, Topic]:
        """Return the channels to read, and the topic of the node that each one is."""
        names = {(self._resolve(topic), topic.type): topic for topic in OUTPUTS}
        names[resolve(TRUTH.name, SIMULATOR), TRUTH.type] = TRUTH
        wanted = {channel: names[key] for channel in channels if (key := (channel.topic, channel.type)) in names}
        overlay = self._resolve(topics.OVERLAY)
        of_camera = [channel for channel in channels if channel.topic != overlay]
        types = {channel.type for channel in of_camera}
        if not types.isdisjoint(_PICTURES):
            calibrated = topics.CAMERA_INFO.type not in types  # a picture without it is better than none
            try:
                chosen = choose_topics(of_camera, self._parameters, self._named, calibrated=calibrated)
            except BagError:
                if wanted and calibrated:
                    return wanted  # the picture is in another bag
                raise
            wanted |= {channel: _topic_of(channel, topics.IMAGE, topics.COMPRESSED_IMAGE) for channel in chosen.image}
            wanted |= dict.fromkeys(chosen.camera_info, topics.CAMERA_INFO)
            wanted |= {channel: _topic_of(channel, topics.DEPTH, topics.COMPRESSED_DEPTH) for channel in chosen.depth}
        return wanted

    def _resolve(self, topic: Topic) -> str:
        return resolve(topic.name, *self._watched, self._remaps)

    def _named(self, topic: Topic) -> str | None:
        """Return the name of an input that the user has chosen."""
        if topic.name in self._inputs:
            return "/" + self._inputs[topic.name].lstrip("/")
        name = self._resolve(topic)
        return name if name != resolve(topic.name, *self._watched) else None


def _topic_of(channel: Channel, raw: Topic, compressed: Topic) -> Topic:
    return raw if channel.type == raw.type else compressed


def _qos(topic: Topic) -> QoS:
    return QoS(reliable=topic.reliable, depth=topic.depth, transient_local=topic.latched)
