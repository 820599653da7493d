"""Turns a frame into a result: its age, its calibration, its pixels, the joints, and their refinement."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.command import Command
from taihri_ros.pipeline.calibrations import Calibrations
from taihri_ros.pipeline.depth_fusion import check_registered
from taihri_ros.pipeline.frame_age import NO_LIMIT, AgeLimit
from taihri_ros.pipeline.frames import Frame, ImageError, Result
from taihri_ros.pipeline.problem_log import ProblemLog
from taihri_ros.pipeline.tracker import Tracker

logger = logging.getLogger(__name__)


class FrameProcessor:
    """The processing of frames: `estimate` may run for two frames at once, `refine` in the order of the frames."""

    def __init__(
        self,
        tracker: Tracker,
        calibrations: Calibrations,
        age_limit: AgeLimit = NO_LIMIT,
        *,
        report_depth: Callable[[str], None] | None = None,
    ) -> None:
        """Create a processor.

        Args:
            tracker: Estimates the joints.
            calibrations: The calibrations of the camera.
            age_limit: The largest age of a frame.
            report_depth: Receives the reason why a depth image is not used, for each frame; None to log it.
        """
        self._tracker = tracker
        self._calibrations = calibrations
        self._age_limit = age_limit
        self._depth_problems = ProblemLog(logger)
        self._report_depth = report_depth or partial(self._depth_problems.report, "depth")

    def check(self, frame: Frame) -> None:
        """Check whether a frame is worth waiting for.

        Args:
            frame: The frame.

        Raises:
            StaleFrameError: The frame is too old.
            NoCameraInfoError: No CameraInfo was received.
        """
        self._age_limit.check(frame.stamp_ns)
        self._calibrations.check_known()

    def estimate(
        self, frame: Frame, command: Command, *, one_shot: bool = False, check_wanted: Callable[[], None] | None = None
    ) -> Result:
        """Decode the image and estimate the joints.

        Args:
            frame: The frame.
            command: The command.
            one_shot: Whether the frame is for a one-shot command.
            check_wanted: Called between the steps, if given; raises an error to end the processing.

        Returns:
            The result, without its depth image and without the motion filter.

        Raises:
            StaleFrameError: The frame is too old.
            ImageError: The image cannot be decoded.
            CameraError: No valid calibration belongs to the image.
            EngineError: The engine did not answer.
            MalformedAnswerError: The answer was cut off, or is not in the answer format.
        """
        taken = perf_counter()
        self._age_limit.check(frame.stamp_ns)
        find_camera = partial(self._calibrations.camera, frame.stamp_ns, frame.frame_id)
        image = frame.decode(find_camera)
        camera = find_camera(image.shape[1], image.shape[0])
        decoded = perf_counter()
        if check_wanted is not None:
            check_wanted()
        estimate = self._tracker.estimate(
            image, camera, command, frame.stamp_ns, one_shot=one_shot, check_wanted=check_wanted
        )
        stages = {
            "receive": frame.receive_ms,
            "queue": (taken - frame.received) * 1e3,
            "decode": (decoded - taken) * 1e3,
        }
        total = {"total": (perf_counter() - frame.received) * 1e3}
        return Result(estimate, frame, image, stages | estimate.stages_ms | total, camera)

    def refine(self, result: Result, *, one_shot: bool = False) -> Result:
        """Fuse the depth image, filter the motion and apply the guards; must be called in the order of the frames.

        Args:
            result: The result of a frame.
            one_shot: Whether the frame is for a one-shot command, which the motion filter must not see.

        Returns:
            The refined result.
        """
        started = perf_counter()
        frame, camera = result.frame, result.camera
        depth: NDArray[np.float32] | None = None
        try:
            depth = frame.depth()
            if depth is not None and camera is not None:
                check_registered(depth, camera)
        except ImageError as error:
            depth = None
            self._report_depth(f"the depth image is not used: {error}")
        else:
            self._depth_problems.clear()
        estimate = self._tracker.refine(result.estimate, frame.stamp_ns, camera=camera, depth=depth, one_shot=one_shot)
        estimate = self._tracker.guards.check(estimate, frame.stamp_ns, one_shot=one_shot)
        refined = {"refine": (perf_counter() - started) * 1e3, "total": (perf_counter() - frame.received) * 1e3}
        return replace(result, estimate=estimate, stages_ms=result.stages_ms | refined)
