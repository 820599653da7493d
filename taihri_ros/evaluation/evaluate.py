"""The evaluation run: every question to the model, every answer kept."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.datasets.items import Data, DataError, Item, Truth
from taihri_ros.evaluation.predictions import Prediction, PredictionFile
from taihri_ros.evaluation.question_plan import Plan, Question, questions
from taihri_ros.inference.engine import EngineError, EngineInfo
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.pipeline.estimator import Estimator, Exchange
from taihri_ros.pipeline.prompt_batch import Decoding


@dataclass(frozen=True, eq=False)
class Answered:
    """A question with what is true and what the model answered."""

    truth: Truth
    question: Question
    prediction: Prediction


def evaluate(
    estimator: Estimator, data: Data, plan: Plan, kept: PredictionFile, *, limit: int | None = None
) -> Iterator[list[Answered]]:
    """Put the questions to the model, image by image; those that were answered before are not asked again.

    Args:
        estimator: Asks the model; each answer is decoded with x and y from both sources.
        data: The images.
        plan: What to ask about them.
        kept: Where the answers are kept.
        limit: Use the first so many images.

    Yields:
        Each image's answers.

    Raises:
        DataError: An image is not there, not of its camera's size, or has a command that cannot be put.
        EngineError: The engine failed; what was answered is kept.
    """
    tasks = None if plan.phrasings == "none" else Tasks.load()
    for index, item in enumerate(itertools.islice(data.items(), limit)):
        answered = []
        for question in questions(item.truth, index, plan, tasks):
            prediction = kept.get(question)
            if prediction is None:
                prediction = _ask(estimator, item, question)
                kept.add(question, prediction)
            answered.append(Answered(item.truth, question, prediction))
        yield answered


def ask_about(estimator: Estimator, item: Item, command: Command) -> Exchange:
    """Put a command about an image to the model.

    Args:
        estimator: Asks the model.
        item: The image.
        command: The command.

    Returns:
        The command and its answer.

    Raises:
        DataError: The image is not there, or not of its camera's size.
        EngineError: The engine failed.
        MalformedAnswerError: The answer cannot be trusted.
    """
    try:
        return estimator.exchange(item.image(), item.truth.camera, command)
    except CameraError as error:
        raise DataError(f"image {item.truth.source}: {error}") from error


def _ask(estimator: Estimator, item: Item, question: Question) -> Prediction:
    try:
        return Prediction.of(ask_about(estimator, item, question.command))
    except MalformedAnswerError as error:
        return Prediction(malformed=str(error), answer=error.raw)
    except EngineError as error:
        raise type(error)(
            f"{error} (at image {item.truth.source}; the answers so far are kept, the same command goes on from there)"
        ) from error


def describe_run(info: EngineInfo, data: Data, plan: Plan, decoding: Decoding) -> dict[str, Any]:
    """Say what the answers of a run depend on.

    Args:
        info: The engine.
        data: The data set.
        plan: What is asked.
        decoding: How the estimator asks for named joints.

    Returns:
        JSON types.
    """
    return {
        "model": info.model,
        "name": info.spec.name,
        "weights": _fingerprint(Path(info.model)),
        "engine": info.kind,
        "dtype": info.dtype,
        "data": str(data.path.absolute()),
        "format": data.kind,
        "images": data.length,
        "joints": list(plan.joints),
        "commands": plan.phrasings,
        "decoding": decoding,
        "calibration": {source: list(factors) for source, factors in asdict(info.spec.calibration).items()},
    }


def _fingerprint(checkpoint: Path) -> str:
    """Tell a checkpoint from one that was trained on since, by the sizes and times of its weight files."""
    files = sorted(checkpoint.glob("*.safetensors")) if checkpoint.is_dir() else []
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
