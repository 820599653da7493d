"""The stages `alignment` and `sft`: supervised fine-tuning, first of the language model, then of the whole model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, load_model, save_model
from torch.utils.data import Dataset

from taihri_ros.commands.tasks import Tasks
from taihri_ros.errors import TaihriError
from taihri_ros.training.callbacks import SoftTargetAnnealing
from taihri_ros.training.data.question_sampler import QuestionSampler
from taihri_ros.training.data.viewpoints import View
from taihri_ros.training.data.views import RandomViews, ViewSettings
from taihri_ros.training.export import write_checkpoint
from taihri_ros.training.initial_model import InitialModel
from taihri_ros.training.kept_weights import KeptWeights
from taihri_ros.training.network import packing
from taihri_ros.training.network.answer_loss import AnswerLoss
from taihri_ros.training.network.packing import PackedSample
from taihri_ros.training.recipe import Recipe, SftStage
from taihri_ros.training.stage import (
    RunOptions,
    merged,
    prepare_stage,
    run_stage,
    select_trained,
    training_views,
    validation_views,
)
from taihri_ros.training.vision_stage import TOWER

WEIGHTS = "weights.safetensors"


class SftDataset(Dataset[PackedSample]):
    """Views with sampled questions and their answers.

    Sample i depends only on the seed and on i, so that a resumed run continues with the same data.
    """

    def __init__(self, views: Sequence[View] | RandomViews, sampler: QuestionSampler, seed: int) -> None:
        """Create the data set.

        Args:
            views: The views.
            sampler: Samples the questions.
            seed: Seed of the questions.
        """
        self._views, self._sampler, self._seed = views, sampler, seed

    def __len__(self) -> int:
        """Return the number of views."""
        return len(self._views)

    def __getitem__(self, index: int) -> PackedSample:
        """Return a view with its questions."""
        return self._sampler.sample(self._views[index], np.random.default_rng((self._seed, index)))


def train_alignment(recipe: Recipe, options: RunOptions) -> Path:
    """Align the language model with the vision tower before the last stage.

    The language model learns to read coordinates from the visual tokens. As in the alignment stage of LLaVA
    (arXiv 2304.08485), the vision tower is usually frozen (`train_vision: false`).

    Args:
        recipe: The training, with an `alignment` stage.
        options: Options of this run.

    Returns:
        The directory with `weights.safetensors`, `metrics.json`, `curves.png` and the last checkpoints.

    Raises:
        TaihriError: As for `train_sft`, or the recipe has no `alignment` stage.
    """
    if recipe.alignment is None:
        raise TaihriError("this configuration has no alignment stage: add one, or run `taihri train sft`")
    directory = recipe.out / "alignment"
    trained = _train(recipe, recipe.alignment, directory, options)
    if trained is not None:
        save_model(trained.model, str(directory / WEIGHTS))
    return directory


def train_sft(recipe: Recipe, options: RunOptions) -> Path:
    """Fine-tune the model of a recipe and write its checkpoint.

    Args:
        recipe: The training.
        options: Options of this run.

    Returns:
        The directory of the checkpoint.

    Raises:
        TaihriError: There are no pictures, an earlier stage was not run, or the directory already holds a run.
    """
    trained = _train(recipe, recipe.sft, recipe.out / "sft", options)
    final = recipe.out / "model"
    if trained is not None:
        write_checkpoint(final, trained.model, trained.files, recipe, ("vision", "alignment", "sft"))
    return final


def _train(recipe: Recipe, stage: SftStage, directory: Path, options: RunOptions) -> InitialModel | None:
    """Run a stage and return the trained model; None in all processes but the one that writes it."""
    schedule = stage.schedule
    arguments, start = prepare_stage(recipe, schedule, directory)
    model, spec, vocabulary = start.model, start.spec, start.vocabulary
    _load_previous_weights(recipe, stage, start)
    kept = KeptWeights(model, stage.keep) if stage.keep else None
    adapted = select_trained(start, stage)
    targets = stage.soft_targets
    module = AnswerLoss(
        model,
        first_coordinate=vocabulary.coordinates[0],
        sigma_bins=targets.first_bins if targets else 0.0,
        scheduled_sampling=stage.scheduled_sampling,
        absent=spec.has_absent,
        absent_margin=stage.absent_margin,
    )
    views = ViewSettings(spec, recipe.degrees, stage.person_crops, recipe.backgrounds)
    sampler = QuestionSampler(vocabulary, spec, Tasks.load(*recipe.tasks), stage.questions)
    seed = schedule.seed
    writes = run_stage(
        module,
        arguments,
        schedule,
        train=SftDataset(training_views(recipe, schedule, views, arguments.world_size), sampler, seed),
        validation=SftDataset(validation_views(recipe, schedule, views, nobody=spec.has_absent), sampler, seed + 1),
        collate=functools.partial(packing.collate, image_id=vocabulary.image_id, padding_id=vocabulary.end_ids[0]),
        options=options,
        callbacks=[SoftTargetAnnealing(module, targets, decay=schedule.decay)] if targets else [],
    )
    if not writes:
        return None
    trained = merged(start, adapted)
    if kept:
        kept.blend_into(trained.model)
    return trained


def _load_previous_weights(recipe: Recipe, stage: SftStage, start: InitialModel) -> None:
    """Load the weights of the previous stage."""
    if recipe.alignment is not None and stage is not recipe.alignment:
        load_model(start.model, _stage_output(recipe, "alignment", WEIGHTS))
    elif recipe.vision is not None:
        start.model.model.visual.load_state_dict(load_file(_stage_output(recipe, "vision", TOWER)))


def _stage_output(recipe: Recipe, stage: str, name: str) -> Path:
    path = recipe.out / stage / name
    if not path.is_file():
        raise TaihriError(f"{path} does not exist: run `taihri train {stage}` with the same configuration first")
    return path
