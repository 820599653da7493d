"""The model card of a trained checkpoint, written from its recipe and its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import yaml

from taihri_ros.inference.checkpoint.safetensors_header import read_tensors
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.callbacks import CURVES, METRICS
from taihri_ros.training.recipe import Recipe


def write_model_card(checkpoint: Path, recipe: Recipe, stages: Sequence[Mapping[str, Any]]) -> None:
    """Write the model card `README.md` into a checkpoint.

    Args:
        checkpoint: Directory with weights and `taihri.json`.
        recipe: The training.
        stages: The metrics of each stage.
    """
    spec = ModelSpec.load(checkpoint)
    weights = sum(prod(tensor.shape) for tensor in read_tensors(checkpoint).values())
    width, height = spec.max_image_size
    about = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["taihri", "human-pose", "keypoints", "robotics"],
    }
    if recipe.model is not None:
        about["base_model"] = recipe.model.name
    lines = [
        *("---", yaml.safe_dump(about, sort_keys=False).strip(), "---", ""),
        *(f"# {spec.name}", ""),
        "Metric 3D keypoints of the person in front of a robot, in the camera frame. Joints are requested by name or",
        "with a free command. A Qwen3-VL with the tokens, prompts and canonical camera of TAIHRI (arXiv 2604.08921),",
        "for `taihri_ros`.",
        "",
        "| | |",
        "|---|---|",
        f"| weights | {weights / 1e6:.1f} million, bfloat16 |",
        f"| started from | {recipe.model.name if recipe.model else 'random weights'} |",
        f"| canonical camera | focal length {spec.focal_px:g} px, at most {width} x {height} px |",
        *(_stage_row(stage) for stage in stages),
        "",
        f"The training log is in `{METRICS}`. Metrics of the last validation:",
        "",
        *(line for stage in stages for line in _validation(stage)),
        *(f"![{stage['stage']}]({stage['stage']}-{CURVES})" for stage in stages),
        "",
        "## Limits",
        "",
        "It knows people, rooms and cameras like those of its training pictures, 0.3 to 4 m away. Evaluate it on",
        "images of your own camera (`taihri eval`) before a robot moves by its output.",
        "",
    ]
    (checkpoint / "README.md").write_text("\n".join(lines), encoding="utf-8")


def _stage_row(stage: Mapping[str, Any]) -> str:
    seen = stage["step"] * stage["pictures_per_step"]
    ended = "" if stage["finished"] else ", not finished"
    device = f"{stage['processes']} x {stage['device']}"
    return f"| {stage['stage']} | {stage['step']} steps, {seen} views, {stage['hours']:.1f} h on {device}{ended} |"


def _validation(stage: Mapping[str, Any]) -> list[str]:
    last = [record for record in stage["records"] if "eval_loss" in record][-1]
    metrics = {name.removeprefix("eval_"): value for name, value in last.items() if name.startswith("eval_")}
    rows = [f"| {name} | {value:.4g} |" for name, value in metrics.items() if "per_second" not in name]
    return [f"| {stage['stage']} | |", "|---|---|", *rows, ""]
