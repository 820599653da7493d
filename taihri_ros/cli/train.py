"""`taihri train`: train a checkpoint on synthetic people, or on your own labelled pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taihri_ros.cli.extras import import_from
from taihri_ros.cli.options import add_options
from taihri_ros.resources import recipe_file

if TYPE_CHECKING:
    from taihri_ros.training.recipe import PictureSettings, Recipe

_import = partial(import_from, "training", extra="training")
"""Import a module of the room training by its name."""

_DATA: dict[str, Any] = {
    "type": click.Path(exists=True, path_type=Path),
    "help": "Directory of `taihri synth`, or a file that `taihri eval` reads, such as that of `taihri label`.",
}
_STEPS = click.option("--steps", type=click.IntRange(min=1), help="Number of steps; the schedule is scaled to it.")


_RUN_OPTIONS = (
    click.option(
        "--config",
        "file",
        callback=lambda _context, _option, name: recipe_file(name),
        required=True,
        metavar="FILE",
        help="Configuration file, or a recipe of the package, such as config/training/nano.yaml.",
    ),
    click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Another directory for the run."),
    click.option("--resume", is_flag=True, help="Continue from the last checkpoint, if there is one."),
    click.option("--limit-minutes", type=click.FloatRange(min=0), help="Time until the run saves and ends, min."),
)


def _run_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all runs share."""
    return add_options(function, _RUN_OPTIONS)


@click.group("train")
def command() -> None:
    """Train a model from random weights, or from a published Qwen3-VL or TAIHRI checkpoint.

    \b
    Examples:
      taihri train nano --config config/training/nano.yaml --data out/synthetic/train
      taihri train sft --config config/training/lora.yaml --resume
    """


