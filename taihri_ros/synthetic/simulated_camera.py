"""The camera of the simulated robot."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel

_FOCAL_PER_WIDTH = 0.8
"""Focal length as a fraction of the image width."""


def simulated_camera(width: int, height: int) -> Camera:
    """Return a camera with a slightly distorted lens and an off-centre principal point.

    Args:
        width: Width of the image, px.
        height: Height of the image, px.

    Returns:
        The camera.
    """
    focal = _FOCAL_PER_WIDTH * width
    matrix = np.array([[focal, 0.0, 0.51 * width], [0.0, 1.003 * focal, 0.49 * height], [0.0, 0.0, 1.0]])
    return Camera(width, height, matrix, np.array([-0.08, 0.02, 5e-4, -5e-4, 0.0]), DistortionModel.PLUMB_BOB)


def scaled_down(camera: Camera, width: int) -> Camera:
    """Return the camera of the image scaled down to a width, px; narrower images keep their size."""
    scale = min(1.0, width / camera.width)
    matrix = camera.K.copy()
    matrix[:2] *= scale
    matrix[:2, 2] += 0.5 * scale - 0.5  # the centre of the first pixel is 0
    return Camera(round(camera.width * scale), round(camera.height * scale), matrix, camera.D, camera.model)


def scaled_picture(picture: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) of the scaled-down camera in the size of the camera."""
    size = (camera.width, camera.height)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def scaled_depth(depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    """Return depths (H, W) of the scaled-down camera in the size of the camera, each as it was measured."""
    size = (camera.width, camera.height)
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST), np.float32)
