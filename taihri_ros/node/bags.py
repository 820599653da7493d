"""Replays rosbag2 recordings through the pipeline and writes a bag of keypoints with the original stamps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import MappingProxyType

from taihri_ros.commands.command import Command
from taihri_ros.errors import TaihriError
from taihri_ros.node import topics
from taihri_ros.node.bag_frames import BagFrames, RecordedFrame
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.messages import Messages, Placement, tf_frame
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.node.recordings.bag_writer import BagWriter
from taihri_ros.node.recordings.errors import BagError
from taihri_ros.pipeline.drop_reasons import drop_reason
from taihri_ros.pipeline.frame_processor import FrameProcessor
from taihri_ros.pipeline.people.whereabouts import Boxes
from taihri_ros.pipeline.tracker import Tracker
from taihri_ros.resources import share_directory

__all__ = ["BagError", "BagReplay"]

Uninterrupted = Callable[[], AbstractContextManager[object]]
"""Returns the context of a write that no signal may interrupt."""


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
        uninterrupted: Uninterrupted = nullcontext,
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
        self.started = False
        self.published = self.without_joints = 0
        self._out, self._parameters, self._storage, self._uninterrupted = out, parameters, storage, uninterrupted
        self._types = RosTypes(distro, share_directory())
        self._messages = Messages(self._types.message)
        self._remaps = remaps
        self._stack = ExitStack()
        self._recorded = self._stack.enter_context(
            BagFrames(bag, parameters, self._types, inputs=inputs, remaps=remaps)
        )
        self.images, self.notes = self._recorded.images, self._recorded.notes

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each part of the recorded bag that cannot be read."""
        return self._recorded.problems

    def boxes_at(self, stamp: int) -> Boxes | None:
        """Return what a detector found in the image that is being replayed; see `BagFrames.boxes_at`."""
        return self._recorded.boxes_at(stamp)

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
        processor = FrameProcessor(tracker, self._recorded.calibrations, report_depth=self._note)
        for recorded in self._recorded.frames():
            yield self._answer(writer, processor, command, recorded)

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

    def _open_writer(self) -> BagWriter:
        outputs = [topics.KEYPOINTS, topics.PERSON]
        outputs += [topics.PEOPLE] if self._parameters.people_enabled else []
        outputs += [topics.TRANSFORMS] if self._parameters.publish_tf else []
        self._output_names = {topic: self._recorded.resolve(topic, self._remaps) for topic in outputs}
        names = {name: topic.type for topic, name in self._output_names.items()}
        with self._uninterrupted():
            writer = BagWriter(self._out, names, self._types.store, storage=self._storage)
            self._stack.callback(writer.close)
            self.started = True
        return writer

    def _answer(
        self, writer: BagWriter, processor: FrameProcessor, command: Command, recorded: RecordedFrame
    ) -> Exception | None:
        """Estimate an image and write the result; return the error for which the image is dropped."""
        try:
            result = processor.refine(processor.estimate(self._recorded.frame(recorded.message), command))
        except TaihriError as error:
            self.dropped[drop_reason(error).value] += 1
            return error
        placement = Placement(result.frame.frame_id)
        written = [
            (topics.KEYPOINTS, self._messages.pose_array(result, placement)),
            (topics.PERSON, self._messages.person(result, placement)),
        ]
        if self._parameters.people_enabled:
            written.append((topics.PEOPLE, self._messages.people(result, placement)))
        transforms = []
        if self._parameters.publish_tf and tf_frame(result.frame.frame_id):
            transforms = self._messages.transforms(result, self._parameters.tf_prefix)
            transforms += self._messages.people_transforms(result, self._parameters.tf_prefix)
        if transforms:
            written.append((topics.TRANSFORMS, self._messages.tf_message(transforms)))
        with self._uninterrupted():
            writer.write(recorded.recorded, [(self._output_names[topic], each) for topic, each in written])
            self.published += 1
            self.without_joints += not result.estimate.person.keypoints
        return None

    def _note(self, reason: str) -> None:
        self.notes[reason] += 1
