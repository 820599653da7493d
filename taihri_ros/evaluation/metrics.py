"""Metrics of 3D keypoints and of their covariances, as functions of arrays.

Positions are (N, 3) metres in the camera optical frame; errors are (N,) millimetres. G-MPJPE, the metric of TAIHRI
(arXiv 2604.08921), is the mean of `distances_mm`, without any alignment.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEWEST_TO_ALIGN = 3
"""Smallest number of points for a meaningful similarity transform."""

ELLIPSOIDS = {"50%": 2.366, "90%": 6.251, "95%": 7.815}
"""Squared Mahalanobis distances that contain 50, 90 and 95 % of a normal distribution: quantiles of the chi-square
distribution with 3 degrees of freedom."""

_Z_95 = 1.96
"""Quantile of the normal distribution for a two-sided 95 % interval."""


def distances_mm(predicted: Array, truth: Array) -> Array:
    """Return the Euclidean distance of each point from the true one, (N,) mm."""
    return 1e3 * np.asarray(np.linalg.norm(predicted - truth, axis=-1))


def depth_errors_mm(predicted: Array, truth: Array) -> Array:
    """Return the error of each point along the optical axis, (N,) mm."""
    return 1e3 * np.asarray(np.abs(predicted[..., 2] - truth[..., 2]))


def lateral_errors_mm(predicted: Array, truth: Array) -> Array:
    """Return the error of each point perpendicular to the optical axis, (N,) mm."""
    return distances_mm(predicted[..., :2], truth[..., :2])


def root_relative_errors_mm(predicted: Array, truth: Array, root: int) -> Array:
    """Return the distances after both poses were translated so that their root joint is the origin.

    Args:
        predicted: (N, 3) joints of one person.
        truth: (N, 3).
        root: Row of the root joint.

    Returns:
        (N,) mm.
    """
    return distances_mm(predicted - predicted[root], truth - truth[root])


def procrustes_errors_mm(predicted: Array, truth: Array) -> Array:
    """Return the distances after the best similarity transform (Umeyama 1991), as for PA-MPJPE.

    Args:
        predicted: (N, 3) joints of one person, 3 or more.
        truth: (N, 3).

    Returns:
        (N,) mm, without the error that rotation, scale and translation explain; reflections are not corrected.
    """
    from skimage.transform import estimate_transform

    if not np.ptp(predicted, axis=0).any():  # all points coincide: no rotation or scale
        return distances_mm(truth.mean(axis=0), truth)
    return distances_mm(estimate_transform("similarity", predicted, truth)(predicted), truth)


def pck(errors_mm: Array, threshold_mm: float) -> float:
    """Return the share of points with an error up to a threshold (PCK3D); missing points (NaN) count as misses."""
    return float(np.mean(errors_mm <= threshold_mm)) if errors_mm.size else float("nan")


def share_with_interval(count: int, total: int) -> dict[str, Any]:
    """Return a share and its 95 % interval by Wilson (1927), which holds for small counts too.

    Args:
        count: Number of cases.
        total: Number of trials.

    Returns:
        `count`, `of`, `share` and `interval`; the latter two are None without trials.
    """
    if total == 0:
        return {"count": 0, "of": 0, "share": None, "interval": None}
    share, weight = count / total, _Z_95**2 / total
    centre = (share + weight / 2) / (1 + weight)
    half = np.sqrt(share * (1 - share) * weight + weight**2 / 4) / (1 + weight)
    interval = [round(float(max(0.0, centre - half)), 4), round(float(min(1.0, centre + half)), 4)]
    return {"count": count, "of": total, "share": round(share, 4), "interval": interval}


def precision_recall_f1(chosen: Collection[tuple[str, str]], needed: Collection[tuple[str, str]]) -> dict[str, float]:
    """Compute precision, recall and F1 of the joint selection over all questions (micro average).

    Args:
        chosen: Pairs of question and joint that the model selected.
        needed: Pairs of question and joint that the commands need.

    Returns:
        `precision`, `recall`, `f1` in [0, 1]; 0 where the denominator is 0.
    """
    correct = len(set(chosen) & set(needed))
    precision = correct / len(chosen) if chosen else 0.0
    recall = correct / len(needed) if needed else 0.0
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if correct else 0.0,
    }


def squared_mahalanobis(errors: Array, covariances: Array) -> Array:
    """Return the squared Mahalanobis distances of errors.

    Args:
        errors: (N, 3) predicted minus true positions.
        covariances: (N, 3, 3), in the squared unit of the errors.

    Returns:
        (N,); with correct covariances, chi-square distributed with 3 degrees of freedom. NaN where an input is NaN.
    """
    return np.asarray((errors * np.linalg.solve(covariances, errors[..., None])[..., 0]).sum(axis=-1))


def coverage(squares: Array) -> dict[str, float]:
    """Return the share of true positions within each ellipsoid of `ELLIPSOIDS`.

    Args:
        squares: (N,) squared Mahalanobis distances.

    Returns:
        The shares in [0, 1] by name of the ellipsoid; NaN without points.
    """
    return {name: pck(squares, limit) for name, limit in ELLIPSOIDS.items()}


def rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's rank correlation; equal values share their mean rank.

    Args:
        first: (N,) numbers.
        second: (N,) numbers.

    Returns:
        A value in [-1, 1]; NaN when either input is constant or empty.
    """
    ranks = np.array([_ranks(first), _ranks(second)])
    if first.size == 0 or not np.ptp(ranks, axis=1).all():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)])
