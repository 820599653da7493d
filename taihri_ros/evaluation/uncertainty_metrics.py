"""Metrics of the uncertainty: gain of the top-k log-probabilities, coverage of ellipsoids, rank correlation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.question_plan import needed_joints
from taihri_ros.pipeline.decoder import XySource
from taihri_ros.pipeline.uncertainty import CONFIDENCE_RADIUS_M
from taihri_ros.skeleton import INDEX

GROUPS = 10
"""Number of groups of joints by confidence."""

RADIUS_MM = 1e3 * CONFIDENCE_RADIUS_M
"""A confidence is the probability that the error is at most this."""


@dataclass(frozen=True, eq=False)
class AnsweredJoints:
    """M answered joints with labels; positions are metres in the camera optical frame.

    Attributes:
        truth: (M, 3) true positions.
        position: (M, 3) answered positions.
        argmax: (M, 3) positions from the answered tokens without their top-k log-probabilities; NaN if unknown.
        covariance: (M, 3, 3) m²; NaN if unknown.
        confidence: (M,) in [0, 1]; NaN if unknown.
    """

    truth: NDArray[np.float64]
    position: NDArray[np.float64]
    argmax: NDArray[np.float64]
    covariance: NDArray[np.float64]
    confidence: NDArray[np.float64]

    @property
    def errors_mm(self) -> NDArray[np.float64]:
        """(M,) distances from the true positions, mm."""
        return metrics.distances_mm(self.position, self.truth)

    @property
    def known(self) -> AnsweredJoints:
        """The joints with a known uncertainty."""
        kept = np.isfinite(self.covariance).all(axis=(1, 2)) & np.isfinite(self.confidence)
        return AnsweredJoints(
            self.truth[kept], self.position[kept], self.argmax[kept], self.covariance[kept], self.confidence[kept]
        )


def collect_answered_joints(answered: Iterable[LabelledAnswer], xy_source: XySource) -> AnsweredJoints:
    """Collect the answered joints that the questions name or their free commands need.

    Args:
        answered: The answers.
        xy_source: Source of x and y.

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
    no_position, no_covariance = np.full(3, np.nan), np.full((3, 3), np.nan)
    return AnsweredJoints(
        truth=np.array([truth for truth, _ in pairs]).reshape(-1, 3),
        position=np.array([found.positions[xy_source] for _, found in pairs]).reshape(-1, 3),
        argmax=np.array([found.argmax.get(xy_source, no_position) for _, found in pairs]).reshape(-1, 3),
        covariance=np.array([found.covariances.get(xy_source, no_covariance) for _, found in pairs]).reshape(-1, 3, 3),
        confidence=np.array([found.confidences.get(xy_source, math.nan) for _, found in pairs]),
    )


def uncertainty_metrics(joints: AnsweredJoints) -> dict[str, Any]:
    """Compute the uncertainty metrics.

    Args:
        joints: The joints.

    Returns:
        `joints`, the number of joints with a known uncertainty, and their metrics (None without joints): `g_mpjpe_mm`,
        and `g_mpjpe_argmax_mm` without the top-k log-probabilities; `coverage`, the share within the 50, 90 and 95 %
        ellipsoids; `rank_correlation` (Spearman) of the error and the square root of the trace of the covariance;
        `by_confidence`, groups of equal size in ascending order of confidence, each with `joints`, mean `confidence`,
        share `within_100mm`, `mean_mm`, and the 10th and 90th percentile `p10_mm` and `p90_mm`.
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
        The groups, as described for `uncertainty_metrics`.
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
