"""The last stage: supervised fine-tuning, and the checkpoint that comes out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from torch.utils.data import Dataset

from taihri_ros.errors import TaihriError
from taihri_ros.tasks import Tasks
from taihri_ros.training import packing
from taihri_ros.training.callbacks import NarrowTargets
from taihri_ros.training.config import Recipe
from taihri_ros.training.export import write_checkpoint
from taihri_ros.training.lora import adapt, merge
from taihri_ros.training.packing import Packed
from taihri_ros.training.patches import embed_still_patches
from taihri_ros.training.pictures import View
from taihri_ros.training.questions import Questioner
from taihri_ros.training.sft import AnswerLoss
from taihri_ros.training.stage import RunOptions, run_stage, stage_arguments, training_views, validation_views
from taihri_ros.training.start import Start, open_start, prepare_start
from taihri_ros.training.views import RandomViews, ViewSettings
from taihri_ros.training.vision_stage import TOWER


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


def train_sft(recipe: Recipe, options: RunOptions) -> Path:
    """Fine-tune the model of a recipe and write its checkpoint.

    Args:
        recipe: The training.
        options: How it is run this time.

    Returns:
        The checkpoint's directory.

    Raises:
        TaihriError: There are no pictures or no pre-trained vision tower, or the directory holds a run already.
    """
    directory, stage, schedule = recipe.out / "sft", recipe.sft, recipe.sft.schedule
    arguments = stage_arguments(directory, schedule, recipe.machine)
    with arguments.main_process_first():
        prepare_start(recipe)
    start = open_start(recipe, schedule.seed)
    model, spec, vocabulary = start.model, start.spec, start.vocabulary
    _take_tower(recipe, start)
    embed_still_patches(model.model.visual)
    model.model.visual.requires_grad_(stage.train_vision)
    if stage.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    adapted = adapt(model, stage.lora, start.new_tokens) if stage.lora else None
    targets = stage.soft_targets
    module = AnswerLoss(
        model,
        first_coordinate=vocabulary.first_coordinate,
        space=spec.space,
        sigma_bins=targets.first_bins if targets else 0.0,
    )
    views = ViewSettings(spec.focal_px, min(spec.max_image_size), recipe.degrees)
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
    final = recipe.out / "model"
    if writes:
        write_checkpoint(final, merge(adapted) if adapted else model, start.files, recipe)
    return final


def _take_tower(recipe: Recipe, start: Start) -> None:
    if recipe.vision is None:
        return
    tower = recipe.out / "vision" / TOWER
    if not tower.is_file():
        raise TaihriError(f"{tower} is not there yet: run `taihri train vision` with the same configuration first")
    start.model.model.visual.load_state_dict(load_file(tower))
