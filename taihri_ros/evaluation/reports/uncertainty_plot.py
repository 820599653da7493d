"""The plot of error by confidence, with the reliability of the confidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from taihri_ros.evaluation.uncertainty_metrics import RADIUS_MM, AnsweredJoints, by_confidence

_MODEL, _IDEAL = "#1f6f8b", "#c9c4bb"


def draw_error_by_confidence(out: Path, joints: AnsweredJoints) -> Path:
    """Draw `error_by_confidence.png`: error over confidence, and share of errors within 100 mm over confidence.

    Args:
        out: Directory to write.
        joints: The joints; at least one must have a known uncertainty.

    Returns:
        The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = joints.known
    groups = by_confidence(known.confidence, known.errors_mm)
    columns = {name: np.array([group[name] for group in groups]) for name in groups[0]}
    figure = Figure(figsize=(8.0, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    errors, shares = figure.subplots(1, 2)
    _draw_errors(errors, columns)
    _draw_shares(shares, columns)
    for axes in (errors, shares):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel("confidence")
    path = out / "error_by_confidence.png"
    figure.savefig(path)
    return path


def _draw_errors(axes: Any, columns: dict[str, Any]) -> None:
    axes.fill_between(
        columns["confidence"], columns["p10_mm"], columns["p90_mm"], color=_MODEL, alpha=0.2, lw=0, label="10-90 %"
    )
    axes.plot(columns["confidence"], columns["mean_mm"], "o-", color=_MODEL, linewidth=2, label="mean")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("error in the camera frame, mm")
    axes.set_title("Error by confidence")
    axes.legend(frameon=False)


def _draw_shares(axes: Any, columns: dict[str, Any]) -> None:
    end = min(1.0, 1.1 * float(max(columns["confidence"].max(), columns["within_100mm"].max())) + 0.01)
    axes.plot([0, end], [0, end], color=_IDEAL, linewidth=2, label="ideal")
    axes.plot(columns["confidence"], columns["within_100mm"], "o-", color=_MODEL, linewidth=2, label="model")
    axes.set_xlim(0, end)
    axes.set_ylim(0, end)
    axes.set_aspect("equal")
    axes.set_ylabel(f"share of the joints within {RADIUS_MM:g} mm")
    axes.set_title(f"Reliability, groups of {columns['joints'][0]} joints")
    axes.legend(frameon=False, loc="upper left")
