"""Maps an error to the reason under which a dropped frame is counted."""

from __future__ import annotations

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.inference.engine import EngineError, EngineUnavailableError, GenerationAbortedError
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.counters import Drop
from taihri_ros.pipeline.frames import ImageError


def drop_reason(error: Exception) -> Drop:
    """Return the drop reason of a frame that ended with an error.

    Args:
        error: The error.

    Returns:
        The reason; `Drop.INTERNAL_ERROR` for an unexpected error.
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
