"""Checks that the depth images of a bag are registered to its colour images."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.node.bag_frames import BagFrames
from taihri_ros.pipeline.frames import ImageError

_LARGEST_SHIFT_PX = 2.0
"""Largest distance between the pixels at which two cameras see the same point, px."""

_GRID = 5
"""Number of pixels along each side of the image that are compared."""


class DepthInfo:
    """The CameraInfo beside the depth topic of a bag, which describes the camera of the depth images."""

    def __init__(self, frames: BagFrames, *, rectified: bool) -> None:
        """Read it, if there is one.

        Args:
            frames: The bag.
            rectified: Whether the images are rectified.
        """
        depth = frames.topics.depth[0].topic.removesuffix("/compressedDepth")
        self._topic = f"{depth.rpartition('/')[0]}/camera_info"
        self._camera: Camera | None = None
        self._same: dict[Camera, bool] = {}
        of_color = {channel.topic for channel in frames.topics.camera_info}
        info = None if self._topic in of_color else frames.first_message(self._topic)
        if info is not None:
            with suppress(CameraError):  # some drivers leave it empty
                self._camera = Camera.from_info(info, rectified=rectified)

    def check(self, camera: Camera) -> None:
        """Check that it describes the camera of a colour image.

        Args:
            camera: The camera of the colour image.

        Raises:
            ImageError: It describes another camera.
        """
        if self._camera is None:
            return
        if camera not in self._same:
            self._same[camera] = is_same_view(camera, self._camera)
        if not self._same[camera]:
            raise ImageError(
                f"{self._topic}, beside the depth images, describes another camera than that of the colour images: use "
                "the depth topic that is registered (aligned) to the colour image"
            )


def is_same_view(camera: Camera, other: Camera) -> bool:
    """Check whether two cameras see every direction at the same pixel, up to a small difference.

    Args:
        camera: One camera.
        other: Another one.

    Returns:
        Whether they have the same size and agree all over the image.
    """
    if (camera.width, camera.height) != (other.width, other.height):
        return False
    columns, rows = np.linspace(0, camera.width - 1, _GRID), np.linspace(0, camera.height - 1, _GRID)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    shifts = np.linalg.norm(other.project(camera.unproject(pixels)) - pixels, axis=1)
    return bool(np.nanmax(shifts) <= _LARGEST_SHIFT_PX) if np.isfinite(shifts).any() else False
