"""The errors of 3D keypoints, and how they agree with their covariances, each as one function of arrays.

Positions are (N, 3) metres in the camera's optical frame; errors come out as (N,) millimetres. G-MPJPE, the metric of
TAIHRI (arXiv 2604.08921), is the mean of `distances_mm`: no alignment of any kind.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST_TO_ALIGN = 3
"""With fewer points a similarity transform fits anything."""

ELLIPSOIDS = {"50%": 2.366, "90%": 6.251, "95%": 7.815}
"""The square of the Mahalanobis distance within which so much of a normal distribution lies: quantiles of chi-square
with 3 degrees of freedom."""


def distances_mm(predicted: Array, truth: Array) -> Array:
    """Give the Euclidean distance of each point from the truth, in the camera frame."""
    return 1e3 * np.asarray(np.linalg.norm(predicted - truth, axis=-1))


def depth_errors_mm(predicted: Array, truth: Array) -> Array:
    """Give the part of the distance that lies along the optical axis."""
    return 1e3 * np.asarray(np.abs(predicted[..., 2] - truth[..., 2]))


def lateral_errors_mm(predicted: Array, truth: Array) -> Array:
    """Give the part of the distance that lies across the optical axis."""
    return distances_mm(predicted[..., :2], truth[..., :2])


def root_relative_errors_mm(predicted: Array, truth: Array, root: int) -> Array:
    """Give the distances after both poses were moved so that their root lies in the origin.

    Args:
        predicted: (N, 3) one person's joints.
        truth: (N, 3).
        root: The row of the root joint.

    Returns:
        (N,) mm.
    """
    return distances_mm(predicted - predicted[root], truth - truth[root])


def procrustes_errors_mm(predicted: Array, truth: Array) -> Array:
    """Give the distances after the best similarity transform (Umeyama 1991), as PA-MPJPE has them.

    Args:
        predicted: (N, 3) one person's joints, 3 or more.
        truth: (N, 3).

    Returns:
        (N,) mm; what rotation, scale and translation explain is taken out, a mirrored pose is not.
    """
    from skimage.transform import estimate_transform

    if not np.ptp(predicted, axis=0).any():  # one point: nothing to turn or scale
        return distances_mm(truth.mean(axis=0), truth)
    return distances_mm(estimate_transform("similarity", predicted, truth)(predicted), truth)


def pck(errors_mm: Array, threshold_mm: float) -> float:
    """Give the share of points within a threshold (PCK3D); a missing point, NaN, is not within it."""
    return float(np.mean(errors_mm <= threshold_mm)) if errors_mm.size else float("nan")


def precision_recall_f1(chosen: Collection[tuple[str, str]], needed: Collection[tuple[str, str]]) -> dict[str, float]:
    """Judge the joints that were chosen over all questions together (micro average).

    Args:
        chosen: Pairs of question and joint that were answered.
        needed: Pairs of question and joint that the commands need.

    Returns:
        `precision`, `recall`, `f1` in [0, 1]; 0 where there is nothing to divide by.
    """
    right = len(set(chosen) & set(needed))
    precision = right / len(chosen) if chosen else 0.0
    recall = right / len(needed) if needed else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if right else 0.0,
    }


def squared_mahalanobis(errors: Array, covariances: Array) -> Array:
    """Give the squares of errors in units of their own standard deviations.

    Args:
        errors: (N, 3) predicted minus true positions.
        covariances: (N, 3, 3), the unit of the errors squared.

    Returns:
        (N,); chi-square distributed with 3 degrees of freedom where the covariances are right. NaN where one is.
    """
    return np.asarray((errors * np.linalg.solve(covariances, errors[..., None])[..., 0]).sum(axis=-1))


def coverage(squares: Array) -> dict[str, float]:
    """Give the share of the points that lie within the ellipsoids of `ELLIPSOIDS` around their estimates.

    Args:
        squares: (N,) squared Mahalanobis distances.

    Returns:
        The shares by the name of the ellipsoid; NaN without a point.
    """
    return {name: pck(squares, limit) for name, limit in ELLIPSOIDS.items()}


def rank_correlation(first: Array, second: Array) -> float:
    """Give Spearman's correlation: that of the ranks, equal values sharing their mean rank.

    Args:
        first: (N,) numbers.
        second: (N,) numbers.

    Returns:
        In [-1, 1]; NaN where either does not vary.
    """
    ranks = np.array([_ranks(first), _ranks(second)])
    if first.size == 0 or not np.ptp(ranks, axis=1).all():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)])
