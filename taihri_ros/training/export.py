"""Export of a trained model: bfloat16 weights with every file that an engine needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.training.callbacks import CURVES, METRICS, read_metrics
from taihri_ros.training.initial_model import RECORD
from taihri_ros.training.model_card import write_model_card
from taihri_ros.training.recipe import Recipe

_WEIGHTS = ("*.safetensors", "config.json", RECORD)


def write_checkpoint(directory: Path, model: Any, files: Path, recipe: Recipe, stages: Iterable[str]) -> None:
    """Write the checkpoint with a model card and the metrics and curves of the stages that made it.

    The directory is renamed into place at the end, so that an incomplete checkpoint is never visible.

    Args:
        directory: Directory to write; an existing checkpoint is replaced.
        model: transformers' Qwen3VLForConditionalGeneration; it is converted to bfloat16 in place.
        files: Directory with tokenizer, processor and `taihri.json`.
        recipe: The training.
        stages: Names of the stages that made the weights; those that have not run are left out.

    Raises:
        CheckpointError: The written checkpoint would not load.
    """
    scratch = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(files, scratch, ignore=shutil.ignore_patterns(*_WEIGHTS))
    model.to(torch.bfloat16).save_pretrained(scratch)
    runs = [recipe.out / name for name in stages if (recipe.out / name / METRICS).is_file()]
    metrics = [read_metrics(run) for run in runs]
    (scratch / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    for run in runs:
        shutil.copyfile(run / CURVES, scratch / f"{run.name}-{CURVES}")
    write_model_card(scratch, recipe, metrics)
    check_checkpoint(scratch)
    shutil.rmtree(directory, ignore_errors=True)
    scratch.rename(directory)
