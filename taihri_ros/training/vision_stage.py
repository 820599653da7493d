"""The `vision` stage: pre-training of the vision tower with dense targets."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from taihri_ros.errors import TaihriError
from taihri_ros.training.data.views import ViewSettings
from taihri_ros.training.network.dense import DensePretraining, collate
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.stage import RunOptions, prepare_stage, run_stage, training_views, validation_views

TOWER = "tower.safetensors"


def train_vision(recipe: Recipe, options: RunOptions) -> Path:
    """Pre-train the vision tower of a recipe.

    Args:
        recipe: The training, with a `vision` stage.
        options: Options of this run.

    Returns:
        The directory with `tower.safetensors`, `metrics.json`, `curves.png` and the last checkpoints.

    Raises:
        TaihriError: There are no pictures, the recipe has no `vision` stage, or its directory already holds a run.
    """
    if recipe.vision is None:
        raise TaihriError("this configuration has no vision stage: add one, or run `taihri train sft`")
    directory, schedule = recipe.out / "vision", recipe.vision.schedule
    arguments, start = prepare_stage(recipe, schedule, directory)
    tower = start.model.model.visual
    max_side = min(start.spec.max_image_size)
    person_crops, backgrounds = recipe.vision.person_crops, recipe.backgrounds
    views = ViewSettings(start.spec.focal_px, max_side, recipe.degrees, person_crops, backgrounds)
    writes = run_stage(
        DensePretraining(tower, width=start.model.config.vision_config.out_hidden_size, focal_px=start.spec.focal_px),
        arguments,
        schedule,
        train=training_views(recipe, schedule, views, arguments.world_size, easy_steps=recipe.vision.easy_steps),
        validation=validation_views(recipe, schedule, views),
        collate=collate,
        options=options,
    )
    if writes:
        save_file({name: tensor.contiguous() for name, tensor in tower.state_dict().items()}, directory / TOWER)
    return directory
