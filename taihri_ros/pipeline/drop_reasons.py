"""Which error of a frame is counted under which reason."""

from __future__ import annotations

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.inference.engine import EngineError, EngineUnavailableError, GenerationAbortedError
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.counters import Drop
from taihri_ros.pipeline.frames import ImageError


def drop_reason(error: Exception) -> Drop:
    """Tell under which reason a frame is counted that ended with an error.

    Args:
        error: The error.

    Returns:
        The reason.
    """
    match error:
        case ImageError():
            return Drop.BAD_IMAGE
        case CameraError():
            return Drop.BAD_CAMERA_INFO
        case GenerationAbortedError():
            return Drop.COMMAND_CHANGED
        case EngineUnavailableError():
            return Drop.ENGINE_UNAVAILABLE
        case EngineError():
            return Drop.ENGINE_ERROR
        case MalformedAnswerError():
            return Drop.MALFORMED_ANSWER
    return Drop.INTERNAL_ERROR
