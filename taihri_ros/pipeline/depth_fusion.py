"""Refines the model's keypoints with a depth image that is registered to the colour image.

A depth camera measures the skin or the clothes, and a joint lies beneath them. The mean surface-to-joint offset is
therefore added to the measured depth, and the variance of the offset to the variance of the measurement. Where model
and measurement agree, they are fused by their variances. Where they disagree, the model's point is kept: the depth
camera may see a hand or an object in front of the joint.
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
"""Validation gate: model and measurement agree within this many standard deviations of their difference."""

_WINDOW_SIDE, _REFERENCE_WIDTH = 5, 640
"""Side of the window around a keypoint's pixel, px, in an image of the reference width (px); scaled with the width."""

_MIN_VALID_FRACTION = 1 / 3
"""Fraction of the window's pixels that must hold a measurement."""

_NOISE_PER_M, _NOISE_M = 0.002, 0.002
"""Sensor noise, typical of active stereo: the standard deviation of a depth z (m) is 0.002 z² + 0.002 m."""


class SurfaceOffset(NamedTuple):
    """Surface-to-joint offset: how far a joint lies behind the visible surface at its pixel.

    Attributes:
        mean: Mean offset along the camera's z axis, metres.
        sigma: Standard deviation across people and views, metres.
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
# Measured by evaluation/benchmark/surface_offsets.py (seed 0): 500 dressed people, 4 views each, 1,278 to 2,668
# visible joints per row. Left and right share a row. The foot joint is the root of the big toe, just below the skin.

SURFACE_OFFSETS = {name: _BY_JOINT[name.removeprefix("left_").removeprefix("right_")] for name in JOINTS}
"""Surface-to-joint offset of each joint of the skeleton."""


def fuse(estimate: Estimate, depth: NDArray[np.float32], camera: Camera) -> Estimate:
    """Fuse the measured keypoints of an estimate with a depth image.

    Each keypoint is corrected by a Kalman update (Kalman 1960) with the measured z, which also corrects the coordinates
    that are correlated with z. The innovation must first pass a validation gate of `AGREEMENT_SIGMAS` (Bar-Shalom and
    Fortmann 1988). A keypoint without a finite covariance, or with a pixel outside the image, is left unchanged.

    Args:
        estimate: The estimate for an image of this camera.
        depth: float32 (height, width) metres along the camera's z axis; values that are not finite or not positive are
            missing measurements.
        camera: The camera of the colour image, to which the depth image is registered.

    Returns:
        The estimate with `Keypoint.depth` set; position and covariance are updated where it is `FUSED`.

    Raises:
        ImageError: The depth image does not have the camera's size.
    """
    check_registered(depth, camera)
    keypoints = tuple(_refine(keypoint, depth) for keypoint in estimate.person.keypoints)
    return replace(estimate, person=replace(estimate.person, keypoints=keypoints))


def check_registered(depth: NDArray[np.float32], camera: Camera) -> None:
    """Check that a depth image has the size of a camera's images.

    Args:
        depth: (height, width) metres.
        camera: The camera of the colour image.

    Raises:
        ImageError: It has another size.
    """
    height, width = depth.shape
    if (width, height) != (camera.width, camera.height):
        raise ImageError(
            f"the depth image is {width}x{height}, but the colour image is {camera.width}x{camera.height}: use the "
            "depth topic that is registered (aligned) to the colour image"
        )


def surface_depth(depth: NDArray[np.float32], pixel: ArrayLike) -> float:
    """Return the depth of the visible surface at a pixel: the median of a small window around it.

    For an even number of values, the smaller of the two middle values is returned. Their mean could lie between a
    person and the wall behind, where there is no surface.

    Args:
        depth: float32 (height, width) metres; values that are not finite or not positive are missing measurements.
        pixel: (2,) column and row, px.

    Returns:
        Metres along the camera's z axis; NaN outside the image, or if too few pixels of the window hold a measurement.
    """
    measured = measured_depths(depth, pixel)
    if not measured.size:
        return float("nan")
    middle = (measured.size - 1) // 2
    return float(np.partition(measured, middle)[middle])


def measured_depths(depth: NDArray[np.float32], pixel: ArrayLike) -> NDArray[np.float32]:
    """Return the measurements in a small window around a pixel.

    Args:
        depth: As for `surface_depth`.
        pixel: (2,) column and row, px.

    Returns:
        (N,) metres; none outside the image, or if too few pixels of the window hold a measurement.
    """
    height, width = depth.shape
    place = np.floor(np.asarray(pixel, np.float64) + 0.5)
    if not ((place >= 0) & (place < (width, height))).all():
        return np.empty(0, np.float32)
    column, row = place.astype(int).tolist()
    reach = max(1, round((_WINDOW_SIDE // 2) * width / _REFERENCE_WIDTH))
    window = depth[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    measured = window[np.isfinite(window) & (window > 0.0)]
    return measured if measured.size >= _MIN_VALID_FRACTION * window.size else np.empty(0, np.float32)


def sensor_noise(depth: ArrayLike) -> NDArray[np.float64]:
    """Return the standard deviations of depth measurements, metres, for depths (...) in metres."""
    return np.asarray(_NOISE_PER_M * np.square(depth) + _NOISE_M)


def joint_depth(surface: float, name: str) -> tuple[float, float]:
    """Return the depth of a joint beneath a measured surface.

    Args:
        surface: Depth of the visible surface at the joint's pixel, metres.
        name: The joint.

    Returns:
        Depth of the joint along the camera's z axis, metres, and its variance, m².
    """
    offset = SURFACE_OFFSETS[name]
    return surface + offset.mean, float(sensor_noise(surface)) ** 2 + offset.sigma**2


def _refine(keypoint: Keypoint, depth: NDArray[np.float32]) -> Keypoint:
    if keypoint.state is not State.MEASURED or not np.isfinite(keypoint.covariance).all():
        return keypoint
    surface = surface_depth(depth, keypoint.pixel)
    return keypoint if np.isnan(surface) else _update(keypoint, surface)


def _update(keypoint: Keypoint, surface: float) -> Keypoint:
    """Return a keypoint updated with the surface depth (m), or marked as in disagreement."""
    measured, noise = joint_depth(surface, keypoint.name)
    innovation = measured - keypoint.position[2]
    variance = keypoint.covariance[2, 2] + noise
    gain = keypoint.covariance[:, 2] / variance
    position = keypoint.position + gain * innovation
    if abs(innovation) > AGREEMENT_SIGMAS * np.sqrt(variance) or position[2] <= 0.0:
        return replace(keypoint, depth=DepthUse.DISAGREES)
    covariance = keypoint.covariance - np.outer(gain, keypoint.covariance[2])
    return replace(keypoint, position=position, covariance=covariance, depth=DepthUse.FUSED)
