"""Summary of an evaluation: position errors in total and by group, uncertainty, joint selection and latency."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.datasets.items import Visibility
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.joint_errors import Rows, aligned_errors_mm, collect
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.evaluation.selection_metrics import selection_metrics
from taihri_ros.evaluation.uncertainty_metrics import collect_answered_joints, uncertainty_metrics
from taihri_ros.skeleton import INDEX, JOINTS, PARTS

Metrics = dict[str, Any]
"""Metrics by name, in JSON types; None for a metric without data."""

PCK_THRESHOLDS_MM = (50, 100, 150)

DISTANCES_M = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, np.inf)
"""Edges of the depth bins."""


def summarize(answered: Sequence[LabelledAnswer], baseline: MeanPose) -> Metrics:
    """Compute all metrics of a run.

    Args:
        answered: The answers.
        baseline: The mean pose: the baseline, and the position of missing joints.

    Returns:
        `questions`, `malformed`, `malformed_share`; `named` and `free` with the position metrics of the model by source
        of x and y (`bins`, `pixel`) and of the `baseline`; `uncertainty` of the named joints by source of x and y;
        `joint_selection`; `latency_ms`.
    """
    malformed = sum(bool(entry.prediction.malformed) for entry in answered)
    named = [entry for entry in answered if not entry.question.is_free]
    free = [entry for entry in answered if entry.question.is_free]
    return {
        "questions": len(answered),
        "malformed": malformed,
        "malformed_share": malformed / len(answered) if answered else None,
        "named": _compare(named, baseline),
        "free": _compare(free, baseline),
        "uncertainty": {source: uncertainty_metrics(collect_answered_joints(named, source)) for source in XY_SOURCES},
        "joint_selection": selection_metrics((entry.question, tuple(entry.prediction.joints)) for entry in free),
        "latency_ms": {"named": latency_metrics(named), "free": latency_metrics(free)},
    }


def _compare(answered: Sequence[LabelledAnswer], baseline: MeanPose) -> Metrics:
    by_bins = collect(answered, baseline, "bins")
    return {
        "bins": position_metrics(by_bins),
        "pixel": position_metrics(collect(answered, baseline, "pixel")),
        "baseline": position_metrics(by_bins.of_baseline()),
    }


def position_metrics(rows: Rows) -> Metrics:
    """Compute the position metrics in total and by group.

    Args:
        rows: The joints.

    Returns:
        The metrics of `group_metrics` for all joints, and for each group under `by_joint`, `by_part`, `by_distance` and
        `by_visibility`; groups without joints are left out.
    """
    relative, aligned = aligned_errors_mm(rows)

    def of_group(mask: NDArray[np.bool_]) -> Metrics:
        return group_metrics(rows.select(mask), relative[mask], aligned[mask])

    depth = rows.truth[:, 2]
    groups = {
        "by_joint": {name: rows.joint == index for index, name in enumerate(JOINTS)},
        "by_part": {part: _in_part(rows, part) for part in PARTS},
        "by_distance": {
            f"{near:g}-{far:g} m" if np.isfinite(far) else f"over {near:g} m": (depth >= near) & (depth < far)
            for near, far in itertools.pairwise(DISTANCES_M)
        },
        "by_visibility": {kind.name.lower(): rows.visibility == kind for kind in Visibility},
    }
    return of_group(np.ones(len(rows.joint), bool)) | {
        group: {name: of_group(mask) for name, mask in masks.items() if mask.any()} for group, masks in groups.items()
    }


def _in_part(rows: Rows, part: str) -> NDArray[np.bool_]:
    """Return which joints belong to a part set, from questions for this set or for no set."""
    members = np.isin(rows.joint, [INDEX[name] for name in PARTS[part]])
    return np.asarray((rows.part == part) | ((rows.part == "") & members))


def group_metrics(rows: Rows, relative_mm: NDArray[np.float64], aligned_mm: NDArray[np.float64]) -> Metrics:
    """Compute the position metrics of a group of joints; means are over joints.

    Args:
        rows: The joints. A missing joint has the error of the mean pose, and counts as a miss in PCK3D. The 2D errors
            are those of the joints in the image; `out_of_image` counts the others.
        relative_mm: (R,) errors relative to the pelvis, mm; NaN if undefined.
        aligned_mm: (R,) errors after Procrustes alignment, mm; NaN if undefined.

    Returns:
        The metrics in mm, px, percent of the image width, and shares in [0, 1].
    """
    errors = metrics.distances_mm(rows.counted, rows.truth)
    answered = np.where(rows.missing, np.nan, errors)
    pixels = rows.pixel_errors
    return {
        "joints": len(errors),
        "out_of_image": int((~rows.in_image).sum()),
        "missing": int(rows.missing.sum()),
        "missing_share": _mean(rows.missing),
        "g_mpjpe_mm": _mean(errors),
        "g_mpjpe_answered_mm": _mean(answered),
        "median_mm": _number(np.median(errors)) if errors.size else None,
        "root_relative_mpjpe_mm": _mean(relative_mm),
        "pa_mpjpe_mm": _mean(aligned_mm),
        "depth_mm": _mean(metrics.depth_errors_mm(rows.counted, rows.truth)),
        "lateral_mm": _mean(metrics.lateral_errors_mm(rows.counted, rows.truth)),
        "pixel_px": _mean(pixels),
        "pixel_percent_of_width": _mean(100 * pixels / rows.width),
        "pck3d": {f"{limit}mm": _number(metrics.pck(answered, limit)) for limit in PCK_THRESHOLDS_MM},
    }


def latency_metrics(answered: Iterable[LabelledAnswer]) -> Metrics:
    """Compute median and 95th percentile of the duration of every stage, ms.

    Args:
        answered: The answers; malformed ones have no stages.

    Returns:
        `total` (view, engine and parse) and every stage, each with `p50` and `p95`.
    """
    stages: dict[str, list[float]] = {}
    for entry in answered:
        found = entry.prediction.stages_ms
        if found:
            stages.setdefault("total", []).append(sum(found[stage] for stage in ("view", "engine", "parse")))
        for stage, duration in found.items():
            stages.setdefault(stage, []).append(duration)
    return {
        stage: {f"p{share}": _number(np.percentile(durations, share)) for share in (50, 95)}
        for stage, durations in stages.items()
    }


def _mean(values: NDArray[Any]) -> float | None:
    """Return the mean of the finite values, or None."""
    finite = values[np.isfinite(values)]
    return _number(finite.mean()) if finite.size else None


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
