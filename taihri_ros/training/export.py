"""The checkpoint that a training leaves: bfloat16 weights with all that an engine needs beside them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from taihri_ros.inference.checkpoint.checks import check_checkpoint
from taihri_ros.training.callbacks import CURVES, METRICS, read_metrics
from taihri_ros.training.card import write_card
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.start import RECORD

_WEIGHTS = ("*.safetensors", "config.json", RECORD)


def write_checkpoint(directory: Path, model: Any, files: Path, recipe: Recipe) -> None:
    """Write the checkpoint, with the metrics and curves of all stages and a model card; it appears whole.

    Args:
        directory: Where to; a checkpoint that is there is replaced.
        model: transformers' Qwen3VLForConditionalGeneration; it is made bfloat16.
        files: Directory with tokenizer, processor and `taihri.json`.
        recipe: How it was trained.

    Raises:
        CheckpointError: What was written would not load.
    """
    scratch = directory.with_name(f"{directory.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(files, scratch, ignore=shutil.ignore_patterns(*_WEIGHTS))
    model.to(torch.bfloat16).save_pretrained(scratch)
    runs = [recipe.out / name for name in recipe.stages if (recipe.out / name / METRICS).is_file()]
    stages = [read_metrics(run) for run in runs]
    (scratch / METRICS).write_text(json.dumps(stages, indent=1) + "\n", encoding="utf-8")
    for run in runs:
        shutil.copyfile(run / CURVES, scratch / f"{run.name}-{CURVES}")
    write_card(scratch, recipe, stages)
    check_checkpoint(scratch)
    shutil.rmtree(directory, ignore_errors=True)
    scratch.rename(directory)
