"""The comparison of a model with its peers in the report: tables, what is missing, and a plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from taihri_ros.evaluation.peer_comparison import MEAN_POSE, ModelErrors
from taihri_ros.evaluation.reports.plots import draw_cumulative_errors
from taihri_ros.evaluation.reports.tables import cell, counted, table, with_interval

PLOT = "peers.png"

_ROWS = (
    ("G-MPJPE, mm", "g_mpjpe_mm", 0),
    ("root-relative MPJPE, mm", "root_relative_mpjpe_mm", 0),
    ("PA-MPJPE, mm", "pa_mpjpe_mm", 0),
    ("2D error, % of the width", "pixel_percent_of_width", 1),
)
_MOST_NAMES = 10
_COLORS = ("#1f6f8b", "#b5372b", "#d99a2b", "#5b8c5a", "#7a5c99")
_OF_MEAN_POSE = "#c9c4bb"
_MAX_ERROR_MM = 1000


def comparison_lines(comparison: Mapping[str, Any]) -> list[str]:
    """Return the section of the report as lines of Markdown.

    Args:
        comparison: The result of `compare_models`.

    Returns:
        The lines; they show the plot of `draw_comparison`.
    """
    model, everything = comparison["model"], comparison["all"]
    lines = [
        "## Beside other models",
        "",
        f"The same questions about the same {comparison['pictures']} pictures, {comparison['joints']} joints; a joint "
        "without a position has the error of the mean pose. In parentheses 95 % intervals (bootstrap over pictures); "
        f"differences are paired by picture, and below 0 where the other is better than {model}.",
        "",
        *_comparison_table(model, everything),
    ]
    for peer, shared in comparison["shared"].items():
        if shared["joints"] == comparison["joints"]:
            lines += [f"{model} and {peer} place all of these joints.", ""]
        elif shared["joints"]:
            title = f"Only the {shared['joints']} joints in {shared['pictures']} pictures that {model} and {peer} place"
            lines += [f"{title}:", "", *_comparison_table(model, shared["models"])]
        else:
            lines += [f"There is no joint that both {model} and {peer} place.", ""]
    missing = [_missing(name, entry) for name, entry in everything.items() if name != MEAN_POSE]
    return [*lines, f"![the models]({PLOT})", "", "What is missing:", "", *missing, ""]


def comparison_summary(comparison: Mapping[str, Any]) -> list[str]:
    """Return one line of text for each peer.

    Args:
        comparison: The result of `compare_models`.

    Returns:
        The lines.
    """
    model = comparison["model"]
    lines = []
    for peer, shared in comparison["shared"].items():
        found = comparison["all"][peer]
        lines.append(
            f"{peer}: G-MPJPE {with_interval(found['g_mpjpe_mm'])} mm, difference to {model} "
            f"{with_interval(found['difference']['g_mpjpe_mm'])} mm, joints placed in "
            f"{counted(found['found'])} pictures"
        )
        if shared["joints"]:
            ours, theirs = (shared["models"][name]["g_mpjpe_mm"] for name in (model, peer))
            lines.append(
                f"  where both place a joint ({shared['pictures']} pictures): {model} {with_interval(ours)} mm, "
                f"{peer} {with_interval(theirs)} mm"
            )
    return lines


def _comparison_table(model: str, models: Mapping[str, Any]) -> list[str]:
    """Return a column for each model; a cell is empty where a model, such as the mean pose, has no such entry."""

    def row(title: str, key: str, text: Callable[[Any], str]) -> tuple[str, ...]:
        return (title, *("" if entry.get(key) is None else text(entry[key]) for entry in models.values()))

    rows = [row(title, key, partial(with_interval, digits=digits)) for title, key, digits in _ROWS]
    rows.insert(1, row("median error, mm", "median_mm", partial(cell, digits=0)))
    rows += [
        row("pictures in which any joint has a position", "found", counted),
        row("joints without a position, %", "missing_share", lambda share: cell(share, 100)),
        row("pictures in which the node would publish a joint", "published", lambda found: counted(found["pictures"])),
        row("joints that it would publish, %", "published", lambda found: cell(found["joints"], 100)),
        row("their G-MPJPE, mm", "published", lambda found: with_interval(found["g_mpjpe_mm"])),
        row("median latency, ms", "latency_ms", lambda latency: cell(latency["p50"])),
    ]
    for title, key, digits in _ROWS:
        rows.append(row(f"difference to {model}: {title}", "difference", partial(_difference, key=key, digits=digits)))
    return table(("", *models), [cells for cells in rows if any(cells[1:])])


def _difference(found: Mapping[str, Any], key: str, digits: int) -> str:
    return with_interval(found[key], digits)


def _missing(name: str, entry: Mapping[str, Any]) -> str:
    lost, joints = entry["not_found"], entry["never_answered"]
    names = ", ".join(lost[:_MOST_NAMES]) + (", ..." if len(lost) > _MOST_NAMES else "")
    pictures = f"places no joint in {len(lost)} pictures ({names})" if lost else "places joints in every picture"
    unanswered = ", ".join(joint.replace("_", " ") for joint in joints)
    return f"- {name} {pictures}" + (f", and never {unanswered}." if joints else ".")


def draw_comparison(out: Path, comparison: Mapping[str, Any], models: Sequence[ModelErrors]) -> None:
    """Draw `peers.png`: the errors with their intervals, and the share of the joints within each distance.

    Args:
        out: Directory to write.
        comparison: The result of `compare_models`.
        models: The errors of the model and its peers, at least one joint.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    colors = dict(zip([model.name for model in models], cycle(_COLORS), strict=False)) | {MEAN_POSE: _OF_MEAN_POSE}
    _draw_errors(left, comparison["all"], colors)
    _draw_shares(right, [*models, models[0].of_baseline()], colors)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out / PLOT)


def _draw_errors(axes: Any, models: Mapping[str, Any], colors: Mapping[str, str]) -> None:
    """Draw a bar for each model, from top to bottom."""
    for place, (name, entry) in enumerate(models.items()):
        found = entry["g_mpjpe_mm"]
        low, high = found["interval"] or (found["value"], found["value"])
        doubt = [[max(0.0, found["value"] - low)], [max(0.0, high - found["value"])]]
        axes.barh(-place, found["value"], 0.6, color=colors[name], xerr=doubt, ecolor="0.3", capsize=4)
    axes.set_yticks([-place for place in range(len(models))], list(models))
    axes.set_xlabel("G-MPJPE, mm")
    axes.set_title("Error, all joints asked for (95 % intervals)")


def _draw_shares(axes: Any, models: Sequence[ModelErrors], colors: Mapping[str, str]) -> None:
    """Draw PCK3D over its threshold; joints without a position count as misses."""
    curves = [
        (model.name, np.where(model.rows.missing, np.nan, model.errors["g_mpjpe_mm"]), colors[model.name])
        for model in models
    ]
    draw_cumulative_errors(axes, curves, _MAX_ERROR_MM)
