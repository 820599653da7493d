"""Writes an evaluation: `metrics.json`, `report.md`, and the plots."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.evaluate import Answered
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.metrics import ELLIPSOIDS
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.evaluation.reports.plots import draw_plots
from taihri_ros.evaluation.reports.uncertainty_plot import draw_error_by_confidence
from taihri_ros.evaluation.rows import collect
from taihri_ros.evaluation.summary import Figures, summarize
from taihri_ros.evaluation.uncertainty_metrics import uncertainties
from taihri_ros.pipeline.decoder import XySource

Row = tuple[str, str]

_FIGURES = (
    ("G-MPJPE, mm", "g_mpjpe_mm"),
    ("G-MPJPE of the joints answered, mm", "g_mpjpe_answered_mm"),
    ("median error, mm", "median_mm"),
    ("root-relative MPJPE, mm", "root_relative_mpjpe_mm"),
    ("PA-MPJPE, mm", "pa_mpjpe_mm"),
    ("depth error, mm", "depth_mm"),
    ("lateral error, mm", "lateral_mm"),
    ("2D error, px", "pixel_px"),
    ("2D error, % of the width", "pixel_percent_of_width"),
)
_GROUPS = (
    ("By part set", "by_part"),
    ("By joint", "by_joint"),
    ("By distance", "by_distance"),
    ("By visibility", "by_visibility"),
)


def check_libraries() -> None:
    """Make sure that a report can be written, before hours go into what it tells.

    Raises:
        TaihriError: A library is not installed.
    """
    for module in ("matplotlib", "PIL", "skimage"):
        if importlib.util.find_spec(module) is None:
            raise TaihriError(f"evaluation needs {module}: pip install 'taihri_ros[evaluation]'")


def write_report(
    out: Path, run: Mapping[str, Any], answered: Sequence[Answered], baseline: MeanPose, xy_source: XySource
) -> Figures:
    """Compute the figures and write them.

    Args:
        out: The directory.
        run: What was run, as `describe_run` gives it.
        answered: The answers.
        baseline: The mean pose.
        xy_source: Which x and y the tables and plots show; `metrics.json` has both.

    Returns:
        What `metrics.json` has: `run`, `baseline`, and the figures of `summarize`.
    """
    about = {"source": baseline.source, "images": baseline.images}
    figures: Figures = {"run": {**run, "xy_source": xy_source}, "baseline": about, **summarize(answered, baseline)}
    (out / "metrics.json").write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    named = [entry for entry in answered if not entry.question.is_free]
    rows = collect(named, baseline, xy_source)
    pictures = draw_plots(out, rows) if len(rows.joint) else []
    if figures["uncertainty"][xy_source]["joints"]:
        pictures.append(draw_error_by_confidence(out, uncertainties(named, xy_source)))
    (out / "report.md").write_text(markdown(figures, xy_source, pictures), encoding="utf-8")
    return figures


def markdown(figures: Figures, xy_source: XySource, pictures: Sequence[Path] = ()) -> str:
    """Tell the figures in words and tables.

    Args:
        figures: What `write_report` gives.
        xy_source: Which x and y to show.
        pictures: Plots to show, beside the report.

    Returns:
        Markdown.
    """
    run = figures["run"]
    lines = [
        f"# {run['name']} on {Path(run['data']).name}",
        "",
        f"{run['evaluated_images']} images ({run['format']}), {figures['questions']} questions, {run['engine']} in "
        f"{run['dtype']}, decoding {run['decoding']}; x and y from the {xy_source}. Malformed answers: "
        f"{figures['malformed']}. The mean pose is that of {figures['baseline']['source']} "
        f"({figures['baseline']['images']} images).",
        "",
        "Camera frame, no alignment, means over joints. A joint that was asked for and is missing from the answer "
        "counts with the mean pose, and as a miss in PCK3D.",
        "",
    ]
    if figures["named"][xy_source]["joints"]:
        lines += ["## Named joints", "", *_comparison(figures["named"], xy_source)]
        lines += [line for picture in pictures for line in (f"![{picture.stem}]({picture.name})", "")]
        for title, group in _GROUPS:
            lines += [f"### {title}", "", *_group_table(figures["named"], xy_source, group)]
        lines += _uncertainty(figures["uncertainty"], xy_source)
    lines += _choices(figures["choices"])
    if figures["free"][xy_source]["joints"]:
        lines += ["### Positions of the joints that free commands need", "", *_comparison(figures["free"], xy_source)]
    lines += ["## Latency, ms", "", *_latency(figures["latency_ms"])]
    return "\n".join(lines).rstrip() + "\n"


def _comparison(figures: Figures, xy_source: XySource) -> list[str]:
    model, baseline = figures[xy_source], figures["baseline"]
    table = [(title, _cell(model[key]), _cell(baseline[key])) for title, key in _FIGURES]
    table += [
        (f"PCK3D at {limit}, %", _cell(share, 100), _cell(baseline["pck3d"][limit], 100))
        for limit, share in model["pck3d"].items()
    ]
    table.append(("missing joints, %", _cell(model["missing_share"], 100), _cell(baseline["missing_share"], 100)))
    return _table((f"{model['joints']} joints", "model", "mean pose"), table)


def _group_table(figures: Figures, xy_source: XySource, group: str) -> list[str]:
    model, baseline = figures[xy_source][group], figures["baseline"][group]
    header = (
        "",
        "joints",
        "missing, %",
        "G-MPJPE, mm",
        "mean pose, mm",
        "depth, mm",
        "2D, % of width",
        "PCK3D 100 mm, %",
    )
    table = [
        (
            name.replace("_", " "),
            str(entry["joints"]),
            _cell(entry["missing_share"], 100),
            _cell(entry["g_mpjpe_mm"]),
            _cell(baseline[name]["g_mpjpe_mm"]),
            _cell(entry["depth_mm"]),
            _cell(entry["pixel_percent_of_width"]),
            _cell(entry["pck3d"]["100mm"], 100),
        )
        for name, entry in model.items()
    ]
    return _table(header, table)


def _uncertainty(uncertainty: Figures, xy_source: XySource) -> list[str]:
    if not uncertainty[xy_source]["joints"]:
        return []
    sources = [uncertainty[source] for source in XY_SOURCES]
    table = [
        ("G-MPJPE, mm", *(_cell(entry["g_mpjpe_mm"]) for entry in sources)),
        ("G-MPJPE without the alternatives, mm", *(_cell(entry["g_mpjpe_argmax_mm"]) for entry in sources)),
        *(
            (f"within the {name[:-1]} % ellipsoid, %", *(_cell(entry["coverage"][name], 100) for entry in sources))
            for name in ELLIPSOIDS
        ),
        ("rank correlation of error and spread", *(_cell(entry["rank_correlation"], digits=2) for entry in sources)),
    ]
    groups = [
        (
            _cell(group["confidence"], digits=3),
            str(group["joints"]),
            _cell(group["within_100mm"], 100),
            _cell(group["mean_mm"]),
            f"{_cell(group['p10_mm'])} to {_cell(group['p90_mm'])}",
        )
        for group in uncertainty[xy_source]["by_confidence"]
    ]
    return [
        "### Certainty",
        "",
        *_table((f"{uncertainty[xy_source]['joints']} joints answered", *XY_SOURCES), table),
        *_table(("confidence", "joints", "within 100 mm, %", "mean error, mm", "10-90 %, mm"), groups),
    ]


def _choices(choices: Figures) -> list[str]:
    if not choices["questions"]:
        return []
    groups = {"all": choices, **choices["by_phrasing"], **choices["by_task"]}
    table = [
        (
            name.replace("_", " "),
            str(entry["questions"]),
            *(_cell(entry[key], digits=3) for key in ("precision", "recall", "f1", "exact_share")),
        )
        for name, entry in groups.items()
    ]
    header = ("commands", "questions", "precision", "recall", "F1", "exactly right")
    return ["## Joints chosen for free commands", "", *_table(header, table)]


def _latency(latencies: Figures) -> list[str]:
    table = [
        (f"{kind}, {stage}", _cell(times["p50"]), _cell(times["p95"]))
        for kind, stages in latencies.items()
        for stage, times in stages.items()
    ]
    return _table(("", "p50", "p95"), table)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruler = ["---", *["---:"] * (len(header) - 1)]
    return [*(f"| {' | '.join(cells)} |" for cells in (header, ruler, *rows)), ""]


def _cell(value: float | None, scale: float = 1.0, digits: int = 1) -> str:
    return "" if value is None else f"{value * scale:.{digits}f}"
