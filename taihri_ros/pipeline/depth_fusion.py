"""Refines the model's keypoints with a depth image that is registered to the colour image.

A depth camera measures the skin or the clothes, and a joint lies beneath them. The mean surface-to-joint offset is
therefore added to the measured depth, and the variance of the offset to the variance of the measurement.

The model does not know the pixel of a joint exactly either, and beside a forearm the camera sees the trunk or the wall.
So the surface in front of the joint may be that at any pixel where the joint may be, and one of these measurements is
the right one (probabilistic data association, Bar-Shalom and Tse 1975). Model and each measurement are fused by their
variances; the result is the mixture of all, weighted by the probability of each pixel and of its depth. Where the
depths differ, the joint remains uncertain.

Where most measurements disagree with the model, its point is kept: the depth camera may see a hand or an object in
front of the joint.
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
"""Fraction of the pixels, or of their weights, that must hold a measurement."""

_MIN_AGREEING_FRACTION = 1 / 2
"""Fraction of the measurements, by weight, that must agree with the model."""

_PIXEL_SIGMAS = 0.5
"""Standard deviation of a keypoint's pixel as a fraction of that of its projected position: the model answers the pixel
apart from the position. Measured on the simulated camera: 0.48 with the light engine, 0.60 with taihri-nano."""

_LEAST_PIXEL_SIGMA = 2.0
"""The smallest standard deviation of a pixel, px in an image of the reference width."""

_GRID = np.stack(np.meshgrid(*[np.linspace(-2.5, 2.5, 15)] * 2), axis=-1).reshape(-1, 2)
"""Where the surface is read around a keypoint's pixel, (225, 2), in standard deviations of the pixel."""

_STEP_M = 1e-4
"""Step of the numerical derivative of the projection, m."""

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
    that are correlated with z. Measurements must first pass a validation gate of `AGREEMENT_SIGMAS` (Bar-Shalom and
    Fortmann 1988); if fewer than half of them do, the keypoint is marked as `DISAGREES`. A keypoint without a finite
    covariance, or with a pixel outside the image, is left unchanged.

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
    keypoints = tuple(_refine(keypoint, depth, camera) for keypoint in estimate.person.keypoints)
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
    place = np.floor(np.asarray(pixel, np.float64) + 0.5)
    if not _is_inside(place, depth):
        return np.empty(0, np.float32)
    column, row = place.astype(int).tolist()
    reach = max(1, round((_WINDOW_SIDE // 2) * depth.shape[1] / _REFERENCE_WIDTH))
    window = depth[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
    measured = window[np.isfinite(window) & (window > 0.0)]
    return measured if measured.size >= _MIN_VALID_FRACTION * window.size else np.empty(0, np.float32)


def sensor_noise(depth: ArrayLike) -> NDArray[np.float64]:
    """Return the standard deviations of depth measurements, metres, for depths (...) in metres."""
    return np.asarray(_NOISE_PER_M * np.square(depth) + _NOISE_M)


def joint_depth(surface: ArrayLike, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the depth of a joint beneath a measured surface.

    Args:
        surface: Depths (...) of the visible surface where the joint's pixel may be, metres.
        name: The joint.

    Returns:
        Depths (...) of the joint along the camera's z axis, metres, and their variances (...), m².
    """
    offset = SURFACE_OFFSETS[name]
    return np.add(surface, offset.mean), sensor_noise(surface) ** 2 + offset.sigma**2


def _is_inside(places: NDArray[np.float64], depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return whether pixels, whole numbers (..., 2), are in an image, bool (...)."""
    return np.asarray(((places >= 0) & (places < depth.shape[::-1])).all(axis=-1))


def _refine(keypoint: Keypoint, depth: NDArray[np.float32], camera: Camera) -> Keypoint:
    if keypoint.state is not State.MEASURED or not np.isfinite(keypoint.covariance).all():
        return keypoint
    surfaces, weights = _surfaces(depth, keypoint.pixel, _pixel_covariance(keypoint, camera))
    return _update(keypoint, surfaces, weights) if surfaces.size else keypoint


def _pixel_covariance(keypoint: Keypoint, camera: Camera) -> NDArray[np.float64]:
    """Return the covariance (2, 2) of a keypoint's pixel, px²: that of its position, projected to first order."""
    least = (_LEAST_PIXEL_SIGMA * camera.width / _REFERENCE_WIDTH) ** 2 * np.eye(2)
    pixels = camera.project(keypoint.position + _STEP_M * np.vstack([np.zeros(3), np.eye(3)]))
    jacobian = (pixels[1:] - pixels[0]).T / _STEP_M
    covariance = _PIXEL_SIGMAS**2 * jacobian @ keypoint.covariance @ jacobian.T
    return covariance + least if np.isfinite(covariance).all() else least


def _surfaces(
    depth: NDArray[np.float32], pixel: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the depths (N,), m, of the surfaces where a pixel may be, and their weights (N,), the sum of which is 1.

    There are none if the pixel is outside the image, or if too few of its surroundings hold a measurement.
    """
    none = np.empty(0), np.empty(0)
    place = np.floor(pixel + 0.5)
    if not _is_inside(place, depth):
        return none
    steps = np.rint(np.sqrt(np.diag(covariance)) * _GRID)
    steps = steps[_is_inside(place + steps, depth)]
    columns, rows = (place + steps).astype(int).T
    squared = (steps @ np.linalg.inv(covariance) * steps).sum(axis=1)
    surfaces, weights = depth[rows, columns].astype(np.float64), np.exp(-squared / 2)
    valid = np.isfinite(surfaces) & (surfaces > 0.0)
    if weights[valid].sum() < _MIN_VALID_FRACTION * weights.sum():
        return none
    return surfaces[valid], weights[valid] / weights[valid].sum()


def _update(keypoint: Keypoint, surfaces: NDArray[np.float64], weights: NDArray[np.float64]) -> Keypoint:
    """Return a keypoint updated with the depths (m) of possible surfaces, or marked as in disagreement.

    Each surface gives a Kalman update. The result has the mean and covariance of their mixture.
    """
    depths, noises = joint_depth(surfaces, keypoint.name)
    with_z = keypoint.covariance[:, 2]
    innovations, variances = depths - keypoint.position[2], with_z[2] + noises
    agrees = np.square(innovations) <= AGREEMENT_SIGMAS**2 * variances
    if weights[agrees].sum() < _MIN_AGREEING_FRACTION:
        return replace(keypoint, depth=DepthUse.DISAGREES)
    innovations, variances, weights = innovations[agrees], variances[agrees], weights[agrees]
    probabilities = weights * np.exp(-np.square(innovations) / variances / 2) / np.sqrt(variances)
    probabilities /= probabilities.sum()
    shifts = innovations / variances
    shift = probabilities @ shifts
    position = keypoint.position + with_z * shift
    if position[2] <= 0.0:
        return replace(keypoint, depth=DepthUse.DISAGREES)
    gained = probabilities @ (1.0 / variances - np.square(shifts - shift))
    covariance = keypoint.covariance - gained * np.outer(with_z, with_z)
    return replace(keypoint, position=position, covariance=covariance, depth=DepthUse.FUSED)
