"""Every error of a frame has a drop reason."""

from __future__ import annotations

import pytest

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.inference.engine import (
    EngineError,
    EngineUnavailableError,
    GenerationAbortedError,
)
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.counters import Drop
from taihri_ros.pipeline.drop_reasons import drop_reason
from taihri_ros.pipeline.frames import ImageError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("x"), Drop.BAD_IMAGE),
        (CameraError("x"), Drop.BAD_CAMERA_INFO),
        (GenerationAbortedError("x"), Drop.COMMAND_CHANGED),
        (EngineUnavailableError("x"), Drop.ENGINE_UNAVAILABLE),
        (EngineError("x"), Drop.ENGINE_ERROR),
        (MalformedAnswerError("x", "raw"), Drop.MALFORMED_ANSWER),
        (KeyError("x"), Drop.INTERNAL_ERROR),
    ],
)
def test_every_error_has_a_drop_reason(error: Exception, reason: Drop) -> None:
    assert drop_reason(error) is reason
