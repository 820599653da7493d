"""The errors of 3D keypoints, each as one function of arrays.

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
