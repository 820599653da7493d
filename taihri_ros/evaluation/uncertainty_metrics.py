"""How far a model's own certainty can be believed: what its alternatives are worth, coverage, rank correlation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.evaluate import Answered
from taihri_ros.evaluation.question_plan import needed_joints
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.uncertainty import CONFIDENCE_RADIUS_M
from taihri_ros.skeleton import INDEX

GROUPS = 10
"""Joints are put into so many groups by their confidence."""

RADIUS_MM = 1e3 * CONFIDENCE_RADIUS_M
"""What a confidence is the probability of: an error of at most so much."""


@dataclass(frozen=True, eq=False)
class UncertaintyMetrics:
    """M joints that were answered and are labelled; positions are metres in the camera's optical frame.

    Attributes:
        truth: (M, 3).
        position: (M, 3).
        argmax: (M, 3) where the answer's tokens themselves are, without their alternatives; NaN where not known.
        covariance: (M, 3, 3) m²; NaN where not known.
        confidence: (M,) in [0, 1]; NaN where not known.
    """

    truth: NDArray[np.float64]
    position: NDArray[np.float64]
    argmax: NDArray[np.float64]
    covariance: NDArray[np.float64]
    confidence: NDArray[np.float64]

    @property
    def errors_mm(self) -> NDArray[np.float64]:
        """(M,) the distances from the truth, mm."""
        return metrics.distances_mm(self.position, self.truth)

    @property
    def known(self) -> UncertaintyMetrics:
        """Those joints whose certainty is known."""
        kept = np.isfinite(self.covariance).all(axis=(1, 2)) & np.isfinite(self.confidence)
        return UncertaintyMetrics(
            self.truth[kept], self.position[kept], self.argmax[kept], self.covariance[kept], self.confidence[kept]
        )


def uncertainties(answered: Iterable[Answered], xy_source: XySource) -> UncertaintyMetrics:
    """Collect the joints that questions name, or that their free commands need, as far as they have a position.

    Args:
        answered: The answers.
        xy_source: Where x and y come from.

    Returns:
        The joints.
    """
    pairs = [
        (entry.truth.joints[INDEX[name]], entry.prediction.joints[name])
        for entry in answered
        for name in needed_joints(entry.question)
        if entry.truth.labelled[INDEX[name]] and name in entry.prediction.joints
    ]
    pairs = [(truth, found) for truth, found in pairs if np.isfinite(found.positions[xy_source]).all()]
    nowhere, unknown = np.full(3, np.nan), np.full((3, 3), np.nan)
    return UncertaintyMetrics(
        truth=np.array([truth for truth, _ in pairs]).reshape(-1, 3),
        position=np.array([found.positions[xy_source] for _, found in pairs]).reshape(-1, 3),
        argmax=np.array([found.argmax.get(xy_source, nowhere) for _, found in pairs]).reshape(-1, 3),
        covariance=np.array([found.covariances.get(xy_source, unknown) for _, found in pairs]).reshape(-1, 3, 3),
        confidence=np.array([found.confidences.get(xy_source, math.nan) for _, found in pairs]),
    )


def uncertainty_metrics(joints: UncertaintyMetrics) -> dict[str, Any]:
    """Compute the figures of some joints.

    Args:
        joints: The joints.

    Returns:
        `joints`, the number of those whose certainty is known, and of them `g_mpjpe_mm` and the same
        `g_mpjpe_argmax_mm` without the alternatives; `coverage`: the share within the ellipsoids that should hold 50,
        90 and 95 %; `rank_correlation` of error and square root of the covariance's trace (Spearman); `by_confidence`:
        groups of equal size from the least certain to the most, each with `joints`, mean `confidence`, share
        `within_100mm`, `mean_mm` and the 10th and 90th percentile `p10_mm` and `p90_mm`. None for what no joint is
        there for.
    """
    known = joints.known
    errors = known.errors_mm
    squares = metrics.squared_mahalanobis(known.position - known.truth, known.covariance)
    sizes = np.sqrt(np.trace(known.covariance, axis1=1, axis2=2))
    argmax = metrics.distances_mm(known.argmax, known.truth)
    return {
        "joints": len(errors),
        "g_mpjpe_mm": _number(errors.mean()) if errors.size else None,
        "g_mpjpe_argmax_mm": _number(argmax.mean()) if errors.size else None,
        "coverage": {name: _number(share) for name, share in metrics.coverage(squares).items()},
        "rank_correlation": _number(metrics.rank_correlation(errors, sizes)),
        "by_confidence": by_confidence(known.confidence, errors),
    }


def by_confidence(confidence: NDArray[np.float64], errors_mm: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Group errors by confidence.

    Args:
        confidence: (M,) in [0, 1].
        errors_mm: (M,).

    Returns:
        The groups, as `uncertainty_metrics` has them.
    """
    order = np.argsort(confidence, kind="stable")
    return [
        {
            "joints": len(group),
            "confidence": _number(confidence[group].mean()),
            "within_100mm": _number(metrics.pck(errors_mm[group], RADIUS_MM)),
            "mean_mm": _number(errors_mm[group].mean()),
            "p10_mm": _number(np.percentile(errors_mm[group], 10)),
            "p90_mm": _number(np.percentile(errors_mm[group], 90)),
        }
        for group in np.array_split(order, GROUPS)
        if len(group)
    ]


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
