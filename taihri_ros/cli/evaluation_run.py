"""Runs of an engine on a data set, for `taihri eval` and `taihri calibrate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from taihri_ros.evaluation.datasets.items import Data
from taihri_ros.evaluation.evaluate import LabelledAnswer, PersonCropChoice, describe_run, evaluate
from taihri_ros.evaluation.predictions import PredictionFile
from taihri_ros.evaluation.question_plan import Plan
from taihri_ros.inference.engine import Engine
from taihri_ros.node.configured_engine import checkpoint, local_engine_options, ready_engine
from taihri_ros.node.parameters import ParameterError, Parameters
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.prompt_batch import Decoding


def ask(
    engine: Engine,
    data: Data,
    plan: Plan,
    decoding: Decoding,
    file: Path,
    limit: int | None,
    *,
    named_only: bool = False,
    person_crop: PersonCropChoice = "auto",
) -> tuple[dict[str, Any], list[LabelledAnswer]]:
    """Send all questions about a data set to the model; answers that are stored are reused.

    Args:
        engine: The engine.
        data: The images.
        plan: The questions for each image.
        decoding: Decoding mode for named joints.
        file: File of the answers.
        limit: Largest number of images; None for all.
        named_only: Whether free commands are left out.
        person_crop: The view that the model is shown.

    Returns:
        The settings of the run, and the answers.

    Raises:
        TaihriError: An image cannot be read, the engine failed, or the file has answers of another run.
    """
    answered: list[LabelledAnswer] = []
    count = min(data.length, limit or data.length)
    run = describe_run(engine.info, data, plan, decoding, person_crop)
    with (
        PredictionFile(file, run) as stored,
        click.progressbar(length=count, label="images", file=sys.stderr) as bar,
    ):
        estimator = Estimator(engine, decoding=decoding)
        for answers in evaluate(
            estimator, data, plan, stored, limit=limit, named_only=named_only, person_crop=person_crop
        ):
            answered += answers
            bar.update(1)
    return {**run, "evaluated_images": count}, answered


def open_configured_engine(parameters: Parameters, *, in_process: bool = False) -> Engine:
    """Open the configured engine and wait until it is ready; it looks at every picture for itself.

    Args:
        parameters: The parameters; `engine.*` are used.
        in_process: Whether to load the model in this process.

    Returns:
        The engine.

    Raises:
        TaihriError: The engine cannot be opened.
    """
    if not in_process:
        return ready_engine(parameters, tracking=False)
    if parameters.engine_kind == "openai":
        raise ParameterError("--in-process needs an engine on this machine, not --engine openai")
    from taihri_ros.inference.factory import open_engine

    options = local_engine_options(parameters, tracking=False)
    return open_engine(parameters.engine_kind, checkpoint(parameters), options=options)
