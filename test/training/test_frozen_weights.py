"""Stages that train only some of the weights: their checkpoints lack the others, and a run continues without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers.utils import SAFE_WEIGHTS_NAME

from taihri_ros.training.callbacks import read_metrics
from taihri_ros.training.data.picture_shards import PictureJob
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.sft_stage import WEIGHTS, train_alignment
from taihri_ros.training.stage import RunOptions


@pytest.fixture(scope="module")
def recipe(recipe_file: Path, nano: Path) -> Recipe:
    """The alignment, in which the vision tower is frozen, from the untrained checkpoint."""
    recipe = Recipe.read(recipe_file)
    list(PictureJob.plan(recipe.pictures).run())
    assert recipe.alignment is not None
    assert not recipe.alignment.train_vision
    return replace(recipe, vision=None, model=nano, checkpoint=None)


def test_an_interrupted_alignment_continues_exactly(recipe: Recipe, tmp_path: Path) -> None:
    whole = train_alignment(replace(recipe, out=tmp_path / "whole"), RunOptions())
    parts = replace(recipe, out=tmp_path / "parts")
    train_alignment(parts, RunOptions(limit_minutes=1e-5))
    stopped = read_metrics(parts.out / "alignment")
    assert (stopped["step"], stopped["finished"]) == (1, False)
    assert not any("visual" in name for name in load_file(parts.out / "alignment" / "checkpoint-1" / SAFE_WEIGHTS_NAME))
    resumed = train_alignment(parts, RunOptions(resume=True))
    assert read_metrics(resumed)["finished"]
    expected = load_file(whole / WEIGHTS)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in load_file(resumed / WEIGHTS).items())
