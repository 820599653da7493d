"""Refine the model's keypoints by a depth image that is registered to the colour image.

A depth camera measures the skin or the clothes, a joint lies beneath them: a mean inset of the joint is added to the
measured depth, and the inset's spread to the measurement's variance. Where model and measurement agree they are fused
by their variances; where they do not, the model's point stands, since a depth camera sees any hand or thing that is
before the joint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.keypoints import DepthUse, Keypoint, State
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.frames import ImageError
from taihri_ros.skeleton import JOINTS

AGREEMENT_SIGMAS = 3.0
"""Model and measurement agree if they differ by at most this many standard deviations of their difference."""

_WINDOW_SIDE, _WINDOW_OF_WIDTH = 5, 640
"""Side of the window around a keypoint's pixel in an image of that width; both in pixels."""

_LEAST_VALID = 1 / 3
"""Part of the window that must hold a measurement."""

_NOISE_PER_M, _NOISE_M = 0.002, 0.002
"""Typical of active stereo: the standard deviation of a depth z is 0.002 z² + 0.002 m (z in metres)."""


class SurfaceOffset(NamedTuple):
    """How much further than the surface that is seen at its pixel a joint is.

    Attributes:
        mean: Along the camera's z axis, metres.
        sigma: Its standard deviation from person to person and view to view, metres.
    """

    mean: float
    sigma: float


_BY_JOINT = {
    "pelvis": SurfaceOffset(0.152, 0.029),
    "hip": SurfaceOffset(0.129, 0.039),
    "spine1": SurfaceOffset(0.152, 0.029),
    "spine2": SurfaceOffset(0.163, 0.029),
    "spine3": SurfaceOffset(0.171, 0.036),
    "neck": SurfaceOffset(0.073, 0.021),
    "collar": SurfaceOffset(0.082, 0.024),
    "head": SurfaceOffset(0.090, 0.022),
    "shoulder": SurfaceOffset(0.062, 0.019),
    "elbow": SurfaceOffset(0.056, 0.021),
    "wrist": SurfaceOffset(0.025, 0.015),
    "knee": SurfaceOffset(0.066, 0.017),
    "ankle": SurfaceOffset(0.047, 0.014),
    "foot": SurfaceOffset(0.004, 0.003),
}
# Measured by evaluation/benchmark/surface_offsets.py (seed 0): 500 dressed synthetic people, 4 views each, 1,278 to 2,668
# visible joints a row. Left and right share a row. Their foot joint is the root of the big toe, just below the skin.

SURFACE_OFFSETS = {name: _BY_JOINT[name.removeprefix("left_").removeprefix("right_")] for name in JOINTS}
"""The inset of each joint of the skeleton."""


def fuse(estimate: Estimate, depth: NDArray[np.float32], camera: Camera) -> Estimate:
    """Fuse the measured keypoints of an estimate with a depth image.

    Each is updated by the measurement of its z, as a Kalman filter does (Kalman 1960), so that what is correlated with
    z moves along; before that the innovation has to pass a validation gate of `AGREEMENT_SIGMAS` (Bar-Shalom and
    Fortmann 1988). A keypoint without a finite covariance, or whose pixel lies outside of the image, stays as it is.

    Args:
        estimate: The estimate, of an image of this camera.
        depth: float32 (height, width) metres along the camera's z axis; what is not finite or not positive is no
            measurement.
        camera: The camera of the colour image, to which the depth image is registered.

    Returns:
        The estimate with `Keypoint.depth` set, and position and covariance updated where that is `FUSED`.

    Raises:
        ImageError: The depth image is not of the camera's size.
    """
    height, width = depth.shape
    if (width, height) != (camera.width, camera.height):
        raise ImageError(
            f"the depth image is {width}x{height}, but the colour image {camera.width}x{camera.height}: use the depth "
            "topic that is registered (aligned) to the colour image"
        )
    keypoints = tuple(_refine(keypoint, depth) for keypoint in estimate.person.keypoints)
    return replace(estimate, person=replace(estimate.person, keypoints=keypoints))


def surface_depth(depth: NDArray[np.float32], pixel: ArrayLike) -> float:
    """Measure the surface that is seen at a pixel: the median of a small window around it.

    Of an even number it is the lower one of the two in the middle: their mean could be in the air between a person and
    the wall behind.

    Args:
        depth: float32 (height, width) metres; what is not finite or not positive is no measurement.
        pixel: (2,) column and row, px.

    Returns:
        Metres along the camera's z axis; NaN outside of the image, and where too little of the window was measured.
    """
    height, width = depth.shape
    place = np.floor(np.asarray(pixel, np.float64) + 0.5)
    if not ((place >= 0) & (place < (width, height))).all():
        return float("nan")
    column, row = place.astype(int).tolist()
    reach = max(1, round((_WINDOW_SIDE // 2) * width / _WINDOW_OF_WIDTH))
    window = depth[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    measured = window[np.isfinite(window) & (window > 0.0)]
    if measured.size < _LEAST_VALID * window.size:
        return float("nan")
    middle = (measured.size - 1) // 2
    return float(np.partition(measured, middle)[middle])


def _refine(keypoint: Keypoint, depth: NDArray[np.float32]) -> Keypoint:
    if keypoint.state is not State.MEASURED or not np.isfinite(keypoint.covariance).all():
        return keypoint
    surface = surface_depth(depth, keypoint.pixel)
    return keypoint if np.isnan(surface) else _update(keypoint, surface)


def _update(keypoint: Keypoint, surface: float) -> Keypoint:
    surface_offset = SURFACE_OFFSETS[keypoint.name]
    noise = (_NOISE_PER_M * surface**2 + _NOISE_M) ** 2 + surface_offset.sigma**2
    innovation = surface + surface_offset.mean - keypoint.position[2]
    variance = keypoint.covariance[2, 2] + noise
    gain = keypoint.covariance[:, 2] / variance
    position = keypoint.position + gain * innovation
    if abs(innovation) > AGREEMENT_SIGMAS * np.sqrt(variance) or position[2] <= 0.0:
        return replace(keypoint, depth=DepthUse.DISAGREES)
    covariance = keypoint.covariance - np.outer(gain, keypoint.covariance[2])
    return replace(keypoint, position=position, covariance=covariance, depth=DepthUse.FUSED)
