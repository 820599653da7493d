"""Replays rosbag2 recordings through the pipeline and writes a bag of keypoints with the original stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from taihri_ros.camera.camera import Camera
from taihri_ros.commands.command import Command
from taihri_ros.errors import TaihriError
from taihri_ros.node import topics
from taihri_ros.node.compressed_images import decode_compressed
from taihri_ros.node.dds_host import RosTypes, resolve
from taihri_ros.node.images import decode_image
from taihri_ros.node.messages import Messages, Placement, stamp_ns, tf_frame
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.counters import Drop
from taihri_ros.pipeline.drop_reasons import drop_reason
from taihri_ros.pipeline.frames import Frame, Result
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.resources import share_directory

_IMAGES = (topics.IMAGE.type, topics.COMPRESSED_IMAGE.type)
_OUTPUTS = (topics.KEYPOINTS, topics.PERSON, topics.TRANSFORMS)


class BagError(TaihriError):
    """A bag cannot be read or written."""


class BagReplay:
    """The replay of one bag; use it as a context manager.

    Attributes:
        dropped: Number of dropped images by reason.
        published: Number of images with a result.
    """

    def __init__(
        self,
        bag: Path,
        out: Path,
        *,
        image: str | None = None,
        camera_info: str | None = None,
        storage: str = "sqlite3",
        distro: str = "jazzy",
    ) -> None:
        """Open the recorded bag and prepare the bag to write.

        Args:
            bag: The recorded bag, sqlite3 or mcap.
            out: The bag to write; it must not exist.
            image: Image topic of the recorded bag; None if it has only one.
            camera_info: CameraInfo topic of the recorded bag; None if it has only one.
            storage: Storage of the bag to write, `sqlite3` or `mcap`.
            distro: ROS 2 distribution whose message definitions are used for bags without their own.

        Raises:
            BagError: A bag cannot be opened, or the topics are missing or ambiguous.
        """
        self._types = RosTypes(distro, share_directory())
        self._messages = Messages(self._types.message)
        self.dropped: Counter[str] = Counter()
        self.published = 0
        self._bag, self._out = bag, out
        if bag.suffix == ".bag":
            raise BagError(f"{bag} has the name of a ROS 1 bag: convert it with rosbags-convert, or rename it")
        if out.exists():
            raise BagError(f"{out} already exists: choose another name, or remove it")
        with ExitStack() as stack:
            try:
                self._reader = stack.enter_context(AnyReader([bag], default_typestore=self._types.store))
            except Exception as error:  # a reader raises errors of many types on damaged files
                raise self._unreadable(error) from error
            self._image = self._choose(image, _IMAGES, "image")
            self._camera_info = self._choose(camera_info, (topics.CAMERA_INFO.type,), "camera-info")
            self._writer = Writer(out, version=9, storage_plugin=StoragePlugin[storage.upper()])
            self._outputs: dict[Topic, Connection] = {}
            self._stack = stack.pop_all()

    @property
    def images(self) -> int:
        """Number of images in the recorded bag."""
        return self._image.msgcount

    def replay(self, tracker: Tracker, command: Command, parameters: Parameters) -> Iterator[Exception | None]:
        """Process every image. The bag to write is created when the iteration begins.

        Args:
            tracker: Estimates the joints.
            command: The command.
            parameters: `rectified` and `tf_prefix` are used.

        Yields:
            None for each image with a result, or the error for which the image was dropped.
        """
        self._open_writer()
        camera: Camera | Exception | None = None
        for connection, recorded, raw in self._records():
            if connection is self._camera_info:
                camera = self._read_camera(raw, rectified=parameters.rectified)
                continue
            try:
                message = self._deserialize(raw, connection.msgtype)
                self._estimate(tracker, message, camera, command, recorded, parameters.tf_prefix)
            except TaihriError as error:
                reason = Drop.NO_CAMERA_INFO if camera is None else drop_reason(error)
                self.dropped[reason.value] += 1
                yield error
            else:
                self.published += 1
                yield None

    def close(self) -> None:
        """Close both bags."""
        self._stack.close()

    def __enter__(self) -> BagReplay:
        """Return the replay itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bags."""
        self.close()

    def _open_writer(self) -> None:
        try:
            self._stack.enter_context(self._writer)
        except (WriterError, OSError) as error:
            raise BagError(f"cannot write {self._out}: {error}") from error
        self._outputs = {topic: self._add(topic) for topic in _OUTPUTS}

    def _records(self) -> Iterator[tuple[Connection, int, bytes]]:
        try:
            yield from self._reader.messages([self._image, self._camera_info])
        except Exception as error:  # a reader raises errors of many types on damaged files
            raise self._unreadable(error) from error

    def _deserialize(self, raw: bytes, msg_type: str) -> Any:
        try:
            return self._reader.deserialize(raw, msg_type)
        except AnyReaderError as error:
            raise BagError(f"{self._bag} contains a malformed {msg_type}: {error}") from error

    def _read_camera(self, raw: bytes, *, rectified: bool) -> Camera | Exception:
        """Return the camera, or the error if it is invalid; every image until the next CameraInfo is then dropped."""
        try:
            return Camera.from_info(self._deserialize(raw, topics.CAMERA_INFO.type), rectified=rectified)
        except TaihriError as error:
            return error

    def _unreadable(self, error: Exception) -> BagError:
        return BagError(f"{self._bag} is damaged, or is not a ROS 2 bag: {error}")

    def _estimate(
        self,
        tracker: Tracker,
        message: Any,
        camera: Camera | Exception | None,
        command: Command,
        recorded: int,
        tf_prefix: str,
    ) -> None:
        if not isinstance(camera, Camera):
            raise camera or BagError(f"no CameraInfo before this image on {self._camera_info.topic}")
        compressed = self._image.msgtype == topics.COMPRESSED_IMAGE.type
        image = decode_compressed(message, camera.check_image) if compressed else decode_image(message)
        frame = Frame(stamp_ns(message.header), message.header.frame_id, lambda _: image)
        estimate = tracker.refine(tracker.estimate(image, camera, command, frame.stamp_ns), frame.stamp_ns)
        result = Result(estimate, frame, image, dict(estimate.stages_ms), camera)
        placement = Placement(frame.frame_id)
        self._write(topics.KEYPOINTS, self._messages.pose_array(result, placement), recorded)
        self._write(topics.PERSON, self._messages.person(result, placement), recorded)
        if estimate.person.located and tf_frame(frame.frame_id):
            transforms = self._messages.transforms(result, tf_prefix)
            self._write(topics.TRANSFORMS, self._messages.tf_message(transforms), recorded)

    def _write(self, topic: Topic, message: Any, recorded: int) -> None:
        self._writer.write(self._outputs[topic], recorded, bytes(self._types.serialize(message, topic.type)))

    def _add(self, topic: Topic) -> Connection:
        return self._writer.add_connection(resolve(topic.name, "taihri"), topic.type, typestore=self._types.store)

    def _choose(self, name: str | None, types: tuple[str, ...], option: str) -> Connection:
        all_of_type = [connection for connection in self._reader.connections if connection.msgtype in types]
        found = [connection for connection in all_of_type if name in (None, connection.topic)]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted(connection.topic for connection in self._reader.connections)) or "none"
        raise BagError(
            f"the bag has {len(found) or 'no'} topics of {' or '.join(types)}{f' named {name}' if name else ''}: "
            f"{f'choose one with --{option}' if all_of_type else 'it cannot be replayed'} (its topics: {names})"
        )
