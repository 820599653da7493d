"""Replays rosbag2 recordings through the pipeline and writes a bag of keypoints with the original stamps."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.errors import TaihriError
from taihri_ros.node import topics
from taihri_ros.node.bag_topics import choose_topics
from taihri_ros.node.compressed_images import decode_compressed
from taihri_ros.node.dds_host import RosTypes, node_identity, resolve
from taihri_ros.node.depth_images import DepthImages
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, Placement, stamp_ns, tf_frame
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.node.recordings.bag_writer import BagWriter
from taihri_ros.node.recordings.channels import Channel, Entry
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.recordings.message_types import MessageTypes
from taihri_ros.node.recordings.recording import Recording
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.calibrations import Calibrations
from taihri_ros.pipeline.drop_reasons import drop_reason
from taihri_ros.pipeline.frame_processor import FrameProcessor
from taihri_ros.pipeline.frames import Frame, ImageError, SizeCheck
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.resources import share_directory

__all__ = ["NODE_NAME", "BagError", "BagReplay"]

NODE_NAME = "taihri"

_LOOK_AHEAD_NS = 500_000_000
"""How long after an image its CameraInfo or its depth image may have been recorded, nanoseconds."""

_MAX_WAITING = 60
"""Largest number of images that wait for what was recorded shortly after them."""

_DEPTH_IMAGES = 120
"""Number of depth images that are kept: two seconds at 60 Hz."""

_Uninterrupted = Callable[[], AbstractContextManager[object]]


class BagReplay:
    """The replay of one bag; use it as a context manager.

    Every image is answered as the node would answer it if it kept up with the camera. `max_frame_age_s` does not apply.

    Attributes:
        images: Number of images in the recorded bag.
        started: Whether the bag to write was created.
        published: Number of images with a result.
        without_joints: Number of results without any joint, because the command asks for none.
        dropped: Number of dropped images by reason.
        notes: Number of messages beside the images that could not be used, by reason.
    """

    def __init__(
        self,
        bag: Path,
        out: Path,
        parameters: Parameters,
        *,
        inputs: Mapping[str, str] = MappingProxyType({}),
        remaps: Sequence[str] = (),
        storage: str = "sqlite3",
        distro: str = "jazzy",
        uninterrupted: _Uninterrupted = nullcontext,
    ) -> None:
        """Open the recorded bag and choose its topics.

        Args:
            bag: The recorded bag: its directory, or one of its files.
            out: The bag to write; it must not exist.
            parameters: The node's parameters.
            inputs: Topics of the recorded bag by the node's names: `image`, `camera_info` and `depth`.
            remaps: Rules `from:=to` as for the node, `__node` and `__ns` among them. A rule for `image`, `camera_info`
                or `depth` chooses a topic of the recorded bag.
            storage: Storage of the bag to write, `sqlite3` or `mcap`.
            distro: ROS 2 distribution whose message definitions are used for bags without their own.
            uninterrupted: Returns the context in which the bag is written, so that no signal leaves half a message.

        Raises:
            TaihriError: A bag cannot be opened, or the topics are missing or ambiguous.
        """
        if parameters.target_frame:
            raise ParameterError("target_frame needs TF lookups, which a replay does not have: leave it empty")
        if out.exists():
            raise BagError(f"{out} already exists: choose another name, or remove it")
        if any("\ud800" <= letter <= "\udfff" for letter in out.name):
            raise BagError(f"the name of {out} is not UTF-8, as metadata.yaml needs it: choose another name")
        self.dropped: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.started = False
        self.published = self.without_joints = 0
        self._out, self._parameters, self._storage, self._uninterrupted = out, parameters, storage, uninterrupted
        self._types = RosTypes(distro, share_directory())
        self._messages = Messages(self._types.message)
        self._recorded_types = MessageTypes(self._types)
        self._node, self._namespace = node_identity(NODE_NAME, remaps=remaps)
        self._inputs, self._remaps = inputs, remaps
        any_frame = parameters.camera_info_frame == "any"
        self._calibrations = Calibrations(rectified=parameters.rectified, any_frame=any_frame)
        self._depth = DepthImages(tolerance_s=parameters.depth_tolerance_s, any_frame=any_frame, capacity=_DEPTH_IMAGES)
        with ExitStack() as stack:
            self._recording = stack.enter_context(Recording(bag))
            self._topics = choose_topics(self._recording.channels, parameters, self._remapped)
            self._entries = self._recording.index((*self._topics.image, *self._topics.camera_info, *self._topics.depth))
            self.images = self._count(self._topics.image)
            self._count(self._topics.camera_info)
            self._stack = stack.pop_all()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each part of the recorded bag that cannot be read."""
        return tuple(self._recording.problems)

    def replay(self, tracker: Tracker, command: Command) -> Iterator[Exception | None]:
        """Process every image. The bag to write is created when the iteration begins.

        Args:
            tracker: Estimates the joints.
            command: The command.

        Yields:
            None for each image with a result, or the error for which the image was dropped.

        Raises:
            BagError: The bag cannot be written; the results so far are in it.
        """
        writer = self._open_writer()
        processor = FrameProcessor(tracker, self._calibrations, report_depth=self._note)
        waiting: deque[tuple[Entry, Any]] = deque()
        self._read_first_camera_info()
        for entry in self._entries:
            message = self._read(entry)
            if entry.channel in self._topics.image:
                if not isinstance(message, ImageError):
                    self._calibrations.note_image(stamp_ns(message.header))
                waiting.append((entry, message))
            elif isinstance(message, ImageError):
                self._note(str(message))
            elif entry.channel in self._topics.depth:
                self._depth.add(message)
            else:
                self._calibrations.add(message, stamp_ns(message.header), message.header.frame_id)
            while waiting and (entry.recorded - waiting[0][0].recorded > _LOOK_AHEAD_NS or len(waiting) > _MAX_WAITING):
                yield self._answer(writer, processor, command, *waiting.popleft())
        while waiting:
            yield self._answer(writer, processor, command, *waiting.popleft())

    def close(self) -> None:
        """Close both bags.

        Raises:
            BagError: The end of the written bag cannot be written.
        """
        with self._uninterrupted():
            self._stack.close()

    def __enter__(self) -> BagReplay:
        """Return the replay itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bags."""
        self.close()

    def _remapped(self, topic: Topic) -> str | None:
        """Return the topic of an input, if the user has named it or the bag has a topic with the node's own name."""
        if topic.name in self._inputs:
            return "/" + self._inputs[topic.name].lstrip("/")
        name, own = self._resolve(topic, self._remaps), self._resolve(topic, ())
        recorded = {channel.topic for channel in self._recording.channels if channel.type == topic.type}
        return name if name != own or own in recorded else None

    def _resolve(self, topic: Topic, remaps: Sequence[str]) -> str:
        return resolve(topic.name, self._node, self._namespace, remaps)

    def _count(self, channels: Sequence[Channel]) -> int:
        """Return the number of recorded messages, which must not be 0."""
        if count := sum(entry.channel in channels for entry in self._entries):
            return count
        problem = f" ({self._recording.problems[0]})" if self._recording.problems else ""
        raise BagError(f"the bag has no messages on {channels[0].topic}{problem}: no image can be answered")

    def _open_writer(self) -> BagWriter:
        outputs = (topics.KEYPOINTS, topics.PERSON, *([topics.TRANSFORMS] if self._parameters.publish_tf else []))
        self._output_names = {topic: self._resolve(topic, self._remaps) for topic in outputs}
        names = {name: topic.type for topic, name in self._output_names.items()}
        with self._uninterrupted():
            writer = BagWriter(self._out, names, self._types.store, storage=self._storage)
            self._stack.callback(writer.close)
            self.started = True
        return writer

    def _read_first_camera_info(self) -> None:
        """Store the first CameraInfo: a latched one may have been recorded long after the first images."""
        for entry in self._entries:
            if entry.channel in self._topics.camera_info and not isinstance(message := self._read(entry), ImageError):
                self._calibrations.add(message, stamp_ns(message.header), message.header.frame_id)
                return

    def _read(self, entry: Entry) -> Any:
        """Return a message, or an `ImageError` if it is damaged."""
        try:
            return self._recorded_types.deserialize(self._recording.read(entry), entry.channel)
        except BagError as error:
            return ImageError(str(error))

    def _answer(
        self, writer: BagWriter, processor: FrameProcessor, command: Command, entry: Entry, message: Any
    ) -> Exception | None:
        """Estimate an image and write the result; return the error for which the image is dropped."""
        try:
            if isinstance(message, ImageError):
                raise message
            result = processor.refine(processor.estimate(self._frame(message), command))
        except TaihriError as error:
            self.dropped[drop_reason(error).value] += 1
            return error
        placement = Placement(result.frame.frame_id)
        written = [
            (topics.KEYPOINTS, self._messages.pose_array(result, placement)),
            (topics.PERSON, self._messages.person(result, placement)),
        ]
        located = result.estimate.person.located
        if self._parameters.publish_tf and located and tf_frame(result.frame.frame_id):
            transforms = self._messages.transforms(result, self._parameters.tf_prefix)
            written.append((topics.TRANSFORMS, self._messages.tf_message(transforms)))
        with self._uninterrupted():
            writer.write(entry.recorded, [(self._output_names[topic], each) for topic, each in written])
            self.published += 1
            self.without_joints += not result.estimate.person.keypoints
        return None

    def _frame(self, message: Any) -> Frame:
        stamp, frame_id = stamp_ns(message.header), message.header.frame_id
        depth = partial(self._depth.depth_at, stamp, frame_id)
        return Frame(stamp, frame_id, partial(self._decode, message), depth=depth)

    def _decode(self, message: Any, check_size: SizeCheck) -> NDArray[np.uint8]:
        if hasattr(message, "format"):
            return decode_compressed(message, check_size, self._parameters.image_formats)
        return decode_image(message)

    def _note(self, reason: str) -> None:
        self.notes[reason] += 1
