"""What one frame of a running command teaches for the next: the joints that it means, where to look, how they move."""

from __future__ import annotations

from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.commands.command import Command
from taihri_ros.commands.joint_selection import JointSelection
from taihri_ros.inference.engine import Engine
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.motion_filter import MotionFilter
from taihri_ros.pipeline.person_crop import PersonCrop


class Tracker:
    """An estimator with a memory. Several threads may call `estimate`; `smooth` goes in the order of the frames."""

    def __init__(
        self,
        estimator: Estimator,
        *,
        joint_selection: JointSelection | None = None,
        person_crop: PersonCrop | None = None,
        motion_filter: MotionFilter | None = None,
    ) -> None:
        """Create a follower that has seen nothing.

        Args:
            estimator: Answers each frame.
            joint_selection: Remembers which joints a free command means; by default the model chooses for every frame.
            person_crop: Chooses what the model is shown; by default always the full view.
            motion_filter: Filters the joints' motion; by default nothing does.
        """
        self._estimator = estimator
        self._joint_selection = joint_selection
        self._person_crop = person_crop
        self._filter = motion_filter
        self._looking = Lock()

    @property
    def engine(self) -> Engine:
        """The engine that answers."""
        return self._estimator.engine

    def estimate(
        self,
        image: NDArray[np.uint8],
        camera: Camera,
        command: Command,
        stamp_ns: int,
        *,
        one_shot: bool = False,
    ) -> Estimate:
        """Find the joints that a command needs; errors are those of `Estimator.estimate`.

        Args:
            image: (height, width, 3) uint8 RGB, as the camera took it.
            camera: Its calibration.
            command: What to look for.
            stamp_ns: The image's stamp, nanoseconds.
            one_shot: The frame answers a single query: it is looked at in whole, and nothing is learned of the person.

        Returns:
            The estimate. Its command has the joints that were asked for by name.
        """
        asked = command if self._joint_selection is None else self._joint_selection.with_joints(command, monotonic())
        view = None
        if self._person_crop is not None and asked.joints and not one_shot:
            with self._looking:
                view = self._person_crop.view(camera, self.engine.info.spec, asked.joints, stamp_ns)
        estimate: Estimate | None = None
        try:
            estimate = self._estimator.estimate(image, camera, asked, view=view)
        except MalformedAnswerError:
            self._learn_selection(asked, None)
            raise
        finally:
            if self._person_crop is not None and view is not None:
                with self._looking:
                    self._person_crop.learn(estimate, view, stamp_ns)
        self._learn_selection(asked, estimate)
        return estimate

    def _learn_selection(self, asked: Command, estimate: Estimate | None) -> None:
        if self._joint_selection is not None:
            joints = tuple(keypoint.name for keypoint in estimate.person.keypoints) if estimate else ()
            self._joint_selection.learn(asked, joints, monotonic())

    def smooth(self, estimate: Estimate, stamp_ns: int) -> Estimate:
        """Filter the motion of the joints, where that is switched on.

        Args:
            estimate: The estimate of a frame.
            stamp_ns: The frame's stamp, nanoseconds.

        Returns:
            The estimate with filtered positions.
        """
        return estimate if self._filter is None else self._filter.update(estimate, stamp_ns)