@command.command()
@click.option("--data", required=True, **_DATA)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write.")
@click.option(
    "--focal-px",
    type=click.FloatRange(min=0, min_open=True),
    default=130.0,
    show_default=True,
    help="Focal length of the pictures, px.",
)
@click.option("--max-side", type=click.IntRange(min=32), default=320, show_default=True, help="Largest side, px.")
@click.option(
    "--validation-shards",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Number of shards of synthetic data for validation; of a file the last tenth is.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Number of processes.")
def pictures(*, data: Path, out: Path, focal_px: float, max_side: int, validation_shards: int, workers: int) -> None:
    """Make training pictures: wide canonical images, from which random views are rendered at every step.

    Existing files of synthetic data are kept.

    \b
    Examples:
      taihri train pictures --data out/synthetic/train --out out/pictures --workers 2
      taihri train pictures --data labels/manifest.jsonl --out out/pictures
    """
    settings = _import("recipe").PictureSettings(out, data, focal_px, max_side, validation_shards, workers)
    _make_pictures(settings)


@command.command()
@_run_options
@_STEPS
def vision(*, file: Path, out: Path | None, resume: bool, steps: int | None, limit_minutes: float | None) -> None:
    """Pre-train the vision tower with a heatmap and a depth for every joint.

    \b
    Example:
      taihri train vision --config config/training/nano.yaml
    """
    _run_stage("vision", file, out, resume=resume, steps=steps, limit_minutes=limit_minutes)


@command.command()
@_run_options
@_STEPS
def alignment(*, file: Path, out: Path | None, resume: bool, steps: int | None, limit_minutes: float | None) -> None:
    """Align the language model with the frozen vision tower, before `taihri train sft`.

    \b
    Example:
      taihri train alignment --config config/training/nano.yaml
    """
    _run_stage("alignment", file, out, resume=resume, steps=steps, limit_minutes=limit_minutes)


@command.command()
@_run_options
@_STEPS
def sft(*, file: Path, out: Path | None, resume: bool, steps: int | None, limit_minutes: float | None) -> None:
    """Fine-tune on questions and answers, and write the checkpoint.

    \b
    Examples:
      taihri train sft --config config/training/nano.yaml --resume
      accelerate launch --num_processes 8 -m taihri_ros.cli train sft --config config/training/full.yaml
    """
    _run_stage("sft", file, out, resume=resume, steps=steps, limit_minutes=limit_minutes)


@command.command()
@_run_options
@_STEPS
def rft(*, file: Path, out: Path | None, resume: bool, steps: int | None, limit_minutes: float | None) -> None:
    """Fine-tune a supervised model with rewards for its sampled answers, and write the checkpoint to OUT/rft/model.

    \b
    Examples:
      taihri train rft --config config/training/rft-nano.yaml
      taihri train rft --config config/training/rft-nano.yaml --resume --limit-minutes 60
    """
    _run_stage("rft", file, out, resume=resume, steps=steps, limit_minutes=limit_minutes)


@command.command()
@_run_options
@click.option("--data", **_DATA)
def nano(*, file: Path, data: Path | None, out: Path | None, resume: bool, limit_minutes: float | None) -> None:
    """Run all stages of a configuration: pictures, vision, alignment, sft, rft, checkpoint.

    \b
    Examples:
      taihri synth --count 20000 --seed 1 --out out/synthetic/train --workers 2
      taihri train nano --config config/training/nano.yaml --data out/synthetic/train
      taihri train nano --config config/training/own-pictures.yaml --data labels/manifest.jsonl
    """
    recipe = _read(file, out)
    if data is not None:
        recipe = replace(recipe, pictures=replace(recipe.pictures, data=data))
    if recipe.pictures.data is not None:
        _make_pictures(recipe.pictures)
    launch = _import("launch")
    options = _import("stage").RunOptions(resume, limit_minutes)

    def arguments(stage: str, left: Any) -> list[str]:
        return _arguments(stage, file, recipe.out, resume=resume, steps=None, limit_minutes=left.limit_minutes)

    if launch.run_all_stages(recipe, options, arguments):
        results = [recipe.out / "model", *([recipe.out / "rft" / "model"] if recipe.rft else [])]
        click.echo(f"written to {' and '.join(map(str, results))}")
    else:
        click.echo(f"ended by the time limit: continue with `taihri train nano --config {file} --resume`")


def _run_stage(
    stage: str, file: Path, out: Path | None, *, resume: bool, steps: int | None, limit_minutes: float | None
) -> None:
    recipe: Any = _read(file, out)
    launch = _import("launch")
    section = recipe.stages.get(stage)
    if steps is not None and section is not None:
        recipe = replace(recipe, **{stage: replace(section, schedule=section.schedule.with_steps(steps))})
    options = _import("stage").RunOptions(resume, limit_minutes)
    again = _arguments(stage, file, recipe.out, resume=resume, steps=steps, limit_minutes=limit_minutes)
    launch.launch_stage(stage, recipe, options, again)


def _arguments(
    stage: str, file: Path, out: Path, *, resume: bool, steps: int | None, limit_minutes: float | None
) -> list[str]:
    return [
        *("train", stage, f"--config={file}", f"--out={out}"),
        *(["--resume"] if resume else []),
        *([f"--steps={steps}"] if steps is not None else []),
        *([f"--limit-minutes={limit_minutes}"] if limit_minutes is not None else []),
    ]


def _read(file: Path, out: Path | None) -> Recipe:
    recipe: Recipe = _import("recipe").Recipe.read(file)
    return recipe if out is None else replace(recipe, out=out)


def _make_pictures(settings: PictureSettings) -> None:
    if settings.data is not None and settings.data.is_file():
        from taihri_ros.evaluation.datasets.readers import open_data

        data, module = open_data(str(settings.data)), _import("data.own_pictures")
        name = f"{settings.data.resolve().parent.name}-{settings.data.stem}"
        labelled = (
            module.OwnPicture(item.image(), item.truth.camera, item.truth.joints, item.truth.visibility)
            for item in data.items()
        )
        made, length = module.write_own_pictures(name, labelled, settings), data.length
    else:
        job = _import("data.picture_shards").PictureJob.plan(settings)
        made, length = job.run(), len(job.paths)
    with click.progressbar(made, length=length, label="pictures", file=sys.stderr) as steps:
        for _ in steps:
            pass
