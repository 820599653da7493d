"""Answers about every view in which a node looks for somebody: the full view, and those of the search.

While nobody is known, a checkpoint that has learned zoomed views is shown frames in full, and in the views of a coarse
grid (`PersonViews.search`): one a second, or all of them for a single picture. A person whom it invents in any of them
is published. So a picture without people raises a false alarm if any of these answers is believed. Whatever the
thresholds are, that is when `pipeline.find_person` finds somebody in the picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from taihri_ros.commands.tasks import Tasks
from taihri_ros.evaluation.belief.answers import PLAN
from taihri_ros.evaluation.datasets.items import Data, Item
from taihri_ros.evaluation.evaluate import LabelledAnswer, decode, query_model
from taihri_ros.evaluation.predictions import Prediction
from taihri_ros.evaluation.question_plan import Question, questions
from taihri_ros.model.parser import MalformedAnswerError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.pipeline.estimator import Estimator


def search_answers(
    estimator: Estimator, data: Data, spec: ModelSpec, limit: int | None = None
) -> Iterator[list[LabelledAnswer]]:
    """Send the questions of `PLAN` to the model in every view in which a node looks for somebody.

    Args:
        estimator: Estimator with the model.
        data: The images.
        spec: Specification for decoding the answers.
        limit: Largest number of images; None for all.

    Yields:
        The answers of each image: for each question one about the full view, and one about each view of the search.

    Raises:
        DataError: An image is missing, or its size is not that of its camera.
        EngineError: The engine failed.
    """
    tasks = Tasks.load()
    for index, item in enumerate(itertools.islice(data.items(), limit)):
        yield [
            LabelledAnswer(item.truth, question, prediction)
            for question in questions(item.truth, index, PLAN, tasks)
            for prediction in _looks(estimator, item, question, spec)
        ]


def _looks(estimator: Estimator, item: Item, question: Question, spec: ModelSpec) -> Iterator[Prediction]:
    """Yield the answer about each view; a malformed one, after which a node does not look further, is the last."""
    command = question.command
    try:
        exchange = query_model(estimator, item, command)
        yield decode(exchange, spec)
        joints = command.joints or tuple(joint.joint for joint in exchange.decoder.answer.joints)
        if joints:
            for view in estimator.views(item.truth.camera).search:
                yield decode(query_model(estimator, item, replace(command, joints=joints), view), spec)
    except MalformedAnswerError as error:
        yield Prediction(malformed=str(error), answer=error.raw)
