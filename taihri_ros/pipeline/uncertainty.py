"""Converts the variances of coordinate tokens into a covariance in metres and a confidence.

The variance of a coordinate comes from the model's own probabilities (`quantization.estimate_bins`). It is calibrated
by one scale factor per coordinate, which is measured on held-out data and stored with the checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.keypoints import Person
from taihri_ros.model.quantization import BINS, InteractionSpace
from taihri_ros.model.spec import Calibration

CONFIDENCE_RADIUS_M = 0.1
"""The confidence is the probability that the joint lies within this distance of its estimate, metres."""


def bins_covariance(
    variances: NDArray[np.float64], space: InteractionSpace, calibration: Calibration
) -> NDArray[np.float64]:
    """Return the covariance of points that are decoded from their bins of x, y and z, with independent errors.

    Args:
        variances: (N, 3) bins², variances of x, y and z.
        space: The ranges of the bins.
        calibration: Scale factors of the checkpoint.

    Returns:
        (N, 3, 3) m², in the view's frame.
    """
    variances_m2 = variances * (space.step * np.array(calibration.bins)) ** 2
    return np.asarray(variances_m2[:, :, None] * np.eye(3))


def pixel_covariance(
    variances: NDArray[np.float64],
    depths: NDArray[np.float64],
    rays: NDArray[np.float64],
    view: CanonicalView,
    space: InteractionSpace,
    calibration: Calibration,
) -> NDArray[np.float64]:
    """Return the covariance of points that are back-projected from a pixel to a depth, with independent errors.

    A point is the product of ray and depth: a depth error moves it along the ray.

    Args:
        variances: (N, 3) bins², variances of u, v and z.
        depths: (N,) metres, along the view's z axis.
        rays: (N, 3) rays (x, y, 1) of the pixels, in the view's frame.
        view: The view.
        space: The ranges of the bins.
        calibration: Scale factors of the checkpoint.

    Returns:
        (N, 3, 3) m², in the view's frame.
    """
    scales = np.array(calibration.pixel)
    steps = np.array([view.width, view.height]) / (BINS - 1) / view.focal_px
    depth_variances = variances[:, 2] * (space.step[2] * scales[2]) ** 2
    across = variances[:, :2] * (steps * scales[:2]) ** 2 * (depths**2 + depth_variances)[:, None]
    covariances = rays[:, :, None] * rays[:, None, :] * depth_variances[:, None, None]
    covariances[:, [0, 1], [0, 1]] += across
    return np.asarray(covariances)


def zoomed_variances(variances: NDArray[np.float64], root_variance: float, zoom: float) -> NDArray[np.float64]:
    """Return the variances of the depths of joints that were seen through a zoomed view (`model/zoom.py`).

    A real depth is z_j = (z'_j - z'_root) + zoom z'_root, where z' are the depths that the model saw. The depth of the
    pose around the root and the depth of the root are taken as independent: where a person stands and how they hold
    themselves are different questions, and the error of where they stand is in the depth of every joint. So the error
    that z'_j and z'_root have in common is that of the root, or all of z'_j if that is the more certain of both.

    Args:
        variances: (N,) variances of the z'_j, bins² or m².
        root_variance: Variance of z'_root, same unit.
        zoom: Focal length of the view divided by that of the model.

    Returns:
        (N,) variances, same unit; zoom² times its own for the root, and unchanged ones if the zoom is 1.
    """
    common = np.minimum(variances, root_variance)
    return np.asarray(variances + 2.0 * (zoom - 1.0) * common + (zoom - 1.0) ** 2 * root_variance)


def with_confidences(person: Person, factor: float) -> Person:
    """Compute the confidences of a person again, after their covariances have changed.

    Args:
        person: The person.
        factor: Factor by which the standard deviations are scaled (`Calibration.confidence_factor`).

    Returns:
        The person; joints without a position or a finite covariance keep their confidence.
    """
    rows = [
        row
        for row, keypoint in enumerate(person.keypoints)
        if keypoint.has_position and np.isfinite(keypoint.covariance).all()
    ]
    if not rows:
        return person
    keypoints = list(person.keypoints)
    confidences = probability_within(factor**2 * np.array([keypoints[row].covariance for row in rows]))
    for row, confidence in zip(rows, confidences.tolist(), strict=True):
        keypoints[row] = replace(keypoints[row], confidence=confidence)
    return replace(person, keypoints=tuple(keypoints))


def probability_within(covariances: ArrayLike, radius_m: float = CONFIDENCE_RADIUS_M) -> NDArray[np.float64]:
    """Return the probability that a normally distributed point lies within a distance of its mean.

    Args:
        covariances: (N, 3, 3) m², or one (3, 3).
        radius_m: The distance, metres.

    Returns:
        (N,) in [0, 1]; NaN where a covariance is NaN.
    """
    matrices = np.asarray(covariances, np.float64).reshape(-1, 3, 3)
    known = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    variances = np.linalg.eigvalsh(np.where(known[:, None, None], matrices, np.eye(3)))
    return probability_within_axes(np.where(known[:, None], variances, np.nan), radius_m)


def probability_within_axes(
    variances: NDArray[np.float64], radius_m: float = CONFIDENCE_RADIUS_M
) -> NDArray[np.float64]:
    """Return the same as `probability_within`, for independent errors along three orthogonal axes.

    The squared distance is a weighted sum of chi-squares. Its distribution is computed with the saddlepoint
    approximation of Lugannani and Rice (Kuonen 1999), which is accurate to 0.015 for covariances of any shape and size.

    Args:
        variances: (N, 3) m², variances along the axes.
        radius_m: The distance, metres.

    Returns:
        (N,) in [0, 1]; NaN where a variance is NaN.
    """
    weights = variances / radius_m**2
    largest = weights.max(axis=1, keepdims=True)
    shares, scale = np.maximum(weights / largest, 1e-9), largest[:, 0]
    point = _saddlepoint(shares, 1.0 / scale)
    rest = 1.0 - 2.0 * shares * point[:, None]
    at = (shares / rest).sum(axis=1)
    signed_root = np.sign(point) * np.sqrt(np.maximum(2.0 * point * at + np.log(rest).sum(axis=1), 0.0))
    slope = point * np.sqrt(2.0 * ((shares / rest) ** 2).sum(axis=1))
    quantile = signed_root + np.log(slope / signed_root) / signed_root
    return np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in quantile.tolist()])


_NEWTON_STEPS = 4
"""Number of Newton steps. For all weights and limits, the relative error is 5e-7 after three steps and below double
precision after four."""

_MIN_SADDLEPOINT = 1e-4
"""Smallest magnitude of the saddlepoint. At zero the approximation is 0 / 0, at this value it is as accurate
as elsewhere."""


def _saddlepoint(shares: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve f(s) = sum(shares / (1 - 2 shares s)) = limit for s, (N,); the largest of the shares (N, 3) is 1.

    Newton's method is applied to 1 / f, which is nearly linear. It starts from the solution for the largest share only.
    """
    point = 0.5 - 0.5 / limits
    for _ in range(_NEWTON_STEPS):
        terms = shares / (1.0 - 2.0 * shares * point[:, None])
        value, slope = terms.sum(axis=1), 2.0 * (terms * terms).sum(axis=1)
        point = point + value * (1.0 - value / limits) / slope
    return np.where(np.abs(point) < _MIN_SADDLEPOINT, _MIN_SADDLEPOINT, point)
