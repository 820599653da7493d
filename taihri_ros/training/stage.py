"""One stage of a training: a module, its data and its schedule, run by Hugging Face's Trainer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from transformers import PrinterCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from taihri_ros.errors import TaihriError
from taihri_ros.training.callbacks import MetricsFile, Progress, TimeLimit
from taihri_ros.training.data.pictures import View, read_pictures
from taihri_ros.training.data.views import RandomViews, ViewSettings, plain_views
from taihri_ros.training.network.attention import attend_by_products, attend_by_size
from taihri_ros.training.network.patch_batch import embed_still_patches
from taihri_ros.training.recipe import Machine, Recipe, Schedule
from taihri_ros.training.start import Start, open_start, prepare_start
from taihri_ros.training.trainer import Trainer, evaluation_means


@dataclass(frozen=True)
class RunOptions:
    """How a stage is run this time.

    Attributes:
        resume: Whether it goes on from its last checkpoint, if there is one.
        limit_minutes: Time after which it writes a checkpoint and ends; None for no limit.
    """

    resume: bool = False
    limit_minutes: float | None = None


def open_stage(recipe: Recipe, schedule: Schedule, directory: Path) -> tuple[TrainingArguments, Start]:
    """Prepare a stage: what it starts from, once for all its processes, and made fast to train.

    Args:
        recipe: The training.
        schedule: How long and how fast.
        directory: Where the checkpoints go.

    Returns:
        The trainer's arguments, and the model before the stage.

    Raises:
        TaihriError: As `prepare_start`.
    """
    arguments = stage_arguments(directory, schedule, recipe.machine)
    with arguments.main_process_first():
        prepare_start(recipe)
    start = open_start(recipe, schedule.seed)
    embed_still_patches(start.model.model.visual)
    attend_by_size(start.model.model.visual)
    attend_by_products(start.model.model.language_model)
    return arguments, start


def stage_arguments(directory: Path, schedule: Schedule, machine: Machine) -> TrainingArguments:
    """Translate a schedule; in a multi-process run this also joins the processes.

    Args:
        directory: Where the checkpoints go.
        schedule: How long and how fast.
        machine: What the run may use.

    Returns:
        The trainer's arguments.
    """
    on_cpu = machine.device == "cpu" or not torch.cuda.is_available()
    if machine.threads:
        torch.set_num_threads(machine.threads)
        cv2.setNumThreads(machine.threads)
    return TrainingArguments(
        output_dir=str(directory),
        max_steps=schedule.steps,
        per_device_train_batch_size=schedule.batch,
        per_device_eval_batch_size=schedule.batch,
        gradient_accumulation_steps=schedule.accumulate,
        learning_rate=schedule.rate,
        weight_decay=schedule.weight_decay,
        max_grad_norm=schedule.clip,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": schedule.decay, "decay_type": "linear", "min_lr_ratio": 0.02},
        warmup_steps=schedule.warmup,
        logging_steps=schedule.log_every,
        eval_strategy="steps",
        eval_steps=schedule.evaluate_every,
        save_steps=schedule.evaluate_every,
        save_total_limit=2,
        seed=schedule.seed,
        train_sampling_strategy="sequential",
        dataloader_num_workers=machine.loader_workers,
        dataloader_persistent_workers=machine.loader_workers > 0,
        remove_unused_columns=False,
        label_names=["grids"],  # one that every batch has: its absence would mean that there is no loss to evaluate
        bf16=machine.bf16,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and "WORLD_SIZE" in os.environ else None,
        ddp_find_unused_parameters=True,  # those of deepstack, in the pre-training of the tower
        disable_tqdm=True,
        report_to=[],
    )


def training_views(
    recipe: Recipe, schedule: Schedule, views: ViewSettings, processes: int, *, easy_steps: int = 0
) -> RandomViews:
    """Give the views of a whole run.

    Args:
        recipe: Where the pictures are.
        schedule: How many are needed.
        views: How they are drawn.
        processes: How many processes share them.
        easy_steps: How many steps, the first ones, see only easy pictures.

    Returns:
        The views.

    Raises:
        TaihriError: There are no pictures.
    """
    each = schedule.batch * schedule.accumulate * processes
    return RandomViews(
        recipe.pictures.directory / "train",
        views,
        count=schedule.steps * each,
        seed=schedule.seed,
        easy=easy_steps * each,
    )


def validation_views(recipe: Recipe, schedule: Schedule, views: ViewSettings) -> list[View]:
    """Give the plain views that are validated on.

    Args:
        recipe: Where the pictures are.
        schedule: How many are wanted.
        views: Their focal length and size.

    Returns:
        The views.

    Raises:
        TaihriError: There are no pictures.
    """
    directory = recipe.pictures.directory / "validation"
    pictures = [picture for path in sorted(directory.glob("*.npz")) for picture in read_pictures(path)]
    if not pictures:
        raise TaihriError(f"{directory} holds no pictures to validate on: make them with `taihri train pictures`")
    return plain_views(pictures[: schedule.validation], views)


def run_stage(
    module: torch.nn.Module,
    arguments: TrainingArguments,
    schedule: Schedule,
    *,
    train: Any,
    validation: Any,
    collate: Callable[[Sequence[Any]], dict[str, torch.Tensor]],
    options: RunOptions,
    callbacks: Sequence[Any] = (),
) -> bool:
    """Run a stage to its end, or to the time limit.

    Args:
        module: Gives `loss` and further figures for a batch.
        arguments: What `stage_arguments` gave.
        schedule: What they were made of.
        train: Data set to train on.
        validation: Data set to validate on.
        collate: Makes a batch.
        options: How it is run this time.
        callbacks: What happens beside the steps.

    Returns:
        Whether this process is the one that writes what was trained.

    Raises:
        TaihriError: The directory holds a run, and `resume` is not set.
    """
    directory = Path(arguments.output_dir)
    checkpoint = get_last_checkpoint(str(directory)) if directory.is_dir() else None
    if checkpoint and not options.resume:
        raise TaihriError(f"{directory} holds a run already: go on with --resume, or name another --out")
    directory.mkdir(parents=True, exist_ok=True)
    describe = {
        "stage": directory.name,
        "schedule": asdict(schedule),
        "processes": arguments.world_size,
        "device": arguments.device.type,
        "pictures_per_step": schedule.batch * schedule.accumulate * arguments.world_size,
    }
    limits = [TimeLimit(options.limit_minutes)] if options.limit_minutes else []
    trainer = Trainer(
        module,
        arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=collate,
        muon_rate=schedule.muon_rate,
        callbacks=[*callbacks, *limits, Progress(directory.name), MetricsFile(directory, describe)],
    )
    trainer.compute_metrics = evaluation_means(trainer)
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=checkpoint)
    return bool(trainer.is_world_process_zero())
