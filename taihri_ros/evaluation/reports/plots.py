"""The error plots of an evaluation, each with the mean pose as a baseline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.joint_errors import Rows
from taihri_ros.evaluation.summary import DISTANCES_M, PCK_THRESHOLDS_MM
from taihri_ros.skeleton import JOINTS

_MODEL, _BASELINE = "#1f6f8b", "#c9c4bb"
_MAX_ERROR_MM = 500
_MIN_JOINTS = 5
"""Smallest number of joints in a distance bin that is drawn."""


def draw_plots(out: Path, rows: Rows) -> list[Path]:
    """Draw `error_by_joint.png`, `error_by_distance.png` and `cumulative_error.png`.

    Args:
        out: Directory to write.
        rows: The joints, at least one.

    Returns:
        The files.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    model = metrics.distances_mm(rows.counted, rows.truth)
    baseline = metrics.distances_mm(rows.fallback, rows.truth)
    paths = []
    for name, height, draw in (
        ("error_by_joint", 6.0, _by_joint),
        ("error_by_distance", 4.0, _by_distance),
        ("cumulative_error", 4.0, _cumulative),
    ):
        figure = Figure(figsize=(8.0, height), dpi=120, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, rows, model, baseline)
        paths.append(out / f"{name}.png")
        figure.savefig(paths[-1])
    return paths


_Errors = NDArray[np.float64]


def _by_joint(axes: Any, rows: Rows, model: _Errors, baseline: _Errors) -> None:
    """Draw a pair of bars for each joint, from bottom to top in the order of the skeleton."""
    present = np.unique(rows.joint)
    place = np.arange(len(present))
    for errors, offset, color, name in ((model, 0.2, _MODEL, "model"), (baseline, -0.2, _BASELINE, "mean pose")):
        means = [errors[rows.joint == joint].mean() for joint in present]
        axes.barh(place + offset, means, 0.38, color=color, label=name)
    axes.set_yticks(place, [JOINTS[joint].replace("_", " ") for joint in present])
    axes.set_xlabel("G-MPJPE, mm")
    axes.set_title("Error by joint")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _by_distance(axes: Any, rows: Rows, model: _Errors, baseline: _Errors) -> None:
    """Draw the mean error over depth, for bins with enough joints."""
    edges = np.array([edge for edge in DISTANCES_M if np.isfinite(edge)])
    centres = (edges[1:] + edges[:-1]) / 2
    bins = np.digitize(rows.truth[:, 2], edges) - 1
    filled = [index for index in range(len(centres)) if np.count_nonzero(bins == index) >= _MIN_JOINTS]
    for errors, color, name in ((model, _MODEL, "model"), (baseline, _BASELINE, "mean pose")):
        means = [errors[bins == index].mean() for index in filled]
        axes.plot(centres[filled], means, "o-", color=color, label=name, linewidth=2)
    counts = [np.count_nonzero(bins == index) for index in filled]
    names = [f"{edges[index]:g}-{edges[index + 1]:g}\nn={count}" for index, count in zip(filled, counts, strict=True)]
    axes.set_xticks(centres[filled], names)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("depth of the joint, m")
    axes.set_ylabel("G-MPJPE, mm")
    axes.set_title("Error by distance")
    axes.legend(frameon=False)


def _cumulative(axes: Any, rows: Rows, model: _Errors, baseline: _Errors) -> None:
    """Draw PCK3D over its threshold; missing joints count as misses."""
    answered = np.where(rows.missing, np.nan, model)
    curves = (("model", answered, _MODEL), ("mean pose", baseline, _BASELINE))
    draw_cumulative_errors(axes, curves, _MAX_ERROR_MM)
    for limit in PCK_THRESHOLDS_MM:
        axes.axvline(limit, color="0.85", linewidth=1, zorder=0)
        share = 100 * metrics.pck(answered, limit)
        axes.annotate(f"{share:.0f} %", (limit, share), (4, -12), textcoords="offset points", fontsize=8, color=_MODEL)


def draw_cumulative_errors(axes: Any, curves: Iterable[tuple[str, _Errors, str]], largest_mm: float) -> None:
    """Draw the share of the joints (PCK3D) over the largest error that counts as found.

    Args:
        axes: The axes of matplotlib.
        curves: Name, errors in mm with NaN for missing joints, and colour of each curve.
        largest_mm: Right end of the axis, mm.
    """
    thresholds = np.linspace(0, largest_mm, 251)
    for name, errors, color in curves:
        axes.plot(thresholds, [100 * metrics.pck(errors, limit) for limit in thresholds], color=color, label=name, lw=2)
    axes.set_xlim(0, largest_mm)
    axes.set_ylim(0, 100)
    axes.set_xlabel("error in the camera frame, mm")
    axes.set_ylabel("share of joints, %")
    axes.set_title("Cumulative error (PCK3D)")
    axes.legend(frameon=False, loc="lower right")
