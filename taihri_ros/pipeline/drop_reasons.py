"""Maps an error to the reason under which a dropped frame is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import EngineError, EngineUnavailableError, GenerationAbortedError
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.calibrations import NoCameraInfoError
from taihri_ros.pipeline.counters import Drop
from taihri_ros.pipeline.frame_age import StaleFrameError
from taihri_ros.pipeline.frames import ImageError


class PublicationError(TaihriError):
    """A result could not be published."""


@contextmanager
def publication_errors() -> Iterator[None]:
    """Return a context that raises each error of its body as a `PublicationError`."""
    try:
        yield
    except Exception as error:
        detail = error if isinstance(error, TaihriError) else repr(error)
        raise PublicationError(f"a result could not be published: {detail}") from error


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
        case StaleFrameError():
            return Drop.STALE_FRAME
        case NoCameraInfoError():
            return Drop.NO_CAMERA_INFO
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
        case PublicationError():
            return Drop.NOT_PUBLISHED
    return Drop.INTERNAL_ERROR
