"""The `vision` stage: pre-training of the vision tower with dense targets."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers.utils import SAFE_WEIGHTS_NAME

from taihri_ros.errors import TaihriError
from taihri_ros.training.data.views import ViewSettings
from taihri_ros.training.network.dense import DensePretraining, collate
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.stage import RunOptions, prepare_stage, run_stage, training_views, validation_views
from taihri_ros.training.weight_average import AVERAGE

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
    views = ViewSettings(start.spec, recipe.degrees, recipe.vision.person_crops, recipe.backgrounds)
    width = start.model.config.vision_config.out_hidden_size
    module = DensePretraining(tower, width=width, focal_px=start.spec.focal_px)
    if recipe.vision.start is not None:
        _load_weights(module, recipe.vision.start)
    writes = run_stage(
        module,
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


def _load_weights(module: DensePretraining, checkpoint: Path) -> None:
    """Load the weights of a checkpoint of another vision run, their average if it has one."""
    names = [name for name in (AVERAGE, SAFE_WEIGHTS_NAME) if (checkpoint / name).is_file()]
    if not names:
        raise TaihriError(
            f"vision.start: {checkpoint} is not a checkpoint of a vision run, such as `vision/checkpoint-800`"
        )
    try:
        module.load_state_dict(load_file(checkpoint / names[0]))
    except RuntimeError as error:
        raise TaihriError(f"vision.start: {checkpoint} is of another model: set its sizes, or another start") from error
