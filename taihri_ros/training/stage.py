"""One training stage: a module, its data and its schedule, run by Hugging Face's Trainer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from transformers import PrinterCallback, TrainingArguments

from taihri_ros.errors import TaihriError
from taihri_ros.training.callbacks import MetricsFile, ProgressBar, TimeLimit
from taihri_ros.training.data.pictures import read_pictures
from taihri_ros.training.data.viewpoints import View
from taihri_ros.training.data.views import RandomViews, ViewSettings, empty_views, plain_views
from taihri_ros.training.initial_model import InitialModel, load_initial_model, prepare_initial_model
from taihri_ros.training.network.attention import attend_by_products, attend_by_size
from taihri_ros.training.network.lora import add_adapters, merge_adapters
from taihri_ros.training.network.patch_batch import embed_still_patches
from taihri_ros.training.recipe import Machine, Recipe, RftStage, Schedule, SftStage
from taihri_ros.training.trainer import Trainer
from taihri_ros.training.weight_average import WeightAverage, last_checkpoint


@dataclass(frozen=True)
class RunOptions:
    """Options of one run of a stage.

    Attributes:
        resume: Whether to continue from the last checkpoint, if there is one.
        limit_minutes: Time in minutes after which the run saves a checkpoint and ends; None for no limit.
    """

    resume: bool = False
    limit_minutes: float | None = None


def prepare_stage(recipe: Recipe, schedule: Schedule, directory: Path) -> tuple[TrainingArguments, InitialModel]:
    """Load the initial model of a stage and replace its slow layers by faster equivalents.

    Args:
        recipe: The training.
        schedule: Steps and rates of the stage.
        directory: Directory for the checkpoints.

    Returns:
        The arguments of the trainer, and the initial model.

    Raises:
        TaihriError: As for `prepare_initial_model`.
    """
    arguments = stage_arguments(directory, schedule, recipe.machine)
    with arguments.main_process_first():
        prepare_initial_model(recipe)
    start = load_initial_model(recipe, schedule.seed)
    embed_still_patches(start.model.model.visual)
    attend_by_size(start.model.model.visual)
    attend_by_products(start.model.model.language_model)
    return arguments, start


def select_trained(start: InitialModel, stage: SftStage | RftStage) -> Any | None:
    """Freeze the weights that a stage does not train, and add its adapters.

    Args:
        start: The initial model, which is changed in place.
        stage: Says what is trained.

    Returns:
        The model with adapters, for `merged`; None if the stage has none.
    """
    if not stage.train_vision:
        start.model.model.visual.requires_grad_(False)
    if stage.gradient_checkpointing:
        start.model.gradient_checkpointing_enable({"use_reentrant": False})
    return add_adapters(start.model, stage.lora, start.new_tokens) if stage.lora else None


def merged(start: InitialModel, adapted: Any | None) -> InitialModel:
    """Return the trained model, with its adapters merged into its weights.

    Args:
        start: The model, after the training.
        adapted: From `select_trained`.

    Returns:
        The model in the form that every engine loads.
    """
    return start if adapted is None else replace(start, model=merge_adapters(adapted))


def stage_arguments(directory: Path, schedule: Schedule, machine: Machine) -> TrainingArguments:
    """Convert a schedule to the arguments of the trainer.

    In a multi-process run this also initialises the process group.

    Args:
        directory: Directory for the checkpoints.
        schedule: Steps and rates of the stage.
        machine: Devices and processes of the run.

    Returns:
        The arguments of the trainer.
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
        label_names=["grids"],  # the trainer evaluates a loss only for batches that have these keys
        bf16=machine.bf16,
        use_cpu=on_cpu,
        ddp_backend="gloo" if on_cpu and "WORLD_SIZE" in os.environ else None,
        ddp_find_unused_parameters=True,  # the vision stage does not use the deepstack mergers
        disable_tqdm=True,
        report_to=[],
    )


def training_views(
    recipe: Recipe, schedule: Schedule, views: ViewSettings, processes: int, *, easy_steps: int = 0
) -> RandomViews:
    """Return the training views of a whole run.

    Args:
        recipe: The training; its pictures are used.
        schedule: Sets the number of views.
        views: How views are sampled.
        processes: Number of processes that share them.
        easy_steps: Number of first steps that use only easy pictures.

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


def validation_views(recipe: Recipe, schedule: Schedule, views: ViewSettings, *, nobody: bool = False) -> list[View]:
    """Return the validation views, which are not augmented.

    Args:
        recipe: The training; its validation pictures are used.
        schedule: Sets the number of views.
        views: The model's view, and the backgrounds.
        nobody: Whether views without a person follow, in the share of `backgrounds.nobody`.

    Returns:
        The views.

    Raises:
        TaihriError: There are no pictures.
    """
    directory = recipe.pictures.directory / "validation"
    pictures = [picture for path in sorted(directory.glob("*.npz")) for picture in read_pictures(path)]
    if not pictures:
        raise TaihriError(f"{directory} holds no pictures to validate on: make them with `taihri train pictures`")
    pictures = pictures[: schedule.validation]
    return plain_views(pictures, views.spec) + (empty_views(pictures, views, seed=schedule.seed) if nobody else [])


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
    """Run a stage to its end, or to the time limit; the module then has the average of its weights, if there is one.

    Args:
        module: Its `forward` returns a dict with `loss` and further metrics of a batch.
        arguments: Arguments of the trainer, from `stage_arguments`.
        schedule: The schedule that the arguments were made from.
        train: Training data set.
        validation: Validation data set.
        collate: Builds a batch from samples.
        options: Options of this run.
        callbacks: Further callbacks of the trainer.

    Returns:
        Whether this process is the one that writes the trained weights.

    Raises:
        TaihriError: The directory already holds a run, and `resume` is not set.
    """
    directory = Path(arguments.output_dir)
    checkpoint = last_checkpoint(directory, averaged=schedule.average is not None)
    if checkpoint and not options.resume:
        raise TaihriError(f"{directory} already holds a run: continue it with --resume, or choose another --out")
    directory.mkdir(parents=True, exist_ok=True)
    description = {
        "stage": directory.name,
        "schedule": asdict(schedule),
        "processes": arguments.world_size,
        "device": arguments.device.type,
        "pictures_per_step": schedule.batch * schedule.accumulate * arguments.world_size,
    }
    limits = [TimeLimit(options.limit_minutes)] if options.limit_minutes else []
    average = WeightAverage(module, schedule.average) if schedule.average is not None else None
    if average and checkpoint:
        average.load(checkpoint)
    averages = [average] if average else []
    trainer = Trainer(
        module,
        arguments,
        train_dataset=train,
        eval_dataset=validation,
        data_collator=collate,
        muon_rate=schedule.muon_rate,
        average=average,
        callbacks=[*averages, *callbacks, *limits, ProgressBar(directory.name), MetricsFile(directory, description)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if average:
        average.exchange()
    return bool(trainer.is_world_process_zero())
