"""What to ask when a model cannot choose: the joints that the tasks' table names for the same words."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera import Camera
from taihri_ros.command import Command
from taihri_ros.decoding import XySource
from taihri_ros.engine.interface import Engine
from taihri_ros.estimator import Estimator
from taihri_ros.keypoints import Estimate
from taihri_ros.language.parser import MalformedAnswerError
from taihri_ros.tasks import Tasks

logger = logging.getLogger(__name__)

_FRAMES = 30
"""So many images are asked by name before the model may choose again: its answer may have been right for one image."""


class FallbackEstimator(Estimator):
    """An estimator that names the joints of a free command to which the model found none itself.

    The image whose answer holds no joint keeps that answer; the next ones are asked by name.
    """

    def __init__(self, engine: Engine, tasks: Tasks, *, xy_source: XySource = "bins") -> None:
        """Create an estimator.

        Args:
            engine: The engine that answers.
            tasks: The table of tasks.
            xy_source: Where x and y come from.
        """
        super().__init__(engine, xy_source=xy_source)
        self._tasks = tasks
        self._said: Command | None = None
        self._instead: Command | None = None
        self._left = 0

    def estimate(self, image: NDArray[np.uint8], camera: Camera, command: Command) -> Estimate:
        """Find the joints that a command needs; arguments, result and errors are those of `Estimator.estimate`.

        The estimate's command has the joints that were asked by name.
        """
        if command == self._said and self._instead is not None and self._left:
            self._left -= 1
            return super().estimate(image, camera, self._instead)
        try:
            estimate = super().estimate(image, camera, command)
        except MalformedAnswerError:
            self._fall_back(command)
            raise
        if not estimate.person.keypoints:
            self._fall_back(command)
        return estimate

    def _fall_back(self, command: Command) -> None:
        if command.joints:
            return
        if command != self._said:
            task = self._tasks.match(command.text)
            self._said = command
            self._instead = Command(command.text, task.joints) if task else None
            logger.warning(
                "the model chose no joint for %r; %s",
                command.text,
                f"asking for {', '.join(task.joints)}, as the task {task.name} needs"
                if task
                else "no task is said like that either: say it in another way or name the joints",
            )
        self._left = _FRAMES
