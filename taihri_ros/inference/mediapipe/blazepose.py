"""BlazePose of MediaPipe: the 33 landmarks of one person in a picture.

BlazePose (Bazarevsky et al., 2020, arXiv 2006.10204) detects a person, and a second network finds the landmarks in a
crop around them, in the picture and in metres. In a video the crop follows the landmarks of the frame before.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.mediapipe.landmarks import Landmarks

FRAMEWORK = "mediapipe"

_WEIGHTS = (
    "modules/pose_detection/pose_detection.tflite",
    "modules/pose_landmark/pose_landmark_full.tflite",
    "modules/pose_landmark/pose_landmark_cpu.binarypb",
)
_FULL_MODEL = 1
"""`model_complexity` of the only landmark network that is in the wheels; the others are downloaded."""

_DETECTION_CONFIDENCE, _LANDMARK_CONFIDENCE = 0.6, 0.7
"""How sure each network must be that there is a person. With mediapipe's own 0.5 one of a hundred pictures without
people showed one, such as a motorcycle; with these it is one of five hundred, and of the people 5 % are lost."""


class BlazePose:
    """The detector and the landmark network. Not thread-safe."""

    def __init__(self, *, tracking: bool) -> None:
        """Load the weights.

        Args:
            tracking: Whether the pictures are frames of a video; the crop then follows the person, until a picture of
                another size comes. If false, every picture is searched.

        Raises:
            EngineError: mediapipe cannot be imported.
        """
        pose = require("mediapipe.python.solutions.pose", FRAMEWORK)
        self._tracking, self._last_size = tracking, (0, 0)
        self._pose: Any = pose.Pose(
            static_image_mode=not tracking,
            model_complexity=_FULL_MODEL,
            smooth_landmarks=False,
            min_detection_confidence=_DETECTION_CONFIDENCE,
            min_tracking_confidence=_LANDMARK_CONFIDENCE,
        )

    def find(self, image: NDArray[np.uint8]) -> Landmarks | None:
        """Find the person in a picture.

        Args:
            image: (height, width, 3) uint8 RGB.

        Returns:
            The landmarks of the most prominent person, or of the one in the frame before; None if nobody is found.
        """
        height, width, _ = image.shape
        if self._tracking and (width, height) != self._last_size:
            self._pose.reset()
        self._last_size = (width, height)
        found = self._pose.process(np.ascontiguousarray(image))
        if found.pose_landmarks is None or found.pose_world_landmarks is None:
            return None
        flat = np.array([(mark.x, mark.y, mark.visibility) for mark in found.pose_landmarks.landmark])
        return Landmarks(
            pixels=flat[:, :2] * (width, height) - 0.5,
            world=np.array([(mark.x, mark.y, mark.z) for mark in found.pose_world_landmarks.landmark]),
            visibility=flat[:, 2],
            size=(width, height),
        )

    def close(self) -> None:
        """Free the networks."""
        self._pose.close()


def check_weights() -> None:
    """Check that the installed mediapipe contains the weights, without importing it.

    Raises:
        CheckpointError: It does not; the message says which versions do.
    """
    package = importlib.util.find_spec(FRAMEWORK)
    directories = [Path(place) for place in (package.submodule_search_locations or [])] if package else []
    missing = [name for name in _WEIGHTS if not any((directory / name).is_file() for directory in directories)]
    if missing:
        raise CheckpointError(
            f"the installed mediapipe has no {missing[0]}: only 0.10.14 to 0.10.21 carry the weights, for Python 3.10 "
            "to 3.12; run `taihri engine install --engine mediapipe` with such a Python"
        )
