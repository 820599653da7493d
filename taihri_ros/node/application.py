"""The node independent of its host: it passes inputs to the scheduler and publishes results as messages."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.inference.engine import Engine
from taihri_ros.node import topics
from taihri_ros.node.body_fits import Bodies, BodyFits
from taihri_ros.node.body_output import BodyOutput, BodyUnavailableError
from taihri_ros.node.compressed_images import decode_compressed
from taihri_ros.node.configured_tracker import filter_maker, joint_selection, make_tracker, person_crop
from taihri_ros.node.depth_images import DepthImages
from taihri_ros.node.detections import Detections
from taihri_ros.node.header_checks import HeaderChecks
from taihri_ros.node.markers import marker_array
from taihri_ros.node.messages import Messages, stamp_ns, tf_frame
from taihri_ros.node.outputs import Outputs
from taihri_ros.node.overlay import draw_overlay
from taihri_ros.node.parameters import Parameters
from taihri_ros.node.ros4hri.output import Ros4hri
from taihri_ros.node.running_command import RunningCommand
from taihri_ros.node.topics import Topic
from taihri_ros.pipeline.calibrations import Calibrations
from taihri_ros.pipeline.frame_age import AgeLimit
from taihri_ros.pipeline.frames import Frame, Result, SizeCheck, is_same_frame
from taihri_ros.pipeline.guards import Workspace
from taihri_ros.pipeline.people.group_tracker import no_boxes
from taihri_ros.pipeline.problem_log import ProblemLog
from taihri_ros.pipeline.scheduler import Scheduler
from taihri_ros.pipeline.stamp_gaps import StampGaps

logger = logging.getLogger(__name__)

UNTRAINED_NOTE = "random weights: these points mean nothing"
"""What the overlay says of the answers of an untrained checkpoint."""


class Application:
    """The node without its host: it connects messages, scheduler and engine.

    Attributes:
        scheduler: Answers the images.
        stamp_gaps: Counts the images that have not arrived.
        running_command: The running command.
    """

    def __init__(
        self,
        parameters: Parameters,
        engine: Engine,
        messages: Messages,
        outputs: Outputs,
        decode: Callable[[Any], NDArray[np.uint8]],
        now_ns: Callable[[], int] = time.time_ns,
        running_command: RunningCommand | None = None,
    ) -> None:
        """Create the application; call `start` to run it.

        Args:
            parameters: The node's parameters.
            engine: The engine; the caller closes it.
            messages: Builds the messages.
            outputs: Sends the messages.
            decode: Converts sensor_msgs/Image to (height, width, 3) uint8 RGB; raises `ImageError`.
            now_ns: Returns the time on the clock of the image stamps, nanoseconds.
            running_command: The running command of a host that keeps it while the node is inactive; None for none yet.

        Raises:
            CommandError: The parameter command.initial is not a valid command.
            TaskError: The file in the parameter command.tasks is not a valid task file.
        """
        self._parameters = parameters
        self._engine = engine
        self._messages = messages
        self._outputs = outputs
        self._decode = decode
        self._now_ns = now_ns
        self._headers = HeaderChecks()
        self.stamp_gaps = StampGaps()
        any_frame = parameters.camera_info_frame == "any"
        self._depth = DepthImages(tolerance_s=parameters.depth_tolerance_s, any_frame=any_frame)
        workspace = Workspace.parse(parameters.guards_workspace)
        self._body_fits = BodyFits(workspace) if parameters.fits_bodies else None
        self._body_output = BodyOutput(messages, outputs, parameters) if parameters.fits_bodies else None
        self._ros4hri = Ros4hri(messages, outputs, parameters) if parameters.ros4hri_enabled else None
        self._detections = Detections(tolerance_s=parameters.people_tolerance_s, min_score=parameters.people_min_score)
        self._image_frame, self._detection_problems = "", ProblemLog(logger)
        boxes_at = self._detections.boxes_at if parameters.people_detections else no_boxes
        tracker = make_tracker(engine, parameters, boxes_at)
        self._tracker = tracker
        self.scheduler = Scheduler(
            tracker,
            self._prepare,
            calibrations=Calibrations(rectified=parameters.rectified, any_frame=any_frame),
            age_limit=AgeLimit(parameters.max_frame_age_s, now_ns),
            max_in_flight=parameters.max_in_flight,
        )
        publish_command = partial(outputs.publish, topics.ACTIVE_COMMAND)
        self.running_command = running_command or RunningCommand(parameters, messages, publish_command, now_ns)
        self._enabled = True
        self._take_command()

    def start(self) -> None:
        """Start the scheduler."""
        self.scheduler.start()

    def stop(self) -> None:
        """Stop the scheduler and abort the requests in flight."""
        self.running_command.deactivate()
        self.scheduler.stop()
        if self._ros4hri is not None:
            self._ros4hri.close()

    def apply(self, parameters: Parameters) -> None:
        """Use new values of the dynamic parameters for the next results.

        Args:
            parameters: The new values of all parameters; those of parameters that are not dynamic must be the old ones.
        """
        old, self._parameters = self._parameters, parameters

        def changed(*names: str) -> bool:
            return any(getattr(old, name) != getattr(parameters, name) for name in names)

        self._tracker.gate.set(parameters.min_confidence, parameters.min_presence)
        if changed("filter_enabled", "filter_acceleration", "filter_predict_s"):
            self._tracker.use_filter(filter_maker(parameters))
        if changed("person_crop_mode", "person_crop_refresh_s"):
            self._tracker.use_person_crop(person_crop(parameters))
        if changed("command_selection", "command_refresh_s"):
            self._tracker.use_joint_selection(joint_selection(self._engine, parameters))
        if self._body_output is not None:
            self._body_output.apply(parameters)
        if self._ros4hri is not None:
            self._ros4hri.apply(parameters)
        self.running_command.apply(parameters)

    def enable(self, enabled: bool) -> None:
        """Pause or continue. While paused no image is given to the engine, except for one-shot commands.

        Args:
            enabled: Whether the running command is answered. It is kept, and may be changed, while this is false.
        """
        if enabled == self._enabled:
            return
        self._enabled = enabled
        if enabled:
            self._take_command()
        else:
            self.running_command.deactivate()
            self._set_command(None)

    def _take_command(self) -> None:
        tracker = self._tracker
        self.running_command.activate(
            self._parameters, self._set_command, tracker.selection, lambda: tracker.person_ids
        )

    def _set_command(self, command: Command | None) -> None:
        self.scheduler.set_command(command)
        if command is None and self._ros4hri is not None:
            self._ros4hri.close()

    def camera_inputs(self) -> dict[Topic, Callable[[Any], None]]:
        """Return the topics of the camera to which a host subscribes, with what handles their messages."""
        parameters = self._parameters
        inputs: dict[Topic, Callable[[Any], None]] = {topics.CAMERA_INFO: self.on_camera_info}
        if parameters.depth_enabled:
            inputs[topics.depth_input(parameters.depth_transport)] = self.on_depth
        if parameters.people_enabled and parameters.people_detections:
            inputs[topics.DETECTIONS] = self.on_detections
        image = topics.image_input(parameters.image_transport)
        inputs[image] = self.on_image if image is topics.IMAGE else self.on_compressed_image
        return inputs

    def read_command(self, text: str) -> Command | None:
        """Parse a command within the limits of the parameters command.max_length and command.allow.

        Args:
            text: The received text.

        Returns:
            The command, or None for `stop`.

        Raises:
            CommandError: The text is not an accepted command.
        """
        return self.running_command.read(text)

    def on_command(self, message: Any) -> None:
        """Handle a std_msgs/String: set the command, or log why it is rejected and keep the current one."""
        self.running_command.on_message(message)

    def on_camera_info(self, message: Any) -> None:
        """Handle a sensor_msgs/CameraInfo."""
        self.scheduler.calibrations.add(message, stamp_ns(message.header), message.header.frame_id)

    @property
    def lacks_camera_info(self) -> bool:
        """Whether images arrive, but no CameraInfo has arrived."""
        return self.scheduler.calibrations.is_empty and self.scheduler.counters.snapshot().frames_in > 0

    def on_image(self, message: Any) -> None:
        """Handle a sensor_msgs/Image."""
        self._submit(message, lambda _: self._decode(message))

    def on_compressed_image(self, message: Any) -> None:
        """Handle a sensor_msgs/CompressedImage."""
        formats = self._parameters.image_formats
        self._submit(message, lambda check_size: decode_compressed(message, check_size, formats))

    def on_depth(self, message: Any) -> None:
        """Store a message of depth, of either transport; it is decoded only if a matching colour image is answered."""
        self._depth.add(message)

    def on_detections(self, message: Any) -> None:
        """Handle a vision_msgs/Detection2DArray; that of another camera than the images' is ignored and logged."""
        frame_id, any_frame = message.header.frame_id, self._parameters.camera_info_frame == "any"
        if any_frame or is_same_frame(frame_id, self._image_frame):
            self._detections.add(message)
        else:
            self._detection_problems.report(
                "frame",
                f"the detections have the frame_id {frame_id!r}, but the image has {self._image_frame!r}: remap "
                "detections to those of this camera, or set camera_info_frame:=any",
            )

    def _submit(self, message: Any, decode: Callable[[SizeCheck], NDArray[np.uint8]]) -> None:
        stamp, now = stamp_ns(message.header), self._now_ns()
        self._headers.check(message.header, now)
        self.stamp_gaps.note(stamp)
        age_ms, frame_id = (now - stamp) / 1e6, message.header.frame_id
        self._image_frame = frame_id
        depth = partial(self._depth.depth_at, stamp, frame_id)
        self.scheduler.submit(Frame(stamp, frame_id, decode, receive_ms=age_ms, depth=depth))

    def person(self, result: Result) -> Any:
        """Return the taihri_ros/HumanKeypoints of a result, in the same frame as the node's other outputs."""
        return self._messages.person(result, self._outputs.place(result.frame.frame_id, result.frame.stamp_ns))

    def distance(self, request: Any) -> dict[str, Any]:
        """Return the fields of the response to a taihri_ros/Distance request.

        Raises:
            TaihriError: There is no body to measure from; see `BodyOutput.distance`.
        """
        if self._body_output is None:
            raise BodyUnavailableError("no body is fitted: set the parameter body.enabled")
        return self._body_output.distance(request, self._now_ns())

    def _prepare(self, result: Result) -> Callable[[], None]:
        """Build the messages of a result and return the function that sends them."""
        outputs, messages, parameters = self._outputs, self._messages, self._parameters
        placement = outputs.place(result.frame.frame_id, result.frame.stamp_ns)
        sends: list[Callable[[], None]] = [
            partial(outputs.publish, topics.KEYPOINTS, messages.pose_array(result, placement))
        ]
        if parameters.publish_tf and tf_frame(result.frame.frame_id):
            transforms = messages.transforms(result, parameters.tf_prefix)
            transforms += messages.people_transforms(result, parameters.tf_prefix)
            sends += [partial(outputs.broadcast, transforms)] if transforms else []
        if outputs.subscribers(topics.PERSON):
            sends.append(partial(outputs.publish, topics.PERSON, messages.person(result, placement)))
        if parameters.people_enabled and outputs.subscribers(topics.PEOPLE):
            sends.append(partial(outputs.publish, topics.PEOPLE, messages.people(result, placement)))
        if outputs.subscribers(topics.MARKERS):
            markers = marker_array(messages, result, placement, parameters.marker_lifetime_s)
            sends.append(partial(outputs.publish, topics.MARKERS, markers))
        bodies = Bodies() if self._body_fits is None else self._body_fits.update(result.estimate, result.frame.stamp_ns)
        if self._body_output is not None:
            sends += self._body_output.prepare(result, placement, bodies)
        if self._ros4hri is not None:
            sends += self._ros4hri.prepare(result, bodies)
        if outputs.subscribers(topics.OVERLAY):
            overlay = messages.compressed_image(result, self._overlay(result, bodies))
            sends.append(partial(outputs.publish, topics.OVERLAY, overlay))

        def send() -> None:
            for each in sends:
                each()
            self.running_command.note_answer()

        return send

    def _overlay(self, result: Result, bodies: Bodies) -> NDArray[np.uint8]:
        note = "" if self._engine.info.spec.trained else UNTRAINED_NOTE
        drawn = draw_overlay(result.image, result.estimate, note, result.camera, bodies.selected, bodies.by_id)
        picture = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._parameters.overlay_jpeg_quality]
        return np.asarray(cv2.imencode(".jpg", picture, quality)[1], np.uint8).ravel()
