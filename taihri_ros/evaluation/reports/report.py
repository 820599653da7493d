"""Output of the results of an evaluation: `metrics.json`, `report.md` and the plots."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError, install_extra
from taihri_ros.evaluation.evaluate import LabelledAnswer
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.metrics import ELLIPSOIDS
from taihri_ros.evaluation.peer_comparison import (
    NO_THRESHOLDS,
    ModelAnswers,
    ModelErrors,
    compare_models,
    number_same_names,
    published_metrics,
)
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.evaluation.reports.peer_report import comparison_lines, draw_comparison
from taihri_ros.evaluation.reports.plots import draw_plots
from taihri_ros.evaluation.reports.tables import cell, table, with_interval
from taihri_ros.evaluation.reports.uncertainty_plot import draw_error_by_confidence
from taihri_ros.evaluation.selection_metrics import task_table_metrics
from taihri_ros.evaluation.summary import Metrics, summarize
from taihri_ros.evaluation.uncertainty_metrics import collect_answered_joints
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.decoder import XySource

Row = tuple[str, str]

_POSITION_METRICS = (
    ("G-MPJPE, mm", "g_mpjpe_mm"),
    ("G-MPJPE of the answered joints, mm", "g_mpjpe_answered_mm"),
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
    """Check that the libraries for a report are installed, before a long evaluation starts.

    Raises:
        TaihriError: A library is missing.
    """
    for module in ("matplotlib", "PIL", "skimage"):
        if importlib.util.find_spec(module) is None:
            raise TaihriError(f"evaluation needs {module}: {install_extra('evaluation')}")


def write_report(
    out: Path,
    run: Mapping[str, Any],
    answered: Sequence[LabelledAnswer],
    baseline: MeanPose,
    xy_source: XySource,
    *,
    peers: Sequence[ModelAnswers] = (),
    belief: Belief = NO_THRESHOLDS,
) -> Metrics:
    """Compute and write the metrics, the report and the plots.

    Args:
        out: Directory to write.
        run: Settings of the run, from `describe_run`.
        answered: The answers.
        baseline: The mean pose.
        xy_source: Source of x and y in the tables and plots; `metrics.json` has both.
        peers: Answers of other models to the same named questions.
        belief: What the model must be sure of before the node publishes a joint.

    Returns:
        The content of `metrics.json`: `run`, `baseline`, the metrics of `summarize`; `published`, what the node would
        publish of the named joints; `task_table`, the joint selection of the task table for the spoken commands, in a
        run that asks these; `comparison` of `compare_models`, in a run with peers.
    """
    about = {"source": baseline.source, "images": baseline.images}
    metrics: Metrics = {"run": {**run, "xy_source": xy_source}, "baseline": about, **summarize(answered, baseline)}
    if run.get("commands") == "spoken":
        metrics["task_table"] = task_table_metrics()
    named = [entry for entry in answered if not entry.question.is_free]
    models = number_same_names([ModelAnswers(run["name"], answered, belief), *peers])
    model, *others = [ModelErrors.collect(entry, baseline, xy_source) for entry in models]
    rows = model.rows
    pictures = draw_plots(out, rows) if len(rows.joint) else []
    if len(rows.joint):
        metrics["published"] = published_metrics(model)
    if others and len(rows.joint):
        metrics["comparison"] = compare_models(model, others)
        draw_comparison(out, metrics["comparison"], [model, *others])
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if metrics["uncertainty"][xy_source]["joints"]:
        pictures.append(draw_error_by_confidence(out, collect_answered_joints(named, xy_source)))
    (out / "report.md").write_text(markdown(metrics, xy_source, pictures), encoding="utf-8")
    return metrics


def markdown(metrics: Metrics, xy_source: XySource, pictures: Sequence[Path] = ()) -> str:
    """Format the metrics as Markdown.

    Args:
        metrics: The metrics, from `write_report`.
        xy_source: Source of x and y.
        pictures: Plots to include, in the directory of the report.

    Returns:
        The Markdown text.
    """
    run = metrics["run"]
    lines = [
        f"# {run['name']} on {Path(run['data']).name}",
        "",
        f"{run['evaluated_images']} images ({run['format']}), {metrics['questions']} questions, {run['engine']} in "
        f"{run['dtype']}, decoding {run['decoding']}; x and y from the {xy_source}. Malformed answers: "
        f"{metrics['malformed']}. The mean pose is from {metrics['baseline']['source']} "
        f"({metrics['baseline']['images']} images).",
        "",
        "Camera frame, no alignment, means over joints. A requested joint that is missing from the answer "
        "has the error of the mean pose, and counts as a miss in PCK3D.",
        "",
    ]
    if metrics["named"][xy_source]["joints"]:
        lines += ["## Named joints", "", *_comparison(metrics["named"], xy_source), *_published(metrics["published"])]
        lines += [line for picture in pictures for line in (f"![{picture.stem}]({picture.name})", "")]
        for title, group in _GROUPS:
            lines += [f"### {title}", "", *_group_table(metrics["named"], xy_source, group)]
        lines += _uncertainty(metrics["uncertainty"], xy_source)
    if "comparison" in metrics:
        lines += comparison_lines(metrics["comparison"])
    lines += _joint_selection(metrics["joint_selection"], metrics.get("task_table"))
    if metrics["free"][xy_source]["joints"]:
        lines += ["### Positions of the joints that free commands need", "", *_comparison(metrics["free"], xy_source)]
    lines += ["## Latency, ms", "", *_latency(metrics["latency_ms"])]
    return "\n".join(lines).rstrip() + "\n"


def _comparison(metrics: Metrics, xy_source: XySource) -> list[str]:
    model, baseline = metrics[xy_source], metrics["baseline"]
    rows = [(title, cell(model[key]), cell(baseline[key])) for title, key in _POSITION_METRICS]
    rows += [
        (f"PCK3D at {limit}, %", cell(share, 100), cell(baseline["pck3d"][limit], 100))
        for limit, share in model["pck3d"].items()
    ]
    rows.append(("missing joints, %", cell(model["missing_share"], 100), cell(baseline["missing_share"], 100)))
    outside = str(model["out_of_image"])
    rows.append(("joints outside the image, without a 2D error", outside, outside))
    return table((f"{model['joints']} joints", "model", "mean pose"), rows)


def _published(published: Metrics) -> list[str]:
    if not published["joints"]:
        return ["The node would publish none of these joints at the thresholds of the checkpoint.", ""]
    return [
        f"At the thresholds of the checkpoint, the node would publish {cell(published['joints'], 100)} % of these "
        f"joints: G-MPJPE {with_interval(published['g_mpjpe_mm'])} mm.",
        "",
    ]


def _group_table(metrics: Metrics, xy_source: XySource, group: str) -> list[str]:
    model, baseline = metrics[xy_source][group], metrics["baseline"][group]
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
    rows = [
        (
            name.replace("_", " "),
            str(entry["joints"]),
            cell(entry["missing_share"], 100),
            cell(entry["g_mpjpe_mm"]),
            cell(baseline[name]["g_mpjpe_mm"]),
            cell(entry["depth_mm"]),
            cell(entry["pixel_percent_of_width"]),
            cell(entry["pck3d"]["100mm"], 100),
        )
        for name, entry in model.items()
    ]
    return table(header, rows)


def _uncertainty(uncertainty: Metrics, xy_source: XySource) -> list[str]:
    if not uncertainty[xy_source]["joints"]:
        return []
    sources = [uncertainty[source] for source in XY_SOURCES]
    rows = [
        ("G-MPJPE, mm", *(cell(entry["g_mpjpe_mm"]) for entry in sources)),
        ("G-MPJPE without top-k log-probabilities, mm", *(cell(entry["g_mpjpe_argmax_mm"]) for entry in sources)),
        *(
            (f"within the {name[:-1]} % ellipsoid, %", *(cell(entry["coverage"][name], 100) for entry in sources))
            for name in ELLIPSOIDS
        ),
        (
            "rank correlation of error and deviation",
            *(cell(entry["rank_correlation"], digits=2) for entry in sources),
        ),
    ]
    groups = [
        (
            cell(group["confidence"], digits=3),
            str(group["joints"]),
            cell(group["within_100mm"], 100),
            cell(group["mean_mm"]),
            f"{cell(group['p10_mm'])} to {cell(group['p90_mm'])}",
        )
        for group in uncertainty[xy_source]["by_confidence"]
    ]
    return [
        "### Uncertainty",
        "",
        *table((f"{uncertainty[xy_source]['joints']} joints answered", *XY_SOURCES), rows),
        *table(("confidence", "joints", "within 100 mm, %", "mean error, mm", "10-90 %, mm"), groups),
    ]


def _joint_selection(selection: Metrics, task_table: Metrics | None) -> list[str]:
    if not selection["questions"]:
        return []
    groups = {"all": selection, **selection["by_phrasing"], **selection["by_task"]}
    if task_table is not None:
        groups |= {f"{name}, by the task table": entry for name, entry in task_table["by_phrasing"].items()}
    rows = [
        (
            name.replace("_", " "),
            str(entry["questions"]),
            *(cell(entry[key], digits=3) for key in ("precision", "recall", "f1", "exact_share")),
        )
        for name, entry in groups.items()
    ]
    header = ("commands", "questions", "precision", "recall", "F1", "exact share")
    return ["## Joint selection for free commands", "", *table(header, rows)]


def _latency(latencies: Metrics) -> list[str]:
    rows = [
        (f"{kind}, {stage}", cell(times["p50"]), cell(times["p95"]))
        for kind, stages in latencies.items()
        for stage, times in stages.items()
    ]
    return table(("", "p50", "p95"), rows)
