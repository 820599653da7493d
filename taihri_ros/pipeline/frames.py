"""What goes into the perception loop and what comes out: received images, and results with the image they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.pipeline.estimate import Estimate


class ImageError(TaihriError):
    """A received image cannot be decoded."""


def no_depth() -> None:
    """Give the depth image of a frame that has none."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One received image, not yet decoded: only frames that are used are paid for.

    Attributes:
        stamp_ns: The image's stamp in nanoseconds.
        frame_id: The image's frame.
        decode: Gives (height, width, 3) uint8 RGB; raises `ImageError`.
        received: `time.perf_counter()` when it arrived, in seconds.
        receive_ms: Its age when it arrived, by the clock of its stamp, in milliseconds: camera, driver and network.
        depth: Gives the depth image that belongs to it, (height, width) float32 metres, or None; raises `ImageError`.
    """

    stamp_ns: int
    frame_id: str
    decode: Callable[[], NDArray[np.uint8]]
    received: float = field(default_factory=perf_counter)
    receive_ms: float = 0.0
    depth: Callable[[], NDArray[np.float32] | None] = no_depth


@dataclass(frozen=True, eq=False)
class Result:
    """An estimate with the frame that it belongs to.

    Attributes:
        estimate: The estimate.
        frame: The frame.
        image: Its pixels, (height, width, 3) uint8 RGB.
        stages_ms: Milliseconds by stage, from `receive` to `parse`, and `total` since the frame arrived.
        camera: The calibration that it was taken with; None where that does not matter.
    """

    estimate: Estimate
    frame: Frame
    image: NDArray[np.uint8]
    stages_ms: dict[str, float]
    camera: Camera | None = None
