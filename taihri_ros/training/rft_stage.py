"""The stage `rft`: reinforcement fine-tuning, in which the model learns from rewards of its own sampled answers.

It is the second stage of TAIHRI (arXiv 2604.08921), by group-relative policy optimisation (GRPO, Shao et al. 2024,
arXiv 2402.03300). Hugging Face's Trainer runs it as it runs the other stages: a batch is a number of views with
questions, and the module samples the answers that it learns from.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

from taihri_ros.commands.tasks import Tasks
from taihri_ros.errors import TaihriError
from taihri_ros.training.callbacks import TimeLimit
from taihri_ros.training.data.question_sampler import QuestionSampler
from taihri_ros.training.data.views import ViewSettings
from taihri_ros.training.export import write_checkpoint
from taihri_ros.training.network.attention import attend_by_size
from taihri_ros.training.network.patch_batch import embed_still_patches
from taihri_ros.training.recipe import Recipe
from taihri_ros.training.reinforcement.asked_views import AskedViews, collate
from taihri_ros.training.reinforcement.policy import AnswerPolicy
from taihri_ros.training.stage import (
    RunOptions,
    merged,
    prepare_stage,
    run_stage,
    select_trained,
    training_views,
    validation_views,
)

NAME = "rft"


class _TimeLimitBetweenRollouts(TimeLimit):
    """A time limit that lets all epochs over the current answers pass: a resumed run has no answers to reuse."""

    def __init__(self, minutes: float, epochs: int) -> None:
        super().__init__(minutes)
        self._epochs = epochs

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Stop the run when the time is over and the next step samples new answers."""
        if state.global_step % self._epochs == 0:
            super().on_step_end(args, state, control, **others)


def train_rft(recipe: Recipe, options: RunOptions) -> Path:
    """Fine-tune a model by reinforcement learning and write its checkpoint.

    It starts from the `model` of the recipe; where the recipe is for a new model, from the result of its `sft` stage.

    Args:
        recipe: The training, with an `rft` stage.
        options: Options of this run.

    Returns:
        The directory of the checkpoint, `model` in the directory of the stage.

    Raises:
        TaihriError: The recipe has no `rft` stage, there are no pictures, the `sft` stage of a new model was not run,
            or the directory already holds a run.
    """
    stage, directory = recipe.rft, recipe.out / NAME
    if stage is None:
        raise TaihriError("this configuration has no rft stage: add one, or run `taihri train sft`")
    schedule = stage.schedule
    arguments, start = prepare_stage(_from_supervised(recipe), schedule, directory)
    model, spec, vocabulary = start.model, start.spec, start.vocabulary
    reference = _frozen_copy(model) if stage.kl > 0.0 else None
    adapted = select_trained(start, stage)
    views = ViewSettings(spec, recipe.degrees, stage.person_crops, recipe.backgrounds)
    sampler = QuestionSampler(vocabulary, spec, Tasks.load(*recipe.tasks), stage.questions)
    limits = [_TimeLimitBetweenRollouts(options.limit_minutes, stage.epochs)] if options.limit_minutes else []
    writes = run_stage(
        AnswerPolicy(model, reference, vocabulary, spec, stage),
        arguments,
        schedule,
        train=AskedViews(
            training_views(recipe, schedule, views, arguments.world_size),
            sampler,
            vocabulary,
            spec,
            seed=schedule.seed,
            epochs=stage.epochs,
            views_per_step=schedule.batch * schedule.accumulate * arguments.world_size,
        ),
        validation=AskedViews(
            validation_views(recipe, schedule, views, nobody=spec.has_absent),
            sampler,
            vocabulary,
            spec,
            seed=schedule.seed + 1,
        ),
        collate=functools.partial(collate, image_id=vocabulary.image_id, padding_id=vocabulary.end_ids[0]),
        options=replace(options, limit_minutes=None),
        callbacks=limits,
    )
    final = directory / "model"
    if writes:
        made_by = recipe.stages if recipe.model is None else (NAME,)
        write_checkpoint(final, merged(start, adapted).model, start.files, recipe, made_by)
    return final


def _from_supervised(recipe: Recipe) -> Recipe:
    """Return the recipe that starts from the supervised model, with `initial` in the directory of this stage."""
    model = recipe.model or recipe.out / "model"
    if not model.is_dir():
        raise TaihriError(f"{model} does not exist: run `taihri train sft` with the same configuration first")
    return replace(recipe, out=recipe.out / NAME, model=model, checkpoint=None)


def _frozen_copy(model: Any) -> Any:
    """Return a copy of a model of `prepare_stage` that is not trained."""
    frozen = copy.deepcopy(model).requires_grad_(False).eval()
    embed_still_patches(frozen.model.visual)  # the copied layers still compute with the weights of the original
    attend_by_size(frozen.model.visual)
    return frozen
