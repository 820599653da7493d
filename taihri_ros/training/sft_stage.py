"""Supervised fine-tuning: the reading lessons, then the last stage and the checkpoint that comes out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, load_model, save_model
from torch.utils.data import Dataset

from taihri_ros.commands.tasks import Tasks
from taihri_ros.errors import TaihriError
from taihri_ros.training.callbacks import NarrowTargets
from taihri_ros.training.data.pictures import View
from taihri_ros.training.data.question_sampler import Questioner
from taihri_ros.training.data.views import RandomViews, ViewSettings
from taihri_ros.training.export import write_checkpoint
from taihri_ros.training.network import packing
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.network.lora import adapt, merge
from taihri_ros.training.network.packing import Packed
from taihri_ros.training.recipe import Recipe, SftStage
from taihri_ros.training.stage import RunOptions, open_stage, run_stage, training_views, validation_views
from taihri_ros.training.start import Start
from taihri_ros.training.vision_stage import TOWER

WEIGHTS = "weights.safetensors"


class AskedViews(Dataset[Packed]):
    """Views with questions; what number i is asked is the same after a resumption."""

    def __init__(self, views: Sequence[View] | RandomViews, questioner: Questioner, seed: int) -> None:
        """Ask about views.

        Args:
            views: The views.
            questioner: Draws the questions.
            seed: Of the questions.
        """
        self._views, self._questioner, self._seed = views, questioner, seed

    def __len__(self) -> int:
        """Give the number of views."""
        return len(self._views)

    def __getitem__(self, index: int) -> Packed:
        """Give a view with its questions."""
        return self._questioner.ask(self._views[index], np.random.default_rng((self._seed, index)))


def train_reading(recipe: Recipe, options: RunOptions) -> Path:
    """Give the model of a recipe its reading lessons, before it is fine-tuned on everything.

    Args:
        recipe: The training, with a `reading` stage.
        options: How it is run this time.

    Returns:
        The directory with `weights.safetensors`, `metrics.json`, `curves.png` and the last checkpoints.

    Raises:
        TaihriError: As `train_sft`, or the recipe has no such stage.
    """
    if recipe.reading is None:
        raise TaihriError("this configuration has no reading stage: add one, or run `taihri train sft`")
    directory = recipe.out / "reading"
    trained = _train(recipe, recipe.reading, directory, options)
    if trained is not None:
        save_model(trained.model, str(directory / WEIGHTS))
    return directory


def train_sft(recipe: Recipe, options: RunOptions) -> Path:
    """Fine-tune the model of a recipe and write its checkpoint.

    Args:
        recipe: The training.
        options: How it is run this time.

    Returns:
        The checkpoint's directory.

    Raises:
        TaihriError: There are no pictures, an earlier stage was not run, or the directory holds a run already.
    """
    trained = _train(recipe, recipe.sft, recipe.out / "sft", options)
    final = recipe.out / "model"
    if trained is not None:
        write_checkpoint(final, trained.model, trained.files, recipe)
    return final


def _train(recipe: Recipe, stage: SftStage, directory: Path, options: RunOptions) -> Start | None:
    """Run a stage; give the trained model to the one process that is to write it."""
    schedule = stage.schedule
    arguments, start = open_stage(recipe, schedule, directory)
    model, spec, vocabulary = start.model, start.spec, start.vocabulary
    _take_weights(recipe, stage, start)
    if not stage.train_vision:
        model.model.visual.requires_grad_(False)
    if stage.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    adapted = adapt(model, stage.lora, start.new_tokens) if stage.lora else None
    targets = stage.soft_targets
    module = AnswerLoss(
        model,
        first_coordinate=vocabulary.first_coordinate,
        sigma_bins=targets.first_bins if targets else 0.0,
        scheduled_sampling=stage.scheduled_sampling,
    )
    views = ViewSettings(spec.focal_px, min(spec.max_image_size), recipe.degrees, stage.person_crops)
    questioner = Questioner(vocabulary, spec, Tasks.load(*recipe.tasks), stage.questions)
    seed = schedule.seed
    writes = run_stage(
        module,
        arguments,
        schedule,
        train=AskedViews(training_views(recipe, schedule, views, arguments.world_size), questioner, seed),
        validation=AskedViews(validation_views(recipe, schedule, views), questioner, seed + 1),
        collate=functools.partial(packing.collate, image_id=vocabulary.image_id, padding_id=vocabulary.end_ids[0]),
        options=options,
        callbacks=[NarrowTargets(module, targets, decay=schedule.decay)] if targets else [],
    )
    if not writes:
        return None
    return replace(start, model=merge(adapted)) if adapted else start


def _take_weights(recipe: Recipe, stage: SftStage, start: Start) -> None:
    """Take up what the stage before left."""
    if recipe.reading is not None and stage is not recipe.reading:
        load_model(start.model, _left_by(recipe, "reading", WEIGHTS))
    elif recipe.vision is not None:
        start.model.model.visual.load_state_dict(load_file(_left_by(recipe, "vision", TOWER)))


def _left_by(recipe: Recipe, stage: str, name: str) -> Path:
    path = recipe.out / stage / name
    if not path.is_file():
        raise TaihriError(f"{path} is not there yet: run `taihri train {stage}` with the same configuration first")
    return path
