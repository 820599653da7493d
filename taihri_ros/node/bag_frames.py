"""The images of a rosbag2 recording, each with its calibration, its depth image and its detections."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.camera.camera_info import InfoFields
from taihri_ros.node.bag_topics import choose_topics
from taihri_ros.node.compressed_images import decode_compressed
from taihri_ros.node.dds_host import RosTypes, node_identity, resolve
from taihri_ros.node.depth_images import DepthImages
from taihri_ros.node.detections import Detections
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import stamp_ns
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.recordings.channels import Channel, Entry
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.node.recordings.message_types import MessageTypes
from taihri_ros.node.recordings.recording import Recording
from taihri_ros.node.topics import NODE_NAME, Topic
from taihri_ros.pipeline.calibrations import Calibrations
from taihri_ros.pipeline.frames import Frame, ImageError, SizeCheck, is_same_frame
from taihri_ros.pipeline.people.whereabouts import Boxes

_LOOK_AHEAD_NS = 500_000_000
"""How long after an image its CameraInfo or its depth image may have been recorded, nanoseconds."""

_MAX_WAITING = 60
"""Largest number of images that wait for what was recorded shortly after them."""

_KEPT_MESSAGES = 120
"""Number of depth images and of detections that are kept: two seconds at 60 Hz."""


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """One recorded image.

    Attributes:
        recorded: Time of its recording, nanoseconds.
        message: The sensor_msgs/Image or CompressedImage, or the `ImageError` of a damaged message.
    """

    recorded: int
    message: Any


class BagFrames:
    """The images of a recorded bag; use it as a context manager.

    Attributes:
        images: Number of images in the bag.
        calibrations: The calibrations; complete for an image when `frames` has returned it.
        notes: Number of messages beside the images that could not be used, by reason.
    """

    def __init__(
        self,
        bag: Path,
        parameters: Parameters,
        types: RosTypes,
        *,
        inputs: Mapping[str, str] = MappingProxyType({}),
        remaps: Sequence[str] = (),
    ) -> None:
        """Open the bag and choose its topics.

        Args:
            bag: The recorded bag: its directory, or one of its files.
            parameters: The node's parameters.
            types: Message types for bags without their own definitions.
            inputs: Topics of the recorded bag by the node's names: `image`, `camera_info`, `depth` and `detections`.
                `camera_info` may also name a calibration file, for a bag without CameraInfo, and `camera` the camera of
                a file that holds several.
            remaps: Rules `from:=to` as for the node, `__node` and `__ns` among them. A rule for one of these names
                chooses a topic of the recorded bag.

        Raises:
            TaihriError: The bag cannot be opened, or the topics are missing or ambiguous.
        """
        self.notes: Counter[str] = Counter()
        self._parameters = parameters
        self._recorded_types = MessageTypes(types)
        self._node, self._namespace = node_identity(NODE_NAME, remaps=remaps)
        self._inputs, self._remaps = inputs, remaps
        any_frame = parameters.camera_info_frame == "any"
        self.calibrations = Calibrations(rectified=parameters.rectified, any_frame=any_frame)
        self._depth = DepthImages(
            tolerance_s=parameters.depth_tolerance_s, any_frame=any_frame, capacity=_KEPT_MESSAGES
        )
        self._any_frame, self._image_frame, self._read_s = any_frame, "", 0.0
        self._detections = Detections(
            tolerance_s=parameters.people_tolerance_s,
            min_score=parameters.people_min_score,
            now_s=lambda: self._read_s,
            waits=False,
            capacity=_KEPT_MESSAGES,
        )
        file = Path(inputs.get("camera_info", "/"))
        calibrated = file.is_file()
        if calibrated:
            self.calibrations.add(_calibration(file, inputs.get("camera"), rectified=parameters.rectified))
        elif "camera" in inputs:
            raise BagError("--camera chooses from a calibration file: name the file with --camera-info")
        with ExitStack() as stack:
            self._recording = stack.enter_context(Recording(bag))
            self.topics = choose_topics(self._recording.channels, parameters, self._remapped, calibrated=calibrated)
            read = (*self.topics.image, *self.topics.camera_info, *self.topics.depth, *self.topics.detections)
            self._entries = self._recording.index(read)
            self.images = self._count(self.topics.image)
            if not calibrated:
                self._count(self.topics.camera_info)
            self._stack = stack.pop_all()

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each part of the recorded bag that cannot be read."""
        return tuple(self._recording.problems)

    def frames(self, chosen: Collection[int] | None = None) -> Iterator[RecordedFrame]:
        """Read the images in the order of their recording.

        Args:
            chosen: Numbers of the images to read, from 0 on; None for all. What belongs to others is not read.

        Yields:
            The images. `calibrations` and the depth that `frame` finds are those of the last one until the next.
        """
        waiting: deque[RecordedFrame] = deque()
        self._read_first_camera_info()
        for entry in self._entries if chosen is None else self._near(sorted(chosen)):
            message, self._read_s = self._read(entry), entry.recorded / 1e9
            if entry.channel in self.topics.image:
                if not isinstance(message, ImageError):
                    self.calibrations.note_image(stamp_ns(message.header))
                    self._image_frame = message.header.frame_id
                waiting.append(RecordedFrame(entry.recorded, message))
            elif isinstance(message, ImageError):
                self.notes[str(message)] += 1
            elif entry.channel in self.topics.depth:
                self._depth.add(message)
            elif entry.channel in self.topics.detections:
                self._add_detections(message)
            else:
                self.calibrations.add(message, stamp_ns(message.header), message.header.frame_id)
            while waiting and (entry.recorded - waiting[0].recorded > _LOOK_AHEAD_NS or len(waiting) > _MAX_WAITING):
                yield waiting.popleft()
        yield from waiting

    def frame(self, message: Any) -> Frame:
        """Return the frame of an image's message, with the depth image that matches it.

        Args:
            message: A sensor_msgs/Image or CompressedImage, or the `ImageError` of a damaged message.

        Returns:
            The frame; it is decoded only when it is used.

        Raises:
            ImageError: The message is damaged.
        """
        if isinstance(message, ImageError):
            raise message
        stamp, frame_id = stamp_ns(message.header), message.header.frame_id
        depth = partial(self._depth.depth_at, stamp, frame_id)
        return Frame(stamp, frame_id, partial(self._decode, message), depth=depth)

    def boxes_at(self, stamp: int) -> Boxes | None:
        """Return the people whom the detector found in an image; None while it did not run.

        Args:
            stamp: Time stamp of the last image that `frames` has yielded, nanoseconds.
        """
        return self._detections.boxes_at(stamp)

    def first_message(self, topic: str) -> Any | None:
        """Return the first readable message of a topic.

        Args:
            topic: The absolute name.

        Returns:
            The message; None if there is none.
        """
        channels = [channel for channel in self._recording.channels if channel.topic == topic]
        messages = map(self._read, self._recording.index(channels))
        return next((message for message in messages if not isinstance(message, ImageError)), None)

    def resolve(self, topic: Topic, remaps: Sequence[str]) -> str:
        """Return the absolute name of one of the node's topics.

        Args:
            topic: The topic.
            remaps: Rules `from:=to`.

        Returns:
            The name.
        """
        return resolve(topic.name, self._node, self._namespace, remaps)

    def close(self) -> None:
        """Close the bag."""
        self._stack.close()

    def __enter__(self) -> BagFrames:
        """Return the frames themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bag."""
        self.close()

    def _remapped(self, topic: Topic) -> str | None:
        """Return the topic of an input, if the user has named it or the bag has a topic with the node's own name."""
        if topic.name in self._inputs:
            return "/" + self._inputs[topic.name].lstrip("/")
        name, own = self.resolve(topic, self._remaps), self.resolve(topic, ())
        recorded = {channel.topic for channel in self._recording.channels if channel.type == topic.type}
        return name if name != own or own in recorded else None

    def _count(self, channels: Sequence[Channel]) -> int:
        """Return the number of recorded messages, which must not be 0."""
        if count := sum(entry.channel in channels for entry in self._entries):
            return count
        problem = f" ({self._recording.problems[0]})" if self._recording.problems else ""
        raise BagError(f"the bag has no messages on {channels[0].topic}{problem}: no image can be answered")

    def _near(self, chosen: Sequence[int]) -> Iterator[Entry]:
        """Return the chosen images, every CameraInfo, and what else was recorded shortly before or after them."""
        images = [entry for entry in self._entries if entry.channel in self.topics.image]
        read = {images[number] for number in chosen}
        times = [images[number].recorded for number in chosen]
        for entry in self._entries:
            if entry.channel in (*self.topics.depth, *self.topics.detections):
                place = bisect_left(times, entry.recorded - _LOOK_AHEAD_NS)
                wanted = place < len(times) and times[place] <= entry.recorded + _LOOK_AHEAD_NS
            else:
                wanted = entry.channel in self.topics.camera_info or entry in read
            if wanted:
                yield entry

    def _add_detections(self, message: Any) -> None:
        frame_id = message.header.frame_id
        if self._any_frame or not self._image_frame or is_same_frame(frame_id, self._image_frame):
            self._detections.add(message)
        else:
            self.notes[f"the detections have the frame_id {frame_id!r}, but the image has {self._image_frame!r}"] += 1

    def _read_first_camera_info(self) -> None:
        """Store the first CameraInfo: a latched one may have been recorded long after the first images."""
        for entry in self._entries:
            if entry.channel in self.topics.camera_info and not isinstance(message := self._read(entry), ImageError):
                self.calibrations.add(message, stamp_ns(message.header), message.header.frame_id)
                return

    def _read(self, entry: Entry) -> Any:
        """Return a message, or an `ImageError` if it is damaged."""
        try:
            return self._recorded_types.deserialize(self._recording.read(entry), entry.channel)
        except BagError as error:
            return ImageError(str(error))

    def _decode(self, message: Any, check_size: SizeCheck) -> NDArray[np.uint8]:
        if hasattr(message, "format"):
            return decode_compressed(message, check_size, self._parameters.image_formats)
        return decode_image(message)


def _calibration(file: Path, name: str | None, *, rectified: bool) -> InfoFields:
    """Return the calibration of a file as the CameraInfo that a bag lacks."""
    camera = read_camera(file, name=name, rectified=rectified)
    return InfoFields(**camera.to_mapping(), p=np.column_stack([camera.K, np.zeros(3)]))
