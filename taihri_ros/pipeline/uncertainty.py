"""How certain a point is: from the variances of its coordinate tokens to a covariance in metres and a confidence.

A coordinate's variance comes from the model's own probabilities (`quantization.estimate_bins`). How much it can be
believed is a property of the checkpoint, measured on data that it has not seen, and travels with it as a scale for
each coordinate.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.model.quantization import BINS, InteractionSpace
from taihri_ros.model.spec import Calibration

CONFIDENCE_RADIUS_M = 0.1
"""A confidence is the probability that the joint lies within this distance of its point, metres."""


def bins_covariance(
    variances: NDArray[np.float64], space: InteractionSpace, calibration: Calibration
) -> NDArray[np.float64]:
    """Give the covariance of points whose coordinates are three bins with independent errors.

    Args:
        variances: (N, 3) bins², of x, y and z.
        space: The ranges of the bins.
        calibration: The checkpoint's.

    Returns:
        (N, 3, 3) m², view's frame.
    """
    metres = variances * (space.step * np.array(calibration.bins)) ** 2
    return np.asarray(metres[:, :, None] * np.eye(3))


def pixel_covariance(
    variances: NDArray[np.float64],
    depths: NDArray[np.float64],
    rays: NDArray[np.float64],
    view: CanonicalView,
    space: InteractionSpace,
    calibration: Calibration,
) -> NDArray[np.float64]:
    """Give the covariance of points that lie at a depth on the ray of a pixel, all errors independent.

    It is that of the product of ray and depth: an error of the depth moves the point along the ray.

    Args:
        variances: (N, 3) bins², of u, v and z.
        depths: (N,) metres.
        rays: (N, 3) rays (x, y, 1) of the pixels, view's frame.
        view: The view.
        space: The ranges of the bins.
        calibration: The checkpoint's.

    Returns:
        (N, 3, 3) m², view's frame.
    """
    scales = np.array(calibration.pixel)
    steps = np.array([view.width, view.height]) / (BINS - 1) / view.focal_px
    depth_variances = variances[:, 2] * (space.step[2] * scales[2]) ** 2
    across = variances[:, :2] * (steps * scales[:2]) ** 2 * (depths**2 + depth_variances)[:, None]
    covariances = rays[:, :, None] * rays[:, None, :] * depth_variances[:, None, None]
    covariances[:, [0, 1], [0, 1]] += across
    return np.asarray(covariances)


def probability_within(covariances: ArrayLike, radius_m: float = CONFIDENCE_RADIUS_M) -> NDArray[np.float64]:
    """Give the probability that a normally distributed point lies within a distance of its mean.

    Args:
        covariances: (N, 3, 3) m², or one (3, 3).
        radius_m: The distance, metres.

    Returns:
        (N,) in [0, 1]; NaN where a covariance is.
    """
    given = np.asarray(covariances, np.float64).reshape(-1, 3, 3)
    known = np.asarray(np.isfinite(given).all(axis=(1, 2)))
    variances = np.linalg.eigvalsh(np.where(known[:, None, None], given, np.eye(3)))
    return probability_within_axes(np.where(known[:, None], variances, np.nan), radius_m)


def probability_within_axes(
    variances: NDArray[np.float64], radius_m: float = CONFIDENCE_RADIUS_M
) -> NDArray[np.float64]:
    """Give what `probability_within` does, of points whose errors along three orthogonal axes are independent.

    The squared distance is a weighted sum of chi-squares, whose distribution the saddlepoint approximation of Lugannani
    and Rice gives (Kuonen 1999): within 0.015 for balls, discs and needles of any size.

    Args:
        variances: (N, 3) m².
        radius_m: The distance, metres.

    Returns:
        (N,) in [0, 1]; NaN where a variance is.
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
"""Three leave 5e-7 of the root, four nothing that a double could tell, for weights and limits of any size."""

_FROM_MEAN = 1e-4
"""At the mean itself the approximation is 0 / 0; so near to it, it is as good and can be computed."""


def _saddlepoint(shares: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve f(s) = sum(shares / (1 - 2 shares s)) = limit for s, (N,); the largest of the shares (N, 3) is 1.

    Newton's method on 1 / f, which is nearly straight, from where the largest share alone would reach the limit.
    """
    point = 0.5 - 0.5 / limits
    for _ in range(_NEWTON_STEPS):
        terms = shares / (1.0 - 2.0 * shares * point[:, None])
        value, slope = terms.sum(axis=1), 2.0 * (terms * terms).sum(axis=1)
        point = point + value * (1.0 - value / limits) / slope
    return np.where(np.abs(point) < _FROM_MEAN, _FROM_MEAN, point)
