"""The evaluation run, which sends every question to the model and stores every answer."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.commands.command import Command
from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.datasets.items import Data, DataError, Item, Truth
from taihri_ros.evaluation.predictions import Prediction, PredictionFile
from taihri_ros.evaluation.question_plan import Plan, Question, questions
from taihri_ros.inference.engine import EngineError, EngineInfo
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimator import Estimator, Exchange
from taihri_ros.pipeline.find_person import find_person
from taihri_ros.pipeline.person_views import Located, PersonViews
from taihri_ros.pipeline.prompt_batch import Decoding

PersonCropChoice = Literal["never", "auto", "true-box"]
"""The view that a model is shown of each image: `never` a crop but the full view; `auto`: as the node processes single
pictures (`pipeline.find_person`), with a zoomed crop of whom it finds if the checkpoint has learned that; `true-box`:
the crop of the box around the true pixels, as after a perfect detection."""


@dataclass(frozen=True, eq=False)
class LabelledAnswer:
    """A question with its labels and the answer of the model."""

    truth: Truth
    question: Question
    prediction: Prediction


def evaluate(
    estimator: Estimator,
    data: Data,
    plan: Plan,
    stored: PredictionFile | None = None,
    *,
    limit: int | None = None,
    spec: ModelSpec | None = None,
    named_only: bool = False,
    person_crop: PersonCropChoice = "never",
) -> Iterator[list[LabelledAnswer]]:
    """Send the questions to the model, image by image; stored answers are reused.

    Args:
        estimator: Estimator with the model; each answer is decoded with x and y from both sources.
        data: The images.
        plan: The questions for each image.
        stored: File of the answers; None to store none.
        limit: Largest number of images; None for all.
        spec: Specification for decoding the answers, such as one with another calibration; None for the engine's own.
        named_only: Whether questions that do not name their joints are left out.
        person_crop: The view that the model is shown.

    Yields:
        The answers of each image.

    Raises:
        DataError: An image is missing, does not have the size of its camera, or has an invalid command.
        EngineError: The engine failed; the answers so far are stored.
    """
    tasks = Tasks.load() if plan.phrasings in ("held-out", "all") else None
    for index, item in enumerate(itertools.islice(data.items(), limit)):
        answered = []
        for question in questions(item.truth, index, plan, tasks):
            if named_only and question.is_free:
                continue
            prediction = None if stored is None else stored.get(question)
            if prediction is None:
                prediction = _answer_question(estimator, item, question, spec, person_crop)
                if stored is not None:
                    stored.add(question, prediction)
            answered.append(LabelledAnswer(item.truth, question, prediction))
        yield answered


def query_model(
    estimator: Estimator, item: Item, command: Command, shown: PersonCropChoice | CanonicalView = "never"
) -> Exchange:
    """Send a command about an image to the model.

    Args:
        estimator: Estimator with the model.
        item: The image.
        command: The command.
        shown: The view that the model is shown, or how it is chosen.

    Returns:
        The command with its answer.

    Raises:
        DataError: The image is missing, or its size is not that of its camera.
        EngineError: The engine failed.
        MalformedAnswerError: The answer is malformed.
    """
    try:
        image, camera = item.image(), item.truth.camera
        if shown == "auto":
            return find_person(estimator, image, camera, command)
        if shown == "true-box":
            shown = true_box_view(item.truth, estimator.views(camera))
        return estimator.exchange(image, camera, command, view=None if shown == "never" else shown)
    except CameraError as error:
        raise DataError(f"image {item.truth.source}: {error}") from error


def true_box_view(truth: Truth, views: PersonViews) -> CanonicalView:
    """Return the crop around the true pixels of the joints.

    Args:
        truth: Labels of the image.
        views: Views of the camera that took the image.

    Returns:
        The view; the full view where fewer than two joints are in the image, or the crop does not suit the model.
    """
    pixels = truth.pixels[truth.in_image & np.isfinite(truth.pixels).all(axis=1)]
    if len(pixels) < 2 or not np.ptp(pixels, axis=0).any():
        return views.full
    return views.around(Located.in_box(truth.camera, (*pixels.min(axis=0), *pixels.max(axis=0))))


def _answer_question(
    estimator: Estimator, item: Item, question: Question, spec: ModelSpec | None, person_crop: PersonCropChoice
) -> Prediction:
    if question.command.negation:
        return Prediction()  # no joint, as the node answers without the model
    try:
        return decode(query_model(estimator, item, question.command, person_crop), spec)
    except MalformedAnswerError as error:
        return Prediction(malformed=str(error), answer=error.raw)
    except EngineError as error:
        raise type(error)(
            f"{error} (at image {item.truth.source}; the answers so far are stored: repeat the command to continue)"
        ) from error


def decode(exchange: Exchange, spec: ModelSpec | None) -> Prediction:
    """Decode an answer.

    Args:
        exchange: The command with its answer.
        spec: Specification for decoding, such as one with another calibration; None for the engine's own.

    Returns:
        The prediction.

    Raises:
        MalformedAnswerError: The log-probabilities of a coordinate contradict its token.
    """
    if spec is not None:
        exchange = exchange.with_spec(spec)
    return Prediction.from_exchange(exchange)


def describe_run(
    info: EngineInfo, data: Data, plan: Plan, decoding: Decoding, person_crop: PersonCropChoice = "never"
) -> dict[str, Any]:
    """Return the settings that the answers of a run depend on.

    Args:
        info: The engine.
        data: The data set.
        plan: The questions for each image.
        decoding: Decoding mode for named joints.
        person_crop: The view that the model is shown.

    Returns:
        The settings by name, in JSON types.
    """
    return {
        "model": info.model,
        "name": info.spec.name,
        "weights": _fingerprint(Path(info.model)),
        "engine": info.kind,
        "dtype": info.dtype,
        "data": str(data.path.absolute() if data.path.exists() else data.path),
        "format": data.kind,
        "images": data.length,
        "joints": list(plan.joints),
        "commands": plan.phrasings,
        "decoding": decoding,
        "person_crop": person_crop,
        "calibration": {source: list(factors) for source, factors in asdict(info.spec.calibration).items()},
    }


def _fingerprint(checkpoint: Path) -> str:
    """Return a hash of the names, sizes and times of the weight files, which changes when a checkpoint is replaced."""
    files = sorted(checkpoint.glob("*.safetensors")) if checkpoint.is_dir() else []
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
