"""Estimates the frames of a running command, using joint selection, person crop and motion filter across frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.commands.joint_selection import JointSelection, Selection, Source
from taihri_ros.inference.engine import Engine
from taihri_ros.keypoints import Person
from taihri_ros.pipeline.belief import BeliefGate, refuse_unbelieved
from taihri_ros.pipeline.depth_fusion import fuse
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.find_person import find_person
from taihri_ros.pipeline.guards import Guards
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.person_crop import PersonCrop
from taihri_ros.pipeline.uncertainty import with_confidences
from taihri_ros.skeleton import JOINTS


class Tracker:
    """A stateful estimator. `estimate` is thread-safe; `refine` must be called in the order of the frames.

    Attributes:
        guards: Refuse joints of what `refine` returns; its caller applies them.

    Example:
        `Tracker(Estimator(engine), person_crop=PersonCrop("auto"), motion_filter=MotionFilter())` crops to the person
        and smooths their motion: call `refine(estimate(image, camera, command, stamp_ns), stamp_ns)` for each frame.
    """

    def __init__(
        self,
        estimator: Estimator,
        *,
        joint_selection: JointSelection | None = None,
        person_crop: PersonCrop | None = None,
        motion_filter: MotionFilter | None = None,
        whole_body: bool = False,
        guards: Guards | None = None,
    ) -> None:
        """Create a tracker without state.

        Args:
            estimator: Estimates each frame.
            joint_selection: Selects the joints of a command; if None, the model chooses those of free words in every
                frame.
            person_crop: Chooses the view of each frame; if None, the full view is used.
            motion_filter: Filters the motion of the joints; if None, it is not filtered.
            whole_body: Whether all joints of the skeleton are requested together with those of a command, as
                `Estimate.whole`. A free command has them from the second frame on, when its joints are known.
            guards: Refuse joints last of all; none if None.
        """
        self.guards = guards or Guards()
        self._estimator = estimator
        self._joint_selection = joint_selection or JointSelection()
        self._keeps_choice = joint_selection is not None
        self._person_crop = person_crop
        self._filter = motion_filter
        self._whole_body = whole_body
        self._crop_lock = Lock()

    @property
    def engine(self) -> Engine:
        """The engine that runs the model."""
        return self._estimator.engine

    @property
    def gate(self) -> BeliefGate:
        """The thresholds for confidence and presence."""
        return self._estimator.gate

    @property
    def person_ids(self) -> tuple[str, ...]:
        """Ids of the people who are known; none, because this tracker does not tell people apart."""
        return ()

    def use_joint_selection(self, joint_selection: JointSelection) -> None:
        """Replace what selects the joints of a command from the next frame on."""
        self._joint_selection = joint_selection

    def use_person_crop(self, person_crop: PersonCrop | None) -> None:
        """Replace what chooses the view of each frame from the next one on; None for the full view."""
        self._person_crop = person_crop

    def use_filter(self, make_filter: Callable[[], MotionFilter] | None) -> None:
        """Replace the motion filter from the next frame on; its state is lost.

        Args:
            make_filter: Creates the filter of a person; None if the motion is not filtered.
        """
        self._filter = None if make_filter is None else make_filter()

    def selection(self, command: Command) -> Selection:
        """Return the newest selection of the joints for a command.

        Args:
            command: The command.

        Returns:
            The joints, and by whom they were chosen; PENDING if the model chooses them on the next image.

        Raises:
            EngineUnavailableError: The engine does not run yet, so that it is not known whether the model chooses.
        """
        return self._joint_selection.current(command)

    def estimate(
        self,
        image: NDArray[np.uint8],
        camera: Camera,
        command: Command,
        stamp_ns: int,
        *,
        one_shot: bool = False,
        check_wanted: Callable[[], None] | None = None,
    ) -> Estimate:
        """Return the joints that a command needs; errors are those of `Estimator.estimate`.

        The model may look at the frame in a second view; see `PersonCrop`. The estimate of the second view is returned
        if the model believes a joint of it, otherwise that of the first.

        Args:
            image: (height, width, 3) uint8 RGB, not undistorted.
            camera: Calibration of the camera that took the image.
            command: The joints to find, as names or as free text.
            stamp_ns: Time stamp of the image, nanoseconds.
            one_shot: Whether the frame is for a one-shot command: the views of `find_person` are used, and the person
                crop is not updated.
            check_wanted: Called before every further view, if given; raises an error to end the processing.

        Returns:
            The estimate. Its command holds the joints that were requested by name. Joints in which the model does not
            believe are missing, and the person crop does not follow them. A command for which no joint is chosen is not
            sent to the model; its person has no keypoint.
        """
        joint_selection, person_crop = self._joint_selection, self._person_crop
        selection = joint_selection.select(command, monotonic())
        if selection.source is Source.NONE:
            spec = self.engine.info.spec
            return Estimate(command, Person((), None), "", {}, spec.name, thresholds=self.gate.thresholds(spec))
        named = replace(command, joints=selection.joints)
        requested = replace(command, joints=JOINTS) if self._whole_body and named.joints else named
        if one_shot and person_crop is not None:
            exchange = find_person(self._estimator, image, camera, requested, check_wanted)
            estimate = exchange.estimate(self._estimator.xy_source, self.gate.thresholds(exchange.decoder.spec))
        elif person_crop is not None and requested.joints:
            estimate = self._follow(person_crop, image, camera, requested, stamp_ns, check_wanted)
        else:
            estimate = self._estimator.estimate(image, camera, requested)
        if self._keeps_choice:
            joints = tuple(keypoint.name for keypoint in estimate.person.keypoints)
            joint_selection.remember(requested, joints, monotonic())
        return estimate if requested is named else estimate.restricted_to(named)

    def _follow(
        self,
        person_crop: PersonCrop,
        image: NDArray[np.uint8],
        camera: Camera,
        command: Command,
        stamp_ns: int,
        check_wanted: Callable[[], None] | None,
    ) -> Estimate:
        """Estimate a frame in the view of the person crop, and in a second one if it needs that."""

        def look(view: CanonicalView) -> Estimate:
            estimate: Estimate | None = None
            try:
                estimate = self._estimator.estimate(image, camera, command, view=view)
            finally:
                with self._crop_lock:
                    person_crop.update(estimate, view, stamp_ns)
            return estimate

        with self._crop_lock:
            view = person_crop.view(camera, self.engine.info.spec, command.joints, stamp_ns)
        first = look(view)
        with self._crop_lock:
            other = person_crop.second_view(view, stamp_ns)
        if other is None:
            return first
        if check_wanted is not None:
            check_wanted()
        return first.followed_by(look(other))

    def refine(
        self,
        estimate: Estimate,
        stamp_ns: int,
        *,
        camera: Camera | None = None,
        depth: NDArray[np.float32] | None = None,
        one_shot: bool = False,
    ) -> Estimate:
        """Fuse an estimate with a depth image and filter the motion; unchanged without both.

        A joint must pass the thresholds twice. After the fusion, so that a depth image that agrees can support it, and
        so that a joint that is refused never updates the filter. After the filter, because a prediction loses
        confidence with time. The confidence is computed again each time.

        Args:
            estimate: The estimate of a frame.
            stamp_ns: Time stamp of the frame, nanoseconds.
            camera: Calibration of the camera that took the image, needed with a depth image.
            depth: (height, width) float32, metres, registered to the image; None without a depth image.
            one_shot: Whether the frame is for a one-shot command: the motion is not filtered.

        Returns:
            The refined estimate.

        Raises:
            ImageError: The depth image does not have the camera's size.
        """
        motion = None if one_shot else self._filter
        if motion is None and (depth is None or camera is None):
            return estimate
        refined = self._fused(estimate, camera, depth)
        if motion is not None:
            refined = self._filtered(refined, motion, stamp_ns)
        return refined if estimate.whole is None else refined.restricted_to(estimate.command)

    def _fused(self, estimate: Estimate, camera: Camera | None, depth: NDArray[np.float32] | None) -> Estimate:
        """Return what is believed of an estimate after the fusion with a depth image, if there is one."""
        thresholds = self.gate.thresholds(self.engine.info.spec)
        fused = replace(estimate, person=estimate.decoded or estimate.person, thresholds=thresholds)
        if depth is not None and camera is not None:
            fused = fuse(fused, depth, camera)
            fused = replace(fused, person=with_confidences(fused.person, self._confidence_factor))
        return replace(fused, person=refuse_unbelieved(fused.person, thresholds))

    def _filtered(self, estimate: Estimate, motion: MotionFilter, stamp_ns: int) -> Estimate:
        """Return what is believed of an estimate after its motion was filtered."""
        filtered = motion.update(estimate, stamp_ns)
        person = with_confidences(filtered.person, self._confidence_factor)
        return replace(filtered, person=refuse_unbelieved(person, estimate.thresholds))

    @property
    def _confidence_factor(self) -> float:
        return self.engine.info.spec.calibration.confidence_factor(self._estimator.xy_source)
