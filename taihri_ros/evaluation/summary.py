"""The figures of an evaluation: errors in all and by group, certainty, choices, latency."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.datasets.items import Visibility
from taihri_ros.evaluation.evaluate import Answered
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.evaluation.rows import Rows, aligned_errors_mm, collect
from taihri_ros.evaluation.uncertainty_metrics import uncertainties, uncertainty_metrics
from taihri_ros.skeleton import INDEX, JOINTS, PARTS

Figures = dict[str, Any]
"""Numbers by name, in JSON types; None stands for a figure that nothing was there for."""

PCK_THRESHOLDS_MM = (50, 100, 150)

DISTANCES_M = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, np.inf)
"""Edges of the bins that joints are put in by their depth."""


def summarize(answered: Sequence[Answered], baseline: MeanPose) -> Figures:
    """Compute every figure of a run.

    Args:
        answered: The answers.
        baseline: The mean pose that stands beside them and counts for missing joints.

    Returns:
        `questions`, `malformed`, `malformed_share`; `named` and `free` with the figures of the model by where x and y
        come from (`bins`, `pixel`) and of the `baseline`; `uncertainty` of the named joints, likewise;
        `choices`; `latency_ms`.
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
        "uncertainty": {source: uncertainty_metrics(uncertainties(named, source)) for source in XY_SOURCES},
        "choices": choices(free),
        "latency_ms": {"named": latency(named), "free": latency(free)},
    }


def _compare(answered: Sequence[Answered], baseline: MeanPose) -> Figures:
    by_bins = collect(answered, baseline, "bins")
    return {
        "bins": position_figures(by_bins),
        "pixel": position_figures(collect(answered, baseline, "pixel")),
        "baseline": position_figures(by_bins.of_baseline()),
    }


def position_figures(rows: Rows) -> Figures:
    """Compute the errors of the joints in all and by group.

    Args:
        rows: The joints.

    Returns:
        The figures of `group_figures`, and these again by group under `by_joint`, `by_part`, `by_distance` and
        `by_visibility`; groups without a joint are left out.
    """
    relative, aligned = aligned_errors_mm(rows)

    def figures(mask: NDArray[np.bool_]) -> Figures:
        return group_figures(rows.select(mask), relative[mask], aligned[mask])

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
    return figures(np.ones(len(rows.joint), bool)) | {
        group: {name: figures(mask) for name, mask in masks.items() if mask.any()} for group, masks in groups.items()
    }


def _in_part(rows: Rows, part: str) -> NDArray[np.bool_]:
    """Tell which joints count for a part set: those of its own questions, or of questions that name no part set."""
    members = np.isin(rows.joint, [INDEX[name] for name in PARTS[part]])
    return np.asarray((rows.part == part) | ((rows.part == "") & members))


def group_figures(rows: Rows, relative_mm: NDArray[np.float64], aligned_mm: NDArray[np.float64]) -> Figures:
    """Compute the figures of a group of joints; means are over joints.

    Args:
        rows: The joints. One that is missing counts with the mean pose, and never as within a threshold.
        relative_mm: (R,) their errors relative to the pelvis; NaN where they have none.
        aligned_mm: (R,) their errors after Procrustes; NaN where they have none.

    Returns:
        Figures in mm, px, percent of the image's width, and shares of 1.
    """
    errors = metrics.distances_mm(rows.counted, rows.truth)
    answered = np.where(rows.missing, np.nan, errors)
    pixels = np.linalg.norm(rows.counted_pixel - rows.truth_pixel, axis=1)
    return {
        "joints": len(errors),
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


def choices(free: Iterable[Answered]) -> Figures:
    """Judge which joints the model chose for free commands.

    Args:
        free: Answers to free commands; those whose joints are not known are left out. A malformed answer chose none.

    Returns:
        `questions`, `precision`, `recall`, `f1`, `exact_share` of all of them together, and again `by_phrasing`
        (held out, trained, of the data) and `by_task`.
    """
    judged = [entry for entry in free if entry.question.needed is not None]
    kinds = {
        "held_out": [entry for entry in judged if entry.question.held_out],
        "trained": [entry for entry in judged if entry.question.task and not entry.question.held_out],
        "of_the_data": [entry for entry in judged if not entry.question.task],
    }
    tasks = dict.fromkeys(entry.question.task for entry in judged if entry.question.task)
    return _choice_figures(judged) | {
        "by_phrasing": {name: _choice_figures(entries) for name, entries in kinds.items() if entries},
        "by_task": {task: _choice_figures([e for e in judged if e.question.task == task]) for task in sorted(tasks)},
    }


def _choice_figures(entries: Sequence[Answered]) -> Figures:
    if not entries:
        return {"questions": 0, "precision": None, "recall": None, "f1": None, "exact_share": None}
    chosen = [(str(number), joint) for number, entry in enumerate(entries) for joint in entry.prediction.joints]
    needed = [(str(number), joint) for number, entry in enumerate(entries) for joint in entry.question.needed or ()]
    exact = [set(entry.prediction.joints) == set(entry.question.needed or ()) for entry in entries]
    return {
        "questions": len(entries),
        **metrics.precision_recall_f1(chosen, needed),
        "exact_share": _mean(np.array(exact)),
    }


def latency(answered: Iterable[Answered]) -> Figures:
    """Give the median and the 95th percentile of every stage, in milliseconds.

    Args:
        answered: The answers; malformed ones have no stages.

    Returns:
        `total` (view, engine and parse together) and every stage, each with `p50` and `p95`.
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
    """Give the mean of what is there, or None."""
    there = values[np.isfinite(values)]
    return _number(there.mean()) if there.size else None


def _number(value: Any) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
