"""Aggregates of measurements, rounded for output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from taihri_ros.keypoints import Keypoint
from taihri_ros.skeleton import INDEX

Values = Sequence[float] | NDArray[np.float64]


def quantiles(values: Values, digits: int = 3) -> dict[str, float]:
    """Return median and 95th percentile.

    Args:
        values: The values, at least one.
        digits: Number of decimals.

    Returns:
        `p50` and `p95`.
    """
    return {f"p{share}": round(float(np.percentile(values, share)), digits) for share in (50, 95)}


def median(values: Values, digits: int = 1) -> float:
    """Return the rounded median of at least one value."""
    return round(float(np.median(values)), digits)


def mean(values: Values, digits: int = 1) -> float | None:
    """Return the rounded mean; None without values."""
    return round(float(np.mean(values)), digits) if len(values) else None


def position_errors_mm(keypoints: Iterable[Keypoint], truth: NDArray[np.floating]) -> list[float]:
    """Return the distances of keypoints from their true positions.

    Args:
        keypoints: Keypoints with a position, camera optical frame.
        truth: (22, 3) metres, camera optical frame, in the order of the skeleton.

    Returns:
        The distance of each keypoint, mm.
    """
    return [1e3 * float(np.linalg.norm(keypoint.position - truth[INDEX[keypoint.name]])) for keypoint in keypoints]
