"""Input and output of the scheduler: received frames, and results with the frame that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.pipeline.estimate import Estimate

SizeCheck = Callable[[int, int], object]
"""Checks the width and height of a picture, pixels, before it is decoded; raises `CameraError` for a wrong size."""


class ImageError(TaihriError):
    """A received image cannot be decoded."""


def is_same_frame(frame_id: str, other: str) -> bool:
    """Check whether two frame ids can be the same: a leading slash does not count, and an empty one is unknown."""
    names = {frame_id.lstrip("/"), other.lstrip("/")}
    return len(names) == 1 or "" in names


def no_depth() -> None:
    """Return None: the frame has no depth image."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One received image; it is decoded only if it is used.

    Attributes:
        stamp_ns: Time stamp of the image, nanoseconds.
        frame_id: Frame id of the image: the camera's optical frame.
        decode: Returns the image, (height, width, 3) uint8 RGB; raises `ImageError`. The decoder of a compressed
            image calls the given check with the width and height in its header before it allocates the pixels.
        received: Time of arrival on the clock `time.perf_counter()`, seconds.
        receive_ms: Age of the image at its arrival, milliseconds: the delay of camera, driver and network.
        depth: Returns the matching depth image, (height, width) float32 metres, or None; raises `ImageError`.
    """

    stamp_ns: int
    frame_id: str
    decode: Callable[[SizeCheck], NDArray[np.uint8]]
    received: float = field(default_factory=perf_counter)
    receive_ms: float = 0.0
    depth: Callable[[], NDArray[np.float32] | None] = no_depth


@dataclass(frozen=True, eq=False)
class Result:
    """An estimate and the frame that it belongs to.

    Attributes:
        estimate: The estimate.
        frame: The frame.
        image: The decoded image, (height, width, 3) uint8 RGB.
        stages_ms: Milliseconds by stage, from `receive` to `refine`, and `total` since the frame arrived.
        camera: Calibration of the camera that took the image; None if not needed.
    """

    estimate: Estimate
    frame: Frame
    image: NDArray[np.uint8]
    stages_ms: dict[str, float]
    camera: Camera | None = None
